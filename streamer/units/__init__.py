"""Long recordings in units: cut at key frames by a plan, masked one by one in any order, and joined without a seam."""
