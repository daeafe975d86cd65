-- Blinded deployments: which PRF the pseudonyms are made by, and evaluations against quotas.

-- A deployment keeps its PRF: a key file for another one is refused by name. All that was written
-- before is HMAC's.
ALTER TABLE key_version ADD COLUMN prf TEXT NOT NULL DEFAULT 'hmac';

-- Blinded values that were evaluated for a partner on a day (days since 1970-01-01 UTC). Rows of
-- earlier days go with the partner's next call.
CREATE TABLE evaluation (
    partner_id TEXT NOT NULL,
    day BIGINT NOT NULL,
    evaluated BIGINT NOT NULL,
    PRIMARY KEY (partner_id, day)
);

GRANT SELECT ON evaluation TO tallygate_figures;
GRANT SELECT, INSERT, UPDATE, DELETE ON evaluation TO tallygate_sequencer;
