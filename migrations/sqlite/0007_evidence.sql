-- Evidence: witnesses of the log, the log's years, details under salts, and keys that are
-- replaced and destroyed.

-- WITNESSES
-- Each witness's newest cosignature: the size and root of the log that it is about, the
-- witness's own time in seconds since 1970-01-01 UTC, the gateway's in microseconds, and the
-- signature line. Known to every gateway on the database, and after a restart.
CREATE TABLE cosignature (
    witness TEXT NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL,
    root BLOB NOT NULL,
    cosigned_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    line TEXT NOT NULL
);


-- YEARS
-- Each year's log has a name and a tree of its own. All lie in the same tables: `base` is where
-- the one that grows begins, and those that ended are here as they ended.
ALTER TABLE log_head ADD COLUMN base BIGINT NOT NULL DEFAULT 0;
CREATE TABLE past_log (
    base BIGINT NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL,
    root BLOB NOT NULL,
    checkpoint TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE TRIGGER past_log_stays BEFORE UPDATE ON past_log
BEGIN SELECT RAISE(ABORT, 'a log that ended stays as it ended'); END;
CREATE TRIGGER past_log_kept BEFORE DELETE ON past_log
BEGIN SELECT RAISE(ABORT, 'a log that ended stays as it ended'); END;


-- DETAILS
-- (section of the private details)


-- KEYS
-- (section of the key rotation)

