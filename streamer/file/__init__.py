"""Makes masked copies of recorded files."""
