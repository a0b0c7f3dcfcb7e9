"""`veilcast serve`: pictures and videos over HTTP, jobs, and an audit log."""
