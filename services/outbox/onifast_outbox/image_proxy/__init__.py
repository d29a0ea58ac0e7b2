"""Fetches the images of messages for their readers."""
