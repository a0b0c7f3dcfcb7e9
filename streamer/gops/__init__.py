"""Packets between two key frames: what of a video may be copied as it is, and what that takes."""
