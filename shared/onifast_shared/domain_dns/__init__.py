"""A domain's DNS as mail needs it: what to publish, what is there now, and in words what is wrong with it."""
