"""Whether this host's mail works at this moment: its programs, database, queue, disk and certificates."""
