"""Mailboxes: the rows that a user reads, the bytes that they share, and what is found out about them later."""
