"""Destinations: how many deliveries each gets at once, how fast, and which are dead."""
