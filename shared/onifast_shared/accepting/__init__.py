"""The one door: takes responsibility for a message, in one durable transaction."""
