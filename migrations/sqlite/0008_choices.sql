-- Choices: what parties agree to and subjects choose, to the end: amendments, consent as it
-- was known, cases of rights, retention, subject access.

-- PROTOCOLS


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


-- CASES
-- Raised with each case that begins or ends to bind, so that every gateway sees it has to look.
INSERT INTO counter (name, next) VALUES ('cases', 1);


-- RETENTION


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

