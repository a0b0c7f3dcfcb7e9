"""Who asks, what they may do, and how often. Nothing here opens a socket."""
