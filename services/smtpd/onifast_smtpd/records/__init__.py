"""What is written down without anybody waiting for it."""
