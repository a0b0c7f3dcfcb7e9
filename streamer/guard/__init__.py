"""Limits on the clients of every server: connections, time, password guesses."""
