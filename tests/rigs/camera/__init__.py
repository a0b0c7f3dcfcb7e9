"""Real cameras, bad networks and real recorders for tests of live streams."""
