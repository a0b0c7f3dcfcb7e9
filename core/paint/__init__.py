"""Painting masks on the planes of a picture."""
