"""A live service with good clients, attackers that bother it from this machine alone, and what the clients notice."""
