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
-- Versions of the wrapping and sealing keys: what each is for, and a value that tells whether
-- a gateway's file holds the same key. state: 0 next, 1 current, 2 earlier, 3 unused,
-- 4 destroyed.
CREATE TABLE key_version (
    version BIGINT NOT NULL PRIMARY KEY,
    state BIGINT NOT NULL,
    check_value BLOB NOT NULL
);

-- How far each table of a rotation has come: the place of the last row seen, and how many
-- were moved from the version that is left.
CREATE TABLE key_progress (
    step TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    place BIGINT NOT NULL,
    number BIGINT NOT NULL,
    place_key BLOB NOT NULL,
    moved BIGINT NOT NULL,
    done BIGINT NOT NULL
) WITHOUT ROWID;

-- Raised with each change of a version's state, so that every gateway sees it has to look.
INSERT INTO counter (name, next) VALUES ('keys', 1);

-- Under which version a row's keyed values are wrapped; 0 where it holds none. A subject's
-- own goes for its keys and its sealed facts, too.
ALTER TABLE subject ADD COLUMN key_version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE sent ADD COLUMN key_version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE event ADD COLUMN key_version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE consent ADD COLUMN key_version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE postcode ADD COLUMN key_version BIGINT NOT NULL DEFAULT 1;
