-- Searches that a user keeps under a name, and those that they made lately.

CREATE TABLE saved_searches (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    owner      TEXT NOT NULL,
    name       TEXT NOT NULL,
    query      TEXT NOT NULL,                              -- as it was typed, for all folders
    created_ts INTEGER NOT NULL
);
CREATE UNIQUE INDEX saved_searches_owner ON saved_searches (owner, name COLLATE NOCASE);

CREATE TABLE recent_searches (
    owner       TEXT NOT NULL,
    query       TEXT NOT NULL,
    searched_ts INTEGER NOT NULL,
    PRIMARY KEY (owner, query)
);
