"""An HTTP server for any ASGI application, behind the guard against slow and greedy clients; headers that protect."""
