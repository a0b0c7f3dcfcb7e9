"""Parts of `deploy/` run without containers."""
