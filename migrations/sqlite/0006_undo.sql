-- Undoing a whole file, withdrawing a release, and acts that need two people.

-- The log index of the stream's "opened" leaf, 0 for batches from before; and how many
-- records and withdrawals of records the batch brought.
ALTER TABLE batch ADD COLUMN stream BIGINT NOT NULL DEFAULT 0;
ALTER TABLE batch ADD COLUMN records BIGINT NOT NULL DEFAULT 0;
CREATE INDEX batch_by_stream ON batch (stream);

-- Streams that their sender took back: their batches are in state 3, undone, and no further
-- batch of them is accepted.
CREATE TABLE stream_undo (
    stream BIGINT NOT NULL PRIMARY KEY,
    feed_id BIGINT NOT NULL,
    cause TEXT NOT NULL,
    batches BIGINT NOT NULL,
    records BIGINT NOT NULL,
    undone_at BIGINT NOT NULL
);
CREATE TRIGGER stream_undo_stays BEFORE UPDATE ON stream_undo
BEGIN SELECT RAISE(ABORT, 'what was undone stays undone'); END;
CREATE TRIGGER stream_undo_kept BEFORE DELETE ON stream_undo
BEGIN SELECT RAISE(ABORT, 'what was undone stays undone'); END;

-- Releases found wrong. The release itself never changes; its notice stays beside it.
CREATE TABLE release_withdrawal (
    quarter TEXT NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL,
    notice TEXT NOT NULL,
    withdrawn_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER release_withdrawal_stays BEFORE UPDATE ON release_withdrawal
BEGIN SELECT RAISE(ABORT, 'a notice stays'); END;
CREATE TRIGGER release_withdrawal_kept BEFORE DELETE ON release_withdrawal
BEGIN SELECT RAISE(ABORT, 'a notice stays'); END;

-- What a first person wants done and a second has not yet: gone once it is done.
CREATE TABLE approval (
    act_digest BLOB NOT NULL PRIMARY KEY,
    partner_id TEXT NOT NULL,
    user_key BLOB NOT NULL,
    given_at BIGINT NOT NULL
) WITHOUT ROWID;
