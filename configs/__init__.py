"""Ready-made presets, each usable as `--config NAME`."""
