-- Approvals that stand for a while.
CREATE TABLE grants (
    n            INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE,
    -- Digest of what it is about: tool, declaration, principal, targets, policies.
    about        TEXT    NOT NULL,
    -- One answer gives one at most.
    confirmation TEXT    NOT NULL UNIQUE REFERENCES confirmations (id),
    operator     TEXT    NOT NULL REFERENCES operators (id),
    words        TEXT    NOT NULL,
    -- How it ended, for those that did before anybody found their time to be over, and for those found so.
    ended        TEXT,
    seal         TEXT    NOT NULL
) STRICT;
CREATE INDEX grants_in_force ON grants (about) WHERE ended IS NULL;

-- Which calls ran under one. Beside the calls, since a column added there would stand behind what can be large; the seals of
-- the calls cover it.
CREATE TABLE granted_calls (
    call     TEXT PRIMARY KEY NOT NULL REFERENCES calls (id),
    granted  TEXT NOT NULL REFERENCES grants (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX granted_calls_by_grant ON granted_calls (granted);

-- What the inbox shows, found without reading what was answered long ago.
CREATE INDEX open_confirmations ON confirmations (n) WHERE substr(standing, 1, 15) = '{"state":"open"';
