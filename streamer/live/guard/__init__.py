"""Limits for clients of any server: connections, time, guesses at passwords."""
