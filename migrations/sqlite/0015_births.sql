-- By whose date of birth a release went for a person, so that later ones go by the same: giver_id is
-- the identity that told it, close the quarter, its year times four and its number. A row hangs on an
-- identity, so that it goes along where persons are joined or parted. It holds no date.
CREATE TABLE counted_birth (
    subject_id BIGINT NOT NULL PRIMARY KEY,
    giver_id BIGINT NOT NULL,
    close BIGINT NOT NULL
) WITHOUT ROWID;
