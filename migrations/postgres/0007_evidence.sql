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
-- (section of the private details)


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
