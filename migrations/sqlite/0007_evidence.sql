-- Evidence: witnesses of the log, the log's years, details under salts, and keys that are
-- replaced and destroyed.

-- WITNESSES
-- (section of the witness work)


-- YEARS
-- (section of the yearly origins)


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

