"""Everything that touches the world: sources, encoder, sinks, jobs and the command line."""
