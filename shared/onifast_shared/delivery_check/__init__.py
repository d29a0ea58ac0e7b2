"""The delivery check: what would become of mail to an address, asked by people and answered by outbox."""
