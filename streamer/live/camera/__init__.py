"""One source: connects, reconnects, decodes, and decides which pictures can be trusted."""
