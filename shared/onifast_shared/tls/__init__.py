"""TLS: our certificates for those who come, and what is remembered of the servers that we go to."""
