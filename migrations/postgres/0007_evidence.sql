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
-- Versions of the wrapping and sealing keys: what each is for, and a value that tells whether
-- a gateway's file holds the same key. state: 0 next, 1 current, 2 earlier, 3 unused,
-- 4 destroyed.
CREATE TABLE key_version (
    version BIGINT NOT NULL PRIMARY KEY,
    state BIGINT NOT NULL,
    check_value BYTEA NOT NULL
);

-- How far each table of a rotation has come: the place of the last row seen, and how many
-- were moved from the version that is left.
CREATE TABLE key_progress (
    step TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    place BIGINT NOT NULL,
    number BIGINT NOT NULL,
    place_key BYTEA NOT NULL,
    moved BIGINT NOT NULL,
    done BIGINT NOT NULL
);

-- Raised with each change of a version's state, so that every gateway sees it has to look.
INSERT INTO counter (name, next) VALUES ('keys', 1);

-- Under which version a row's keyed values are wrapped; 0 where it holds none. A subject's
-- own goes for its keys and its sealed facts, too.
ALTER TABLE subject ADD COLUMN key_version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE sent ADD COLUMN key_version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE event ADD COLUMN key_version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE consent ADD COLUMN key_version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE postcode ADD COLUMN key_version BIGINT NOT NULL DEFAULT 1;

-- Wrapping what is stored under another version: every keyed value, and nothing else.
DO $$
BEGIN
    -- Roles belong to the whole cluster: another database's gateway may have made it.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tallygate_keys') THEN
        CREATE ROLE tallygate_keys NOLOGIN;
    END IF;
END $$;
GRANT SELECT ON counter, subject_key TO tallygate_keys;
GRANT UPDATE (match_key) ON subject_key TO tallygate_keys;
GRANT SELECT (subject_id, nhs, facts, key_version), UPDATE (nhs, facts, key_version)
    ON subject TO tallygate_keys;
GRANT SELECT (feed_id, record_key, key_version), UPDATE (record_key, key_version)
    ON sent TO tallygate_keys;
GRANT SELECT (person_id, event_number, role, consent_key, body, key_version),
    UPDATE (consent_key, body, key_version) ON event TO tallygate_keys;
GRANT SELECT, UPDATE (postcode_key, key_version) ON postcode TO tallygate_keys;
GRANT SELECT, INSERT, UPDATE, DELETE ON consent TO tallygate_keys;
GRANT SELECT, UPDATE (record_key, key_version), DELETE ON erasure TO tallygate_keys;
GRANT SELECT (sealed) ON act_detail, batch_detail TO tallygate_keys;
GRANT SELECT, INSERT ON key_version TO tallygate_keys;
GRANT SELECT, INSERT, UPDATE ON key_progress TO tallygate_keys;

GRANT SELECT (key_version) ON subject TO tallygate_intake;
GRANT SELECT ON key_version TO tallygate_intake, tallygate_figures, tallygate_release,
    tallygate_sequencer;
GRANT SELECT ON key_progress TO tallygate_figures;
GRANT INSERT, UPDATE (state) ON key_version TO tallygate_sequencer;
GRANT DELETE ON consent, postcode TO tallygate_sequencer;

-- A subject's events take the version of what they hold with them.
CREATE OR REPLACE FUNCTION move_events(subject BIGINT, source BIGINT, target BIGINT) RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    INSERT INTO event
        (person_id, event_number, role, subject_id, batch_id, consent_key, body, key_version)
    SELECT target, event_number, role, subject_id, batch_id, consent_key, body, key_version
    FROM event WHERE person_id = source AND subject_id = subject;
    DELETE FROM event WHERE person_id = source AND subject_id = subject;
$$;
