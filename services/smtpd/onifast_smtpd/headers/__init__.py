"""The header of a message on its way in: what is added, what is removed, what is too much."""
