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
    root BYTEA NOT NULL,
    checkpoint TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE FUNCTION past_log_stays() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'a log that ended stays as it ended'; END $$;
CREATE TRIGGER past_log_stays BEFORE UPDATE OR DELETE ON past_log
FOR EACH ROW EXECUTE FUNCTION past_log_stays();
CREATE TRIGGER past_log_whole BEFORE TRUNCATE ON past_log EXECUTE FUNCTION past_log_stays();
GRANT SELECT ON past_log TO tallygate_figures, tallygate_sequencer;
GRANT INSERT ON past_log TO tallygate_sequencer;


-- DETAILS
-- The private detail of single acts, sealed: who asked in whose words, which consents. Found by
-- its leaf's time and index. mark: the first eight bytes of the leaf's commitment, which the
-- sealing binds.
CREATE TABLE act_detail (
    at BIGINT NOT NULL,
    leaf_index BIGINT NOT NULL,
    mark BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (at, leaf_index)
);

-- The private detail of batches, sealed: an item a record. A batch's digest is its commitment.
CREATE TABLE batch_detail (
    batch_id BIGINT NOT NULL PRIMARY KEY,
    sealed BYTEA NOT NULL
);
CREATE INDEX batch_by_digest ON batch (digest);

-- Records that their sender wants erased, until they are.
CREATE TABLE erasure (
    feed_id BIGINT NOT NULL,
    record_key BYTEA NOT NULL,
    key_version BIGINT NOT NULL,
    asked_at BIGINT NOT NULL,
    PRIMARY KEY (feed_id, record_key)
);

-- Items of batches that were erased. day: whose leaf names them, days since 1970-01-01; -1
-- until then.
CREATE TABLE erased (
    batch_id BIGINT NOT NULL,
    item BIGINT NOT NULL,
    day BIGINT NOT NULL,
    PRIMARY KEY (batch_id, item)
);

-- Days whose erasures are named in the log: at most one leaf each.
CREATE TABLE erasure_day (
    day BIGINT NOT NULL PRIMARY KEY
);

-- Everything of a record goes, and the identities that nothing else rests on. Nobody reads
-- anything by it. Without persons every event is looked through.
CREATE FUNCTION erase_record(number BIGINT, persons BIGINT[]) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
DECLARE
    named BIGINT[];
BEGIN
    IF persons IS NULL THEN
        WITH gone AS (DELETE FROM event WHERE event_number = number RETURNING subject_id)
        SELECT ARRAY_AGG(subject_id) INTO named FROM gone;
    ELSE
        WITH gone AS (DELETE FROM event WHERE person_id = ANY(persons) AND event_number = number
                      RETURNING subject_id)
        SELECT ARRAY_AGG(subject_id) INTO named FROM gone;
    END IF;
    DELETE FROM withdrawal WHERE event_number = number;
    SELECT ARRAY_AGG(s.subject_id) INTO named FROM subject s
    WHERE s.subject_id = ANY(named) AND NOT EXISTS
        (SELECT 1 FROM event e WHERE e.person_id = s.person_id AND e.subject_id = s.subject_id);
    DELETE FROM subject_key WHERE subject_id = ANY(named);
    DELETE FROM subject WHERE subject_id = ANY(named);
END $$;
REVOKE EXECUTE ON FUNCTION erase_record(BIGINT, BIGINT[]) FROM PUBLIC;

-- Details of abandoned batches go with their rows.
CREATE OR REPLACE FUNCTION clear_abandoned() RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    DELETE FROM event WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2);
    DELETE FROM sent WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2);
    DELETE FROM withdrawal WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2);
    DELETE FROM batch_detail WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2);
    DELETE FROM erased WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2);
    DELETE FROM batch WHERE state = 2;
$$;

GRANT SELECT, INSERT, UPDATE (sealed) ON act_detail TO tallygate_sequencer;
GRANT SELECT, INSERT, UPDATE ON batch_detail TO tallygate_intake;
GRANT EXECUTE ON FUNCTION erase_record(BIGINT, BIGINT[]) TO tallygate_intake;
GRANT SELECT, INSERT ON erasure TO tallygate_sequencer;
GRANT SELECT, DELETE ON erasure TO tallygate_intake;
GRANT INSERT ON erased TO tallygate_intake;
GRANT SELECT, UPDATE ON erased TO tallygate_sequencer;
GRANT SELECT, INSERT ON erasure_day TO tallygate_sequencer;


-- KEYS
-- (section of the key rotation)

