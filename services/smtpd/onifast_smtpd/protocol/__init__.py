"""SMTP as it is written: commands, parameters, replies, and octets on the wire; no judgement."""
