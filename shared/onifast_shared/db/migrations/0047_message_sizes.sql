-- What takes room in a mailbox: the largest messages, and how much lies where, without reading the messages' rows.
CREATE INDEX emails_by_size ON emails (owner, size, folder);
