-- Least privilege. The gateway's own database user owns nothing and inherits nothing: each
-- transaction takes on one of these roles, and with it only what that work needs. Intake
-- can't read what records say, figures can't see records at all, and nobody changes or
-- deletes what the access log or a release says.

DO $$
DECLARE
    wanted TEXT;
BEGIN
    FOREACH wanted IN ARRAY
        ARRAY['tallygate_intake', 'tallygate_figures', 'tallygate_release', 'tallygate_sequencer']
    LOOP
        -- Roles belong to the whole cluster: another database's gateway may have made them.
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
    END LOOP;
END $$;

-- When a batch was staged, microseconds since 1970-01-01 UTC: what was left unaccepted for
-- long is cleared, and what another gateway is just taking in is not.
ALTER TABLE batch ADD COLUMN staged_at BIGINT NOT NULL
    DEFAULT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT;

-- A subject's events go to another person without anybody reading them.
CREATE FUNCTION move_events(subject BIGINT, source BIGINT, target BIGINT) RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    INSERT INTO event (person_id, event_number, role, subject_id, batch_id, consent_key, body)
    SELECT target, event_number, role, subject_id, batch_id, consent_key, body
    FROM event WHERE person_id = source AND subject_id = subject;
    DELETE FROM event WHERE person_id = source AND subject_id = subject;
$$;

-- Rows of batches that are abandoned go; those of accepted ones can't be reached this way.
CREATE FUNCTION clear_abandoned() RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    DELETE FROM event WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2);
    DELETE FROM sent WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2);
    DELETE FROM withdrawal WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2);
    DELETE FROM batch WHERE state = 2;
$$;

REVOKE EXECUTE ON FUNCTION move_events(BIGINT, BIGINT, BIGINT), clear_abandoned() FROM PUBLIC;

-- What was written once stays, also against TRUNCATE.
CREATE TRIGGER log_entry_whole BEFORE TRUNCATE ON log_entry EXECUTE FUNCTION log_entry_kept();
CREATE TRIGGER log_hash_whole BEFORE TRUNCATE ON log_hash EXECUTE FUNCTION log_hash_kept();
CREATE TRIGGER release_whole BEFORE TRUNCATE ON frozen_release EXECUTE FUNCTION release_kept();

GRANT SELECT, UPDATE ON counter TO tallygate_intake;
GRANT SELECT, INSERT, UPDATE ON feed, withdrawal TO tallygate_intake;
GRANT SELECT, INSERT ON batch, subject_key TO tallygate_intake;
GRANT UPDATE (state) ON batch TO tallygate_intake;
GRANT SELECT, INSERT, DELETE ON sent TO tallygate_intake;
GRANT INSERT ON subject, event TO tallygate_intake;
GRANT SELECT (subject_id, person_id, nhs), UPDATE (person_id) ON subject TO tallygate_intake;
GRANT SELECT ON consent TO tallygate_intake;
GRANT EXECUTE ON FUNCTION move_events(BIGINT, BIGINT, BIGINT), clear_abandoned()
    TO tallygate_intake;

GRANT SELECT ON counter, partner, protocol, root_policy, geography, postcode, consent, feed,
    batch, frozen_release, log_head, log_entry, log_hash, migration TO tallygate_figures;

GRANT SELECT ON counter, feed, batch, subject, event, withdrawal, consent
    TO tallygate_release;

GRANT SELECT ON counter, partner, protocol, root_policy, geography, postcode, consent, feed,
    batch, frozen_release, log_head, log_entry, log_hash TO tallygate_sequencer;
GRANT UPDATE ON counter TO tallygate_sequencer;
GRANT INSERT, UPDATE ON partner, protocol, postcode, consent, log_head TO tallygate_sequencer;
GRANT INSERT ON root_policy, geography, frozen_release, log_entry, log_hash
    TO tallygate_sequencer;
GRANT UPDATE (state) ON batch TO tallygate_sequencer;

-- Raised with each part of the postcode lookup, so that every gateway sees it has to look.
INSERT INTO counter (name, next) VALUES ('postcodes', 1);
