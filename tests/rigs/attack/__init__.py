"""A live service with good clients, attackers on this machine, and measurements of what the clients notice."""
