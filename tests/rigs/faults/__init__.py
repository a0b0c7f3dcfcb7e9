"""A camera, veilcast, its clients, faults for all of them, and a judge of what the clients received."""
