"""Tracks faces over time and decides how to cover each frame."""
