"""One source: connected, reconnected, decoded, and what of its pictures can be trusted."""
