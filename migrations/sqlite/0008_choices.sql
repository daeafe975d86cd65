-- Choices: what parties agree to and subjects choose, to the end: amendments, consent as it
-- was known, cases of rights, retention, subject access.

-- PROTOCOLS
-- Signed papers beside a protocol's version: deeds of adherence, revocations, reinstatements.
-- number: the order in which they took effect. arrived: microseconds since 1970-01-01 UTC.
CREATE TABLE protocol_paper (
    protocol_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    digest BLOB NOT NULL,
    kind TEXT NOT NULL,
    document TEXT NOT NULL,
    arrived BIGINT NOT NULL,
    number BIGINT NOT NULL UNIQUE,
    PRIMARY KEY (protocol_id, version, digest)
);
INSERT INTO counter (name, next) VALUES ('paper', 1);
-- Batches of a party that revoked its part of their protocol: kept, and counted no more until
-- a new version brings them back. purge: 0 kept, 1 to be let go, which nothing brings back.
CREATE TABLE frozen_batch (
    batch_id BIGINT NOT NULL PRIMARY KEY,
    purge BIGINT NOT NULL
);

-- CONSENT
-- Every statement about a consent, for ever: who said what on which day, and when it became
-- known here. Kept as it is but for the keyed columns, which are wrapped anew when keys rotate.
-- number: the order in which statements became known. given_by, state, means: numbers of the
-- program's closed lists, 0 for not said. giver: which giver of the reference, 0 for one whom
-- the sender did not tell apart. stated_on, valid_until: days since 1970-01-01. known_at:
-- microseconds since 1970-01-01 UTC.
CREATE TABLE consent_statement (
    number BIGINT NOT NULL PRIMARY KEY,
    consent_key BLOB NOT NULL,
    giver BIGINT NOT NULL,
    giver_key BLOB,
    given_by BIGINT NOT NULL,
    state BIGINT NOT NULL,
    stated_on BIGINT NOT NULL,
    known_at BIGINT NOT NULL,
    means BIGINT NOT NULL,
    notice_version TEXT NOT NULL,
    purposes TEXT NOT NULL,
    record_types TEXT NOT NULL,
    valid_until BIGINT,
    evidence_key BLOB,
    key_version BIGINT NOT NULL
);
CREATE INDEX consent_statement_by_consent ON consent_statement (consent_key);
INSERT INTO counter (name, next) VALUES ('statement', 1);
CREATE TRIGGER consent_statement_stays BEFORE UPDATE ON consent_statement
WHEN NOT (NEW.number = OLD.number AND NEW.giver = OLD.giver AND NEW.given_by = OLD.given_by
    AND NEW.state = OLD.state AND NEW.stated_on = OLD.stated_on AND NEW.known_at = OLD.known_at
    AND NEW.means = OLD.means AND NEW.notice_version = OLD.notice_version
    AND NEW.purposes = OLD.purposes AND NEW.record_types = OLD.record_types
    AND NEW.valid_until IS OLD.valid_until
    AND (NEW.giver_key IS NULL) = (OLD.giver_key IS NULL)
    AND (NEW.evidence_key IS NULL) = (OLD.evidence_key IS NULL))
BEGIN SELECT RAISE(ABORT, 'a statement stays as it was made'); END;
CREATE TRIGGER consent_statement_kept BEFORE DELETE ON consent_statement
BEGIN SELECT RAISE(ABORT, 'a statement stays as it was made'); END;

-- What all statements come to, for whoever counts. serial: the number of the last statement
-- that is in it. given: what a consent that is given covers, where that is not everything.
ALTER TABLE consent ADD COLUMN serial BIGINT NOT NULL DEFAULT 0;
ALTER TABLE consent ADD COLUMN given TEXT NOT NULL DEFAULT '';


-- Privacy notices that senders state are in force, kept as stated. number: the order in which they
-- became known. means: a number of the program's closed list. since, until: days since 1970-01-01.
-- known_at: microseconds since 1970-01-01 UTC.
CREATE TABLE privacy_notice (
    number BIGINT NOT NULL PRIMARY KEY,
    partner_id TEXT NOT NULL,
    record_type BIGINT NOT NULL,
    version TEXT NOT NULL,
    means BIGINT NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT,
    known_at BIGINT NOT NULL
);
INSERT INTO counter (name, next) VALUES ('privacy_notice', 1);
CREATE TRIGGER privacy_notice_stays BEFORE UPDATE ON privacy_notice
BEGIN SELECT RAISE(ABORT, 'a statement stays as it was made'); END;
CREATE TRIGGER privacy_notice_kept BEFORE DELETE ON privacy_notice
BEGIN SELECT RAISE(ABORT, 'a statement stays as it was made'); END;


