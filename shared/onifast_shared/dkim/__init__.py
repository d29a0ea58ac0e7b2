"""What a domain signs with: selectors and their rotation, the records in DNS, and whose mail a key may sign."""
