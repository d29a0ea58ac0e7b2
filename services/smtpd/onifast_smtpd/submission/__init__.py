"""Outgoing mail: who submits it, from which addresses, and how much."""
