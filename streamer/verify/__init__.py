"""Checks a masked file against its original, and masks what the check finds."""