-- CASES
-- Raised with each case that begins or ends to bind, so that every gateway sees it has to look.
INSERT INTO counter (name, next) VALUES ('cases', 1);
-- Numbers of cases and notices; generations of erasures, how many of them are scrubbed, and how
-- many must be before anything is served, because a restored backup had them again. replaying: 2
-- while a restored backup is brought up to the journal, else 1.
INSERT INTO counter (name, next)
VALUES ('case', 1), ('notice', 1), ('erased_days', 1), ('scrubbed_days', 1),
    ('replayed_days', 1), ('replaying', 1);

-- What a subject chose. case_key: the opener's own reference, as a pseudonym. state: 0 staged,
-- 1 binds, 2 ended, 3 never came to bind. Times: microseconds since 1970-01-01 UTC, 0 for none.
-- wish: a keyed digest of whom it is about as it was stated, so that the same call is known again.
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
    nonce BLOB NOT NULL,
    wish BLOB NOT NULL
);
CREATE INDEX rights_case_by_partner ON rights_case (partner_id, case_key);

CREATE TRIGGER rights_case_goes_on BEFORE UPDATE OF state ON rights_case
WHEN NOT ((OLD.state = 0 AND NEW.state IN (1, 3)) OR (OLD.state = 1 AND NEW.state = 2))
BEGIN SELECT RAISE(ABORT, 'a case does not go that way'); END;

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

-- Keys of records that are erased, for the journal outside the database: a restored backup has
-- them again. by_choice: 0 their sender's wish, 1 a choice of their subject's.
CREATE TABLE erased_key (
    generation BIGINT NOT NULL,
    feed_id BIGINT NOT NULL,
    token BLOB NOT NULL,
    by_choice BIGINT NOT NULL,
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
-- The cases that such a record was not used because of: who opens a case by the record later means
-- their subject, of whom nothing else is known here.
CREATE TABLE dropped_case (
    feed_id BIGINT NOT NULL,
    token BLOB NOT NULL,
    case_id BIGINT NOT NULL,
    PRIMARY KEY (feed_id, token, case_id)
) WITHOUT ROWID;


-- RETENTION
-- How far each batch was looked through for records whose time is over: on this day (days since
-- 1970-01-01 in Europe/London) the next of them may be due.
CREATE TABLE batch_keeping (
    batch_id BIGINT NOT NULL PRIMARY KEY,
    look_day BIGINT NOT NULL
);
-- A digest of the clauses by which a feed's days were reckoned: others begin anew.
CREATE TABLE feed_keeping (
    feed_id BIGINT NOT NULL PRIMARY KEY,
    rules BLOB NOT NULL
);
-- How many records were let go, by type, since the log last named a day.
CREATE TABLE let_go (
    record_type BIGINT NOT NULL PRIMARY KEY,
    records BIGINT NOT NULL
);
-- Days whose retention was applied and named in the log, at most one leaf each: one row with
-- record type 0, and one a type, whether it had any or not. below: the class of sizes by its
-- bound, 0 for the class without one. The day from which days are counted has the first row alone.
CREATE TABLE retention_day (
    day BIGINT NOT NULL,
    record_type BIGINT NOT NULL,
    below BIGINT NOT NULL,
    PRIMARY KEY (day, record_type)
) WITHOUT ROWID;
-- A record that was let go is known by its key until the dates of its protocol would refuse it
-- anyway: it must not come in again by being sent again. NULL while the record is there.
ALTER TABLE sent ADD COLUMN forget_day BIGINT;
CREATE INDEX sent_by_forget_day ON sent (forget_day) WHERE forget_day IS NOT NULL;
-- A batch's events, without reading everybody's. Batches get ascending numbers, so that what is
-- added to it is added at its end.
CREATE INDEX event_by_batch ON event (batch_id);


-- ACCESS
-- What a controller keeps from reports to subjects, by its own feed as a whole or by record.
-- state: 1 withheld, 2 shown although it would be withheld by itself. reason: a code of the
-- program's closed list. marked_at: microseconds since 1970-01-01 UTC.
CREATE TABLE withheld_feed (
    feed_id BIGINT NOT NULL PRIMARY KEY,
    state BIGINT NOT NULL,
    reason TEXT NOT NULL,
    marked_at BIGINT NOT NULL
);
CREATE TABLE withheld_record (
    event_number BIGINT NOT NULL PRIMARY KEY,
    feed_id BIGINT NOT NULL,
    state BIGINT NOT NULL,
    reason TEXT NOT NULL,
    marked_at BIGINT NOT NULL
);

-- Subjects' wishes to see what is held: when, never whose. proof: a code of the program's
-- closed list. received_on, due_on: days since 1970-01-01. asked_at, done_at: microseconds
-- since 1970-01-01 UTC; done_at 0 until it is.
CREATE TABLE subject_request (
    number BIGINT NOT NULL PRIMARY KEY,
    partner_id TEXT NOT NULL,
    proof TEXT NOT NULL,
    received_on BIGINT NOT NULL,
    due_on BIGINT NOT NULL,
    asked_at BIGINT NOT NULL,
    done_at BIGINT NOT NULL
);
INSERT INTO counter (name, next) VALUES ('subject_request', 1);

