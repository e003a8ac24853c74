-- The user whose calls are made for an operator. Those who were enrolled before are linked to none, until somebody does it.
ALTER TABLE operators ADD COLUMN user TEXT;

-- What was asked about the same effect, in whatever words. The seal covers the whole of what the index reads.
CREATE INDEX confirmations_by_effect
    ON confirmations (CASE WHEN json_valid(confirmation) THEN json_extract(confirmation, '$.effect') END);
