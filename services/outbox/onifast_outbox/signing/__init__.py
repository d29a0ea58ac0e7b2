"""DKIM signatures and ARC seals, and the rotation of the keys that make them."""
