"""Shared by files and live streams: containers, picture formats, timestamps, damage tracking."""
