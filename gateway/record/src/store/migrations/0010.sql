-- What a question is found by, in columns of its own: the digest of what would come of it, and how it stands, in a word (`open`,
-- `approved`, `spent`, or what the answer was). They only lead to it: the seal covers what they are taken from, and a row whose
-- columns do not agree with that is not believed.
ALTER TABLE confirmations ADD COLUMN effect TEXT;
ALTER TABLE confirmations ADD COLUMN stands TEXT NOT NULL DEFAULT '';
UPDATE confirmations SET
    effect = CASE WHEN json_valid(confirmation) THEN json_extract(confirmation, '$.effect') END,
    stands = CASE WHEN json_valid(standing)
                  THEN ifnull(json_extract(standing, '$.how'), ifnull(json_extract(standing, '$.state'), '')) ELSE '' END;

DROP INDEX confirmations_by_effect;
DROP INDEX open_confirmations;
CREATE INDEX confirmations_by_effect ON confirmations (effect);
CREATE INDEX open_confirmations ON confirmations (n) WHERE stands = 'open';
