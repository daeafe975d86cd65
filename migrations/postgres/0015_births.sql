-- By whose date of birth a release went for a person, so that later ones go by the same: giver_id is
-- the identity that told it, close the quarter, its year times four and its number. A row hangs on an
-- identity, so that it goes along where persons are joined or parted. It holds no date.
CREATE TABLE counted_birth (
    subject_id BIGINT NOT NULL PRIMARY KEY,
    giver_id BIGINT NOT NULL,
    close BIGINT NOT NULL
);

-- The close writes it, intake carries it on where a person's identities part, the pass reads it. It
-- goes with its identity, by the function that erases records.
GRANT SELECT, INSERT ON counted_birth TO tallygate_intake, tallygate_sequencer;
GRANT SELECT ON counted_birth TO tallygate_release;

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
    DELETE FROM counted_birth WHERE subject_id = ANY(named);
    DELETE FROM subject WHERE subject_id = ANY(named);
END $$;

-- It was made anew, so it is told where to look, temporary tables last.
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
