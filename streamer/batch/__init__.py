"""Many inputs in one job: which files there are, what becomes of each, and how it ended."""
