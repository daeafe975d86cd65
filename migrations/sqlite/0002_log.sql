-- The access log: entries, the hashes of its tree by tile level, and the head row, which
-- is written last in each transaction, by compare-and-swap.

CREATE TABLE log_head (
    only_row BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    size BIGINT NOT NULL,
    root BLOB NOT NULL,
    checkpoint TEXT NOT NULL,
    at BIGINT NOT NULL
);

CREATE TABLE log_entry (
    leaf_index BIGINT NOT NULL PRIMARY KEY,
    leaf BLOB NOT NULL
);

CREATE TABLE log_hash (
    level BIGINT NOT NULL,
    hash_index BIGINT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (level, hash_index)
) WITHOUT ROWID;

-- What was written once stays: no role and no bug of ours may change or delete it.
CREATE TRIGGER log_entry_stays BEFORE UPDATE ON log_entry
BEGIN SELECT RAISE(ABORT, 'the access log is append-only'); END;
CREATE TRIGGER log_entry_kept BEFORE DELETE ON log_entry
BEGIN SELECT RAISE(ABORT, 'the access log is append-only'); END;
CREATE TRIGGER log_hash_stays BEFORE UPDATE ON log_hash
BEGIN SELECT RAISE(ABORT, 'the access log is append-only'); END;
CREATE TRIGGER log_hash_kept BEFORE DELETE ON log_hash
BEGIN SELECT RAISE(ABORT, 'the access log is append-only'); END;
