-- Which database this is: the same id stands in a file beside it, so that another one in its place is noticed.
-- `reopenings` counts how often a program, alone on the database, made its WAL anew after somebody removed it.
CREATE TABLE database_identity (
    id TEXT NOT NULL DEFAULT '',
    reopenings INTEGER NOT NULL DEFAULT 0
);
INSERT INTO database_identity (id) VALUES (lower(hex(randomblob(16))));
