"""Paints masks onto the planes of a picture."""
