"""The machine that a program runs on: its settings, log, sockets, accounts and DNS; it knows no mail."""
