-- Evidence: witnesses of the log, the log's years, details under salts, and keys that are
-- replaced and destroyed.

-- WITNESSES
-- (section of the witness work)


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
-- The private detail of single acts, sealed: who asked in whose words, which consents. Found by
-- its leaf's time and index. mark: the first eight bytes of the leaf's commitment, which the
-- sealing binds.
CREATE TABLE act_detail (
    at BIGINT NOT NULL,
    leaf_index BIGINT NOT NULL,
    mark BIGINT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (at, leaf_index)
) WITHOUT ROWID;

-- The private detail of batches, sealed: an item a record. A batch's digest is its commitment.
CREATE TABLE batch_detail (
    batch_id BIGINT NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
);
CREATE INDEX batch_by_digest ON batch (digest);

-- Records that their sender wants erased, until they are.
CREATE TABLE erasure (
    feed_id BIGINT NOT NULL,
    record_key BLOB NOT NULL,
    key_version BIGINT NOT NULL,
    asked_at BIGINT NOT NULL,
    PRIMARY KEY (feed_id, record_key)
) WITHOUT ROWID;

-- Items of batches that were erased. day: whose leaf names them, days since 1970-01-01; -1
-- until then.
CREATE TABLE erased (
    batch_id BIGINT NOT NULL,
    item BIGINT NOT NULL,
    day BIGINT NOT NULL,
    PRIMARY KEY (batch_id, item)
) WITHOUT ROWID;

-- Days whose erasures are named in the log: at most one leaf each.
CREATE TABLE erasure_day (
    day BIGINT NOT NULL PRIMARY KEY
);


-- KEYS
-- (section of the key rotation)

