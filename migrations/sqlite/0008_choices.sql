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
    case_key BLOB NOT NULL,
    kind BIGINT NOT NULL,
    given_by BIGINT NOT NULL,
    requested_on BIGINT NOT NULL,
    state BIGINT NOT NULL,
    staged_at BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    due_day BIGINT NOT NULL,
    nonce BLOB NOT NULL
);
CREATE INDEX rights_case_by_partner ON rights_case (partner_id, case_key);

-- By what its subject is known again: keys of a domain of their own, which does not rotate.
CREATE TABLE suppression (
    token BLOB NOT NULL,
    case_id BIGINT NOT NULL,
    PRIMARY KEY (token, case_id)
) WITHOUT ROWID;
CREATE INDEX suppression_by_case ON suppression (case_id);

-- Records that count no more while a case binds. effect: 1 stop, 2 to be erased.
CREATE TABLE record_stop (
    event_number BIGINT NOT NULL,
    case_id BIGINT NOT NULL,
    feed_id BIGINT NOT NULL,
    batch_id BIGINT NOT NULL,
    effect BIGINT NOT NULL,
    PRIMARY KEY (event_number, case_id)
) WITHOUT ROWID;

-- What a party that holds a live record is told. token: the record's key, in the domain of
-- suppressions. acknowledgement: its signed answer, once there is one.
CREATE TABLE notice (
    notice_id BIGINT NOT NULL PRIMARY KEY,
    case_id BIGINT NOT NULL,
    feed_id BIGINT NOT NULL,
    token BLOB NOT NULL,
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
    token BLOB NOT NULL,
    PRIMARY KEY (generation, feed_id, token)
) WITHOUT ROWID;

-- Records that were not used because of a case, and those erased by one: whether their sender
-- sent them before, and nothing else.
CREATE TABLE dropped (
    feed_id BIGINT NOT NULL,
    token BLOB NOT NULL,
    batch_id BIGINT NOT NULL,
    event_number BIGINT NOT NULL,
    PRIMARY KEY (feed_id, token)
) WITHOUT ROWID;


-- RETENTION


-- ACCESS

