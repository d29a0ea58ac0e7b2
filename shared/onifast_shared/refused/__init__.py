"""What did not come in, and what was found out about those who tried."""
