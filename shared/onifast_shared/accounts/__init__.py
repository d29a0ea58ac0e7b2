"""Who may log in, and by what: the panel's users, passwords of all kinds, sessions, and what slows guessing down."""
