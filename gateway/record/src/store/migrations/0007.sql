-- What each question is aimed at, by every name of that: for finding the no that holds for a call. The seal of the question
-- covers its aim; this only leads to it.
CREATE TABLE aims (
    name         TEXT NOT NULL,
    confirmation TEXT NOT NULL REFERENCES confirmations (id),
    PRIMARY KEY (name, confirmation)
) STRICT, WITHOUT ROWID;
-- For leaving with its question.
CREATE INDEX aims_of ON aims (confirmation);
