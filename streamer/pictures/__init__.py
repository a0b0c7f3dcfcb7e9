"""Masked copies of still pictures."""
