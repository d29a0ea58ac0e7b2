"""Tests of the deliverer, on a real database, real sockets, and peers that misbehave."""
