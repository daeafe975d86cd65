-- Frozen releases: written once, looked up for ever.

CREATE TABLE frozen_release (
    quarter TEXT NOT NULL PRIMARY KEY,
    digest BYTEA NOT NULL,
    document TEXT NOT NULL,
    frozen_at BIGINT NOT NULL
);
CREATE FUNCTION release_stays() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'a release never changes'; END $$;
CREATE TRIGGER release_stays BEFORE UPDATE ON frozen_release
FOR EACH ROW EXECUTE FUNCTION release_stays();
CREATE FUNCTION release_kept() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'a release never changes'; END $$;
CREATE TRIGGER release_kept BEFORE DELETE ON frozen_release
FOR EACH ROW EXECUTE FUNCTION release_kept();
