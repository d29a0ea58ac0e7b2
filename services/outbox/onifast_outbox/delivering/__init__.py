"""One claimed message on its way: prepared, routed, delivered, and its results committed."""
