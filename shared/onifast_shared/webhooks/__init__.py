"""Webhooks: who wants to be told what became of mail, what waits to be told, and how it is signed."""
