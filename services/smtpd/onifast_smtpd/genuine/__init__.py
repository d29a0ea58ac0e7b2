"""Is a message from whom it says, and what becomes of it: SPF, DKIM, DMARC, ARC, lists, filters, the verdict."""
