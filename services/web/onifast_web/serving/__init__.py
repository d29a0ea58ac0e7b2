"""The server: waitress with what it lacks for us."""
