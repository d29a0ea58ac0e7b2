"""What every program does at its start, and while it runs: arguments, and settings taken anew."""
