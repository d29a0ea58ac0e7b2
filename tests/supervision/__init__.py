"""The three programs as a supervisor runs them, and `make run` as a new user does."""
