-- Frozen releases: written once, looked up for ever.

CREATE TABLE frozen_release (
    quarter TEXT NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL,
    document TEXT NOT NULL,
    frozen_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER release_stays BEFORE UPDATE ON frozen_release
BEGIN SELECT RAISE(ABORT, 'a release never changes'); END;
CREATE TRIGGER release_kept BEFORE DELETE ON frozen_release
BEGIN SELECT RAISE(ABORT, 'a release never changes'); END;
