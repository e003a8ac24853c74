-- Who asked people how often of late: one row for each question, and for each that was one too many. Only counted, so not
-- sealed; a row goes when it is no longer of late.
CREATE TABLE askings (
    n            INTEGER PRIMARY KEY,
    user         TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    -- The question, if it was put.
    confirmation TEXT
) STRICT;
CREATE INDEX askings_by_user ON askings (user);

-- The users nobody is asked for any more, until an operator lifts it.
CREATE TABLE quarantines (
    user       TEXT PRIMARY KEY NOT NULL,
    quarantine TEXT NOT NULL,
    seal       TEXT NOT NULL
) STRICT, WITHOUT ROWID;
