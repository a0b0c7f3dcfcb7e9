"""Chooses samples, runs the detector on them and returns detections."""
