"""Planes of decoded pictures, their orientation, and reusable memory."""
