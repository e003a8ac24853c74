-- Times are milliseconds since 1970. A `seal` is an HMAC-SHA256 over the other columns with a key of the installation:
-- a row edited by another program does not read back.

CREATE TABLE installation (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    id         TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- The audit chain: each record as the JSON text its digest was made of.
CREATE TABLE records (
    stream TEXT    NOT NULL,
    seq    INTEGER NOT NULL CHECK (seq >= 0),
    record TEXT    NOT NULL,
    PRIMARY KEY (stream, seq)
) STRICT;

-- The last record of each stream, sealed (the first versions signed it): a chain cut short does not reach its head.
CREATE TABLE heads (
    stream    TEXT    PRIMARY KEY NOT NULL,
    seq       INTEGER NOT NULL CHECK (seq >= 0),
    digest    TEXT    NOT NULL,
    signature BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE confirmations (
    n            INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    request      TEXT NOT NULL,
    state        TEXT NOT NULL,
    confirmation TEXT NOT NULL,
    standing     TEXT NOT NULL,
    seal         TEXT NOT NULL
) STRICT;
CREATE INDEX confirmations_about ON confirmations (request, state);

CREATE TABLE calls (
    n                INTEGER PRIMARY KEY,
    id               TEXT    NOT NULL UNIQUE,
    stream           TEXT    NOT NULL,
    user             TEXT    NOT NULL,
    tool             TEXT    NOT NULL,
    target           TEXT    NOT NULL,
    subject          TEXT    NOT NULL,
    args_digest      TEXT    NOT NULL,
    preflight        TEXT    NOT NULL,
    pre_image_digest TEXT,
    reversibility    TEXT    NOT NULL,
    started_at       INTEGER NOT NULL,
    -- One approval, one call: whatever the program believes, a second use cannot be stored.
    confirmation     TEXT    UNIQUE REFERENCES confirmations (id),
    undoes           TEXT    REFERENCES calls (id),
    -- The call this one has claimed to take back: `undoes`, until it ends untouched.
    claims           TEXT    UNIQUE REFERENCES calls (id),
    start_seal       TEXT    NOT NULL,
    finished_at      INTEGER,
    ended            TEXT,
    note             TEXT,
    -- The plan without its arguments.
    undo             TEXT,
    undo_args_digest TEXT,
    undo_until       INTEGER,
    end_seal         TEXT,
    -- What can be large, last: a listing does not read past the columns it shows. The seals cover their digests.
    args             TEXT    NOT NULL,
    pre_image        TEXT,
    undo_args        TEXT
) STRICT;
CREATE INDEX calls_unfinished ON calls (stream) WHERE ended IS NULL;
CREATE INDEX calls_by_user ON calls (user);
CREATE INDEX calls_by_target ON calls (target);
