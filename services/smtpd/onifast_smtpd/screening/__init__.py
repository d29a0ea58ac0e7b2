"""What becomes of a message from outside, and why, in words."""
