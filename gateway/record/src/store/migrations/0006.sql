-- Where each stream begins whose first records were pruned.
CREATE TABLE marks (
    stream   TEXT    PRIMARY KEY NOT NULL REFERENCES heads (stream),
    -- The place of the first record that is kept, or will be written.
    first    INTEGER NOT NULL CHECK (first > 0),
    -- The digest of the record before it.
    previous TEXT    NOT NULL,
    -- The number of the pruning that moved it there.
    pruning  INTEGER NOT NULL CHECK (pruning > 0),
    seal     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- Which undo a call has, found without reading all calls.
CREATE INDEX calls_by_undone ON calls (undoes) WHERE undoes IS NOT NULL;
