-- Families: dated edges from a subject to another, or to a case, each told by one record.
-- other_id: 0 for a case. tie: 1 parent of, 2 carer of, 3 to 6 a child, parent, carer or other
-- member of the case. case_token: the case's reference, keyed in the suppressions' domain. from_day,
-- until_day: days since 1970-01-01; NULL from birth, and while it holds. No date of birth is in it.
CREATE TABLE family_edge (
    event_number BIGINT NOT NULL,
    subject_id BIGINT NOT NULL,
    other_id BIGINT NOT NULL,
    tie BIGINT NOT NULL,
    case_token BYTEA,
    batch_id BIGINT NOT NULL,
    from_day BIGINT,
    until_day BIGINT,
    PRIMARY KEY (event_number, subject_id, other_id)
);
CREATE INDEX family_edge_by_subject ON family_edge (subject_id);
CREATE INDEX family_edge_by_other ON family_edge (other_id);
CREATE INDEX family_edge_by_batch ON family_edge (batch_id);

-- Intake writes what records tell and can't look at it; the release pass and reports to subjects
-- read it. It goes with its record, by the functions that erase records and clear batches.
GRANT INSERT ON family_edge TO tallygate_intake;
GRANT SELECT ON family_edge TO tallygate_release;

CREATE OR REPLACE FUNCTION erase_record(number BIGINT, persons BIGINT[]) RETURNS VOID
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
    DELETE FROM family_edge WHERE event_number = number;
    SELECT ARRAY_AGG(s.subject_id) INTO named FROM subject s
    WHERE s.subject_id = ANY(named) AND NOT EXISTS
        (SELECT 1 FROM event e WHERE e.person_id = s.person_id AND e.subject_id = s.subject_id);
    DELETE FROM subject_key WHERE subject_id = ANY(named);
    DELETE FROM subject WHERE subject_id = ANY(named);
END $$;

CREATE OR REPLACE FUNCTION clear_abandoned() RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    DELETE FROM family_edge WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2);
    DELETE FROM event WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2);
    DELETE FROM sent WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2);
    DELETE FROM withdrawal WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2);
    DELETE FROM batch_detail WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2);
    DELETE FROM erased WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2);
    DELETE FROM batch WHERE state = 2;
$$;

-- What a stream that is undone has to do with: each record that was taken late moves to the batch
-- that it counts with, and so do the edges that it told. Nobody reads anything by it.
CREATE FUNCTION settle_taken_late(of_stream BIGINT) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$ BEGIN
    UPDATE family_edge e SET batch_id = t.of_batch FROM taken_late t
    JOIN batch l ON l.batch_id = t.batch_id JOIN batch o ON o.batch_id = t.of_batch
    WHERE e.batch_id = t.batch_id AND e.event_number = t.event_number
        AND l.state = 1 AND (l.stream = of_stream OR o.stream = of_stream);
    UPDATE event e SET batch_id = t.of_batch FROM taken_late t
    JOIN batch l ON l.batch_id = t.batch_id JOIN batch o ON o.batch_id = t.of_batch
    WHERE e.batch_id = t.batch_id AND e.event_number = t.event_number
        AND l.state = 1 AND (l.stream = of_stream OR o.stream = of_stream);
    UPDATE sent s SET batch_id = t.of_batch FROM taken_late t
    JOIN batch l ON l.batch_id = t.batch_id JOIN batch o ON o.batch_id = t.of_batch
    WHERE s.feed_id = l.feed_id AND s.batch_id = t.batch_id AND s.event_number = t.event_number
        AND l.state = 1 AND (l.stream = of_stream OR o.stream = of_stream);
    UPDATE batch_keeping SET look_day = -2147483648 WHERE batch_id IN
        (SELECT t.of_batch FROM taken_late t
         JOIN batch l ON l.batch_id = t.batch_id JOIN batch o ON o.batch_id = t.of_batch
         WHERE l.state = 1 AND (l.stream = of_stream OR o.stream = of_stream));
END $$;

REVOKE EXECUTE ON FUNCTION settle_taken_late(BIGINT) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION settle_taken_late(BIGINT) TO tallygate_sequencer;

-- All are new, or made anew, so they are told where to look, temporary tables last.
DO $$
DECLARE
    of_owner regprocedure;
BEGIN
    FOR of_owner IN
        SELECT p.oid FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = current_schema() AND p.prosecdef
    LOOP
        EXECUTE format(
            'ALTER FUNCTION %s SET search_path = %I, pg_temp', of_owner, current_schema()
        );
    END LOOP;
END
$$;

-- Runs through all subjects that resolve them anew by the rules in use. rules: their version. Up to
-- until_subject, the last there was when it began; place: the last one looked at. moved: how many
-- went to another person. done_at: 0 until the end.
CREATE TABLE relinking (
    number BIGINT NOT NULL PRIMARY KEY,
    rules BIGINT NOT NULL,
    until_subject BIGINT NOT NULL,
    place BIGINT NOT NULL,
    moved BIGINT NOT NULL,
    begun_at BIGINT NOT NULL,
    done_at BIGINT NOT NULL
);
GRANT SELECT ON relinking TO tallygate_intake, tallygate_figures, tallygate_sequencer;
GRANT UPDATE (place, moved) ON relinking TO tallygate_intake;
GRANT INSERT, UPDATE (done_at) ON relinking TO tallygate_sequencer;
