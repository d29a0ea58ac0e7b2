"""Moving in and out: mail read from files and servers of elsewhere into mailboxes here, and written for elsewhere."""
