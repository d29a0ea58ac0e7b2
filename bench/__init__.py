"""Measurements of this project beside real peers, on one machine, in one run."""
