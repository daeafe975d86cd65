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
CREATE FUNCTION stream_undo_stays() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'what was undone stays undone'; END $$;
CREATE TRIGGER stream_undo_stays BEFORE UPDATE OR DELETE ON stream_undo
FOR EACH ROW EXECUTE FUNCTION stream_undo_stays();
CREATE TRIGGER stream_undo_whole BEFORE TRUNCATE ON stream_undo
EXECUTE FUNCTION stream_undo_stays();

-- Releases found wrong. The release itself never changes; its notice stays beside it.
CREATE TABLE release_withdrawal (
    quarter TEXT NOT NULL PRIMARY KEY,
    digest BYTEA NOT NULL,
    notice TEXT NOT NULL,
    withdrawn_at BIGINT NOT NULL
);
CREATE FUNCTION release_withdrawal_stays() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'a notice stays'; END $$;
CREATE TRIGGER release_withdrawal_stays BEFORE UPDATE OR DELETE ON release_withdrawal
FOR EACH ROW EXECUTE FUNCTION release_withdrawal_stays();
CREATE TRIGGER release_withdrawal_whole BEFORE TRUNCATE ON release_withdrawal
EXECUTE FUNCTION release_withdrawal_stays();

-- What a first person wants done and a second has not yet: gone once it is done.
CREATE TABLE approval (
    act_digest BYTEA NOT NULL PRIMARY KEY,
    partner_id TEXT NOT NULL,
    user_key BYTEA NOT NULL,
    given_at BIGINT NOT NULL
);

GRANT SELECT ON stream_undo TO tallygate_intake, tallygate_figures, tallygate_release,
    tallygate_sequencer;
GRANT SELECT ON release_withdrawal TO tallygate_figures, tallygate_sequencer;
GRANT SELECT ON approval TO tallygate_figures, tallygate_sequencer;
GRANT INSERT ON stream_undo, release_withdrawal TO tallygate_sequencer;
GRANT INSERT, DELETE ON approval TO tallygate_sequencer;
