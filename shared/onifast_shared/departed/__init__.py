"""Users who are gone: who is, what becomes of what they left, and how it comes back."""
