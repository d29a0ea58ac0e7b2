"""Milters: other programs that look at each message, change its header or refuse it (ClamAV, OpenDKIM and others)."""
