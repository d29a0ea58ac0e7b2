"""Is a message from whom it says: SPF, DKIM, ARC, iprev, DMARC and block lists."""
