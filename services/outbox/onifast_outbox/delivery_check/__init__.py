"""Answers people who ask what would become of mail to an address if it were sent now."""
