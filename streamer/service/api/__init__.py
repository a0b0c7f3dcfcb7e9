"""The HTTP API: what the parts of the service do, as requests and answers."""
