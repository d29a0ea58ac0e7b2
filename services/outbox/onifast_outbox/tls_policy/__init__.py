"""How a connection to a foreign server must be protected: DANE, MTA-STS, the memory of good TLS, and TLS reports."""
