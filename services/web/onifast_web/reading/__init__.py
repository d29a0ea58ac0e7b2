"""A message made safe to show."""
