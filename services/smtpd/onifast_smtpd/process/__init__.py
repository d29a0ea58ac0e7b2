"""Several processes that receive mail, and whom they let in."""
