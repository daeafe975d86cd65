-- Choices: what parties agree to and subjects choose, to the end: amendments, consent as it
-- was known, cases of rights, retention, subject access.

-- PROTOCOLS


-- CONSENT


-- CASES
-- Raised with each case that begins or ends to bind, so that every gateway sees it has to look.
INSERT INTO counter (name, next) VALUES ('cases', 1);


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
    rules BYTEA NOT NULL
);
-- How many records were let go, by type, since the log last named a day.
CREATE TABLE let_go (
    record_type BIGINT NOT NULL PRIMARY KEY,
    records BIGINT NOT NULL
);
-- Days whose retention was applied and named in the log, at most one leaf each: one row with
-- record type 0, and one a type that had any. below: the class of sizes by its bound, 0 for the
-- class without one.
CREATE TABLE retention_day (
    day BIGINT NOT NULL,
    record_type BIGINT NOT NULL,
    below BIGINT NOT NULL,
    PRIMARY KEY (day, record_type)
);
-- A record that was let go is known by its key until the dates of its protocol would refuse it
-- anyway: it must not come in again by being sent again. NULL while the record is there.
ALTER TABLE sent ADD COLUMN forget_day BIGINT;
CREATE INDEX sent_by_forget_day ON sent (forget_day) WHERE forget_day IS NOT NULL;
-- A batch's events, without reading everybody's. Batches get ascending numbers, so that what is
-- added to it is added at its end.
CREATE INDEX event_by_batch ON event (batch_id);
GRANT SELECT, INSERT, UPDATE ON batch_keeping, feed_keeping TO tallygate_intake;
GRANT SELECT ON batch_keeping, feed_keeping TO tallygate_release;
GRANT SELECT ON feed_keeping, retention_day TO tallygate_figures;
GRANT SELECT, INSERT, UPDATE ON let_go TO tallygate_intake;
GRANT SELECT, DELETE ON let_go TO tallygate_sequencer;
GRANT SELECT, INSERT ON retention_day TO tallygate_sequencer;
GRANT UPDATE (forget_day) ON sent TO tallygate_intake;


-- ACCESS

