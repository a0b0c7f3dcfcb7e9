"""Masked copies of recorded files."""
