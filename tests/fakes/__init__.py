"""Peers that misbehave on purpose: a scripted SMTP server and a local DNS server."""
