"""What was received: indexed for lists and search, and copied into its owner's home."""
