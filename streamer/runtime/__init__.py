"""The process itself: signals, logs, threads of libraries, memory, file descriptors."""
