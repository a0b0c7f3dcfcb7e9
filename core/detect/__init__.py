"""Which frames the detector looks at, and what it finds in them."""
