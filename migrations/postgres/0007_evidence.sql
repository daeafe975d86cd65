-- Evidence: witnesses of the log, the log's years, details under salts, and keys that are
-- replaced and destroyed.

-- WITNESSES
-- Each witness's newest cosignature: the size and root of the log that it is about, the
-- witness's own time in seconds since 1970-01-01 UTC, the gateway's in microseconds, and the
-- signature line. Known to every gateway on the database, and after a restart.
CREATE TABLE cosignature (
    witness TEXT NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL,
    root BYTEA NOT NULL,
    cosigned_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    line TEXT NOT NULL
);
GRANT SELECT ON cosignature TO tallygate_figures, tallygate_sequencer;
GRANT INSERT, UPDATE ON cosignature TO tallygate_sequencer;


-- YEARS
-- (section of the yearly origins)


-- DETAILS
-- (section of the private details)


-- KEYS
-- (section of the key rotation)

