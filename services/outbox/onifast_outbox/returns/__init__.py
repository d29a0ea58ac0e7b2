"""Notifications that come home: what other sites say became of mail that was sent from here, tied to that mail."""
