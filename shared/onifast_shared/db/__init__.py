"""The database, which knows no mail: one SQLite file, its single writer, its turns with other processes, its schema."""
