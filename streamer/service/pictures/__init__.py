"""Pictures that are masked while the client waits."""
