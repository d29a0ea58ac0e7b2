"""The deliverer: sends what is queued and files what was received."""
