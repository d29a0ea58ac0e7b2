"""What stands between this host and good delivery: examined as other sites see it, and told when it turns bad."""
