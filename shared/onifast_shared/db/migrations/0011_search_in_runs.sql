-- Search finds words inside Japanese, Chinese and other runs without spaces: their characters are indexed one by one.
-- Rows up to this id are indexed as they were before; outbox goes down from there and indexes them anew.

CREATE TABLE search_sweep (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    position INTEGER NOT NULL
);

INSERT INTO search_sweep (id, position)
SELECT 1, coalesce(max(id), 0) FROM emails;
