-- The people who may answer. Sealed row by row, as everything else is.

CREATE TABLE operators (
    id          TEXT    PRIMARY KEY NOT NULL,
    name        TEXT    NOT NULL,
    enrolled_at INTEGER NOT NULL,
    -- Keyed digest of their code, for those who have one.
    code        TEXT,
    removed_at  INTEGER,
    seal        TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
-- A name is one person's, for as long as they are enrolled.
CREATE UNIQUE INDEX operators_by_name ON operators (name) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX operators_by_code ON operators (code) WHERE code IS NOT NULL;

CREATE TABLE passkeys (
    id       TEXT PRIMARY KEY NOT NULL,
    operator TEXT NOT NULL REFERENCES operators (id),
    passkey  TEXT NOT NULL,
    seal     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX passkeys_by_operator ON passkeys (operator);

-- One-time codes. A row goes when its code is used or has expired.
CREATE TABLE invitations (
    id         TEXT    PRIMARY KEY NOT NULL,
    code       TEXT    NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL,
    invitation TEXT    NOT NULL,
    seal       TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- Sessions of the page. A row goes when the session ends or has expired.
CREATE TABLE sessions (
    token      TEXT    PRIMARY KEY NOT NULL,
    operator   TEXT    NOT NULL REFERENCES operators (id),
    expires_at INTEGER NOT NULL,
    session    TEXT    NOT NULL,
    seal       TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_operator ON sessions (operator);
