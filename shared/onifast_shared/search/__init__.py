"""Search: the words of each owner's mail, what people type to find it, and what they are shown of it."""
