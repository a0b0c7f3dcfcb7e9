"""The engine: frames and detections in, masked frames out. No network, no files but model weights."""
