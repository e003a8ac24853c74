-- Which questions a client shows at the moment, and through which process: whoever else would show one waits for its answer. Only
-- looked at while that lasts, so not sealed; a row goes when it is over.
CREATE TABLE dialogs (
    confirmation TEXT    PRIMARY KEY NOT NULL,
    stream       TEXT    NOT NULL,
    until        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
