"""Filters and vacation notes: what a user wants done with mail as it comes, and what did it."""
