"""Messages as values: parsed, taken apart into headers and MIME parts, and built."""
