"""The queue: its store, who is served next and when, what holds mail back, and how people see all that."""
