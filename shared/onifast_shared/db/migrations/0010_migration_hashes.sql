-- What each migration was when it was applied: the SHA-256 of its file, in hexadecimal. A file that has landed never
-- changes, so another one means that the database was made by something else than this program's predecessors.
-- NULL: not looked at yet, so the whole schema is compared with what the files make.

ALTER TABLE schema_migrations ADD COLUMN sha256 TEXT;
