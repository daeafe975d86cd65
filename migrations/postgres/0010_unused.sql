-- What a sender sees of a record that was not used because of a choice changes with time as it does of
-- any other: it is let go when its time is over, and undone with the file that sent it.

-- days: what its end is counted from, 16 bytes that only the suppressions' own key opens; NULL
-- where it is not known. forget_day: as in `sent`.
ALTER TABLE dropped ADD COLUMN days BYTEA;
ALTER TABLE dropped ADD COLUMN forget_day BIGINT;
-- Batches that have any are looked through anew.
UPDATE batch_keeping SET look_day = -2147483648 WHERE batch_id IN (SELECT batch_id FROM dropped);
CREATE INDEX dropped_by_batch ON dropped (batch_id);
CREATE INDEX dropped_by_forget_day ON dropped (forget_day) WHERE forget_day IS NOT NULL;

-- Records that were not used when they were sent, and are since a later batch brought them again
-- after the choice had ended. event_number: the record as it is used; batch_id: the batch whose
-- private detail has its item; of_batch, of_number: the record as its sender sent it first, and
-- with whose file it is undone.
CREATE TABLE taken_late (
    event_number BIGINT NOT NULL PRIMARY KEY,
    batch_id BIGINT NOT NULL,
    of_batch BIGINT NOT NULL,
    of_number BIGINT NOT NULL
);
CREATE INDEX taken_late_by_batch ON taken_late (batch_id);
CREATE INDEX taken_late_by_of_batch ON taken_late (of_batch);
CREATE INDEX taken_late_by_of_number ON taken_late (of_number);

-- What a controller keeps from reports to subjects, by a record's key as a suppression: it holds
-- for a record that is sent again, and for whatever takes its place. As in `withheld_record`, which
-- marks of before stay in.
CREATE TABLE withheld_key (
    feed_id BIGINT NOT NULL,
    token BYTEA NOT NULL,
    state BIGINT NOT NULL,
    reason TEXT NOT NULL,
    marked_at BIGINT NOT NULL,
    PRIMARY KEY (feed_id, token)
);

GRANT UPDATE (forget_day) ON dropped TO tallygate_intake;
GRANT SELECT ON dropped TO tallygate_release;
GRANT SELECT, INSERT, DELETE ON taken_late TO tallygate_intake;
GRANT SELECT ON taken_late TO tallygate_release;
GRANT SELECT, INSERT ON withheld_key TO tallygate_intake;
GRANT SELECT ON withheld_key TO tallygate_release;
GRANT SELECT, INSERT, UPDATE ON withheld_key TO tallygate_sequencer;
