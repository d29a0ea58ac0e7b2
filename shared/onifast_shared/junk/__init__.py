"""Junk as its readers see it: what each user moves to or out of junk, and what is learned from that for them alone."""
