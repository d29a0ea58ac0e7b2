"""What mail programs and other sites ask about a domain by themselves: how to reach this server, and its policy."""
