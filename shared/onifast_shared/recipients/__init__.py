"""Who gets mail here: addresses and their owners, forwards, quotas, and whom their users write to."""
