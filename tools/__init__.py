"""What the Makefile calls: plain programs of the standard library, for developers and for `make run`."""
