-- Choices: what parties agree to and subjects choose, to the end: amendments, consent as it
-- was known, cases of rights, retention, subject access.

-- PROTOCOLS


-- CONSENT


-- CASES
-- Raised with each case that begins or ends to bind, so that every gateway sees it has to look.
INSERT INTO counter (name, next) VALUES ('cases', 1);
-- Numbers of cases and notices; days that erased something, and how many of them are scrubbed.
INSERT INTO counter (name, next)
VALUES ('case', 1), ('notice', 1), ('erased_days', 1), ('scrubbed_days', 1);

-- What a subject chose. case_key: the opener's own reference, as a pseudonym. state: 0 staged,
-- 1 binds, 2 ended, 3 never came to bind. Times: microseconds since 1970-01-01 UTC, 0 for none.
CREATE TABLE rights_case (
    case_id BIGINT NOT NULL PRIMARY KEY,
    partner_id TEXT NOT NULL,
    case_key BYTEA NOT NULL,
    kind BIGINT NOT NULL,
    given_by BIGINT NOT NULL,
    requested_on BIGINT NOT NULL,
    state BIGINT NOT NULL,
    staged_at BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    due_day BIGINT NOT NULL,
    nonce BYTEA NOT NULL
);
CREATE INDEX rights_case_by_partner ON rights_case (partner_id, case_key);

-- By what its subject is known again: keys of a domain of their own, which does not rotate.
CREATE TABLE suppression (
    token BYTEA NOT NULL,
    case_id BIGINT NOT NULL,
    PRIMARY KEY (token, case_id)
);
CREATE INDEX suppression_by_case ON suppression (case_id);

-- Records that count no more while a case binds. effect: 1 stop, 2 to be erased.
CREATE TABLE record_stop (
    event_number BIGINT NOT NULL,
    case_id BIGINT NOT NULL,
    feed_id BIGINT NOT NULL,
    batch_id BIGINT NOT NULL,
    effect BIGINT NOT NULL,
    PRIMARY KEY (event_number, case_id)
);

-- What a party that holds a live record is told. token: the record's key, in the domain of
-- suppressions. acknowledgement: its signed answer, once there is one.
CREATE TABLE notice (
    notice_id BIGINT NOT NULL PRIMARY KEY,
    case_id BIGINT NOT NULL,
    feed_id BIGINT NOT NULL,
    token BYTEA NOT NULL,
    effect BIGINT NOT NULL,
    due_day BIGINT NOT NULL,
    acknowledged_at BIGINT NOT NULL,
    acknowledgement TEXT NOT NULL
);
CREATE INDEX notice_by_feed ON notice (feed_id, token);
CREATE INDEX notice_by_case ON notice (case_id);

-- Keys of records that their sender wanted erased and that are, for the journal outside the
-- database: a restored backup has them again.
CREATE TABLE erased_key (
    generation BIGINT NOT NULL,
    feed_id BIGINT NOT NULL,
    token BYTEA NOT NULL,
    PRIMARY KEY (generation, feed_id, token)
);

-- Records that were not used because of a case, and those erased by one: whether their sender
-- sent them before, and nothing else.
CREATE TABLE dropped (
    feed_id BIGINT NOT NULL,
    token BYTEA NOT NULL,
    batch_id BIGINT NOT NULL,
    event_number BIGINT NOT NULL,
    PRIMARY KEY (feed_id, token)
);

GRANT SELECT, INSERT ON rights_case, suppression, record_stop, notice, dropped TO tallygate_intake;
GRANT UPDATE (state) ON rights_case TO tallygate_intake;
GRANT DELETE ON record_stop, dropped TO tallygate_intake;
GRANT SELECT, INSERT ON erased_key TO tallygate_intake;
GRANT SELECT ON rights_case, notice, suppression, erased_key TO tallygate_figures;
GRANT SELECT ON rights_case, record_stop TO tallygate_release;
GRANT SELECT ON rights_case, notice TO tallygate_sequencer;
GRANT UPDATE (state, opened_at, ended_at) ON rights_case TO tallygate_sequencer;
GRANT UPDATE (acknowledged_at, acknowledgement) ON notice TO tallygate_sequencer;

-- Which records persons have and where, and nothing of what they say.
CREATE FUNCTION records_of_persons(persons BIGINT[])
RETURNS TABLE (event_number BIGINT, batch_id BIGINT)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    SELECT DISTINCT e.event_number, e.batch_id FROM event e WHERE e.person_id = ANY(persons);
$$;
CREATE FUNCTION person_of_record(number BIGINT) RETURNS SETOF BIGINT
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    SELECT e.person_id FROM event e WHERE e.event_number = number AND e.role = 0;
$$;
REVOKE EXECUTE ON FUNCTION records_of_persons(BIGINT[]), person_of_record(BIGINT) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION records_of_persons(BIGINT[]), person_of_record(BIGINT)
    TO tallygate_intake;


-- RETENTION


-- ACCESS

