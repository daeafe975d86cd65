-- A correction is known since the record whose place it takes. Intake can't read what records
-- say; this tells it that day alone (days since 1970-01-01), from the stored form: a length of
-- two bytes, type, role, day, and the day it became known, little-endian.
CREATE FUNCTION record_known(batch BIGINT, number BIGINT) RETURNS BIGINT
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    SELECT get_byte(body, 8)::BIGINT + get_byte(body, 9) * 256::BIGINT
        + get_byte(body, 10) * 65536::BIGINT + get_byte(body, 11) * 16777216::BIGINT
        - CASE WHEN get_byte(body, 11) >= 128 THEN 4294967296 ELSE 0 END
    FROM event WHERE batch_id = batch AND event_number = number ORDER BY role LIMIT 1;
$$;

REVOKE EXECUTE ON FUNCTION record_known(BIGINT, BIGINT) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_known(BIGINT, BIGINT) TO tallygate_intake;

-- A function that acts as the owner looks for tables where the owner put them, and last of all
-- where its caller may make tables of its own: without that, a temporary table of the same name
-- would be found first.
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
