"""Process-wide concerns: signals, logging, library threads, memory, file descriptors."""
