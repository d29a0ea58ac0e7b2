"""Webhooks: what a settled delivery tells, and how that gets to who wants to know."""
