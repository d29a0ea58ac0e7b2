"""Values of mail with no I/O: addresses, envelopes, replies, names and times."""
