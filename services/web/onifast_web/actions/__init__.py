"""What the API and the webmail both do."""
