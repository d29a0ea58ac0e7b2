"""The receiver: takes mail in over SMTP."""
