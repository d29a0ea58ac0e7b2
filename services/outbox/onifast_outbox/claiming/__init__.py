"""What this process works on: claims, their leases, and what must be put right before."""
