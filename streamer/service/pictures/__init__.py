"""Masks pictures while their sender waits, in processes of their own that a damaged picture may take along."""
