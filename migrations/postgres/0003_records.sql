-- Records, without anybody's name. Rows are staged under a batch and count only once the
-- batch is accepted. Large tables begin with what they would be distributed by: the feed,
-- the key, or the person.

CREATE TABLE feed (
    feed_id BIGINT NOT NULL PRIMARY KEY,
    partner_id TEXT NOT NULL,
    record_type BIGINT NOT NULL,
    UNIQUE (partner_id, record_type)
);

-- state: 0 staged, 1 accepted, 2 abandoned.
CREATE TABLE batch (
    batch_id BIGINT NOT NULL PRIMARY KEY,
    feed_id BIGINT NOT NULL,
    state BIGINT NOT NULL,
    extract_day BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    protocol_id TEXT NOT NULL,
    protocol_version BIGINT NOT NULL
);
CREATE INDEX batch_by_feed ON batch (feed_id, state);

-- Idempotency: the sender's record_id within its feed, as a pseudonym.
CREATE TABLE sent (
    feed_id BIGINT NOT NULL,
    record_key BYTEA NOT NULL,
    batch_id BIGINT NOT NULL,
    event_number BIGINT NOT NULL,
    PRIMARY KEY (feed_id, record_key)
);

-- One identity as some partner wrote it. facts: date of birth and sex, sealed.
CREATE TABLE subject (
    subject_id BIGINT NOT NULL PRIMARY KEY,
    person_id BIGINT NOT NULL,
    nhs BYTEA,
    facts BYTEA
);
CREATE INDEX subject_by_person ON subject (person_id);

-- Keys by which subjects are found: rung 0 is the identity itself, others match keys.
CREATE TABLE subject_key (
    match_key BYTEA NOT NULL,
    subject_id BIGINT NOT NULL,
    rung BIGINT NOT NULL,
    PRIMARY KEY (match_key, subject_id)
);
CREATE INDEX subject_key_by_subject ON subject_key (subject_id);

-- What is kept of a record for each of its persons, clustered by person.
CREATE TABLE event (
    person_id BIGINT NOT NULL,
    event_number BIGINT NOT NULL,
    role BIGINT NOT NULL,
    subject_id BIGINT NOT NULL,
    batch_id BIGINT NOT NULL,
    consent_key BYTEA,
    body BYTEA NOT NULL,
    PRIMARY KEY (person_id, event_number, role)
);

-- Records that their sender withdrew, from the day this became known.
CREATE TABLE withdrawal (
    event_number BIGINT NOT NULL PRIMARY KEY,
    batch_id BIGINT NOT NULL,
    known BIGINT NOT NULL
);
