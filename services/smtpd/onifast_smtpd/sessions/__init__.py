"""A client's connection, and the session on it: what it says, what it is answered, what it has cost."""
