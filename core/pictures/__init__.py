"""Planes of decoded pictures, which way up they are, and memory for working on them."""
