"""A camera, veilcast, its clients, everything that can go wrong with them, and a judge of what the clients got."""
