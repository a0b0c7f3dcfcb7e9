"""Recordings of a live stream."""
