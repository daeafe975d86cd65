-- The access log: entries, the hashes of its tree by tile level, and the head row, which
-- is written last in each transaction, by compare-and-swap.

CREATE TABLE log_head (
    only_row BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    size BIGINT NOT NULL,
    root BYTEA NOT NULL,
    checkpoint TEXT NOT NULL,
    at BIGINT NOT NULL
);

CREATE TABLE log_entry (
    leaf_index BIGINT NOT NULL PRIMARY KEY,
    leaf BYTEA NOT NULL
);

CREATE TABLE log_hash (
    level BIGINT NOT NULL,
    hash_index BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (level, hash_index)
);

-- What was written once stays: no role and no bug of ours may change or delete it.
CREATE FUNCTION log_entry_stays() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the access log is append-only'; END $$;
CREATE TRIGGER log_entry_stays BEFORE UPDATE ON log_entry
FOR EACH ROW EXECUTE FUNCTION log_entry_stays();
CREATE FUNCTION log_entry_kept() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the access log is append-only'; END $$;
CREATE TRIGGER log_entry_kept BEFORE DELETE ON log_entry
FOR EACH ROW EXECUTE FUNCTION log_entry_kept();
CREATE FUNCTION log_hash_stays() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the access log is append-only'; END $$;
CREATE TRIGGER log_hash_stays BEFORE UPDATE ON log_hash
FOR EACH ROW EXECUTE FUNCTION log_hash_stays();
CREATE FUNCTION log_hash_kept() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the access log is append-only'; END $$;
CREATE TRIGGER log_hash_kept BEFORE DELETE ON log_hash
FOR EACH ROW EXECUTE FUNCTION log_hash_kept();
