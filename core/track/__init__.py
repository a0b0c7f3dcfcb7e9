"""Faces through time, and how each frame is to be covered."""
