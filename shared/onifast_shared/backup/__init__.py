"""Backups: consistent copies of the running system, each piece stored once, and how they come back."""
