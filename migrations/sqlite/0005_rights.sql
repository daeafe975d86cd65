-- When a batch was staged, microseconds since 1970-01-01 UTC. (Roles are PostgreSQL's: an
-- embedded file belongs to the one process that may open it.)
ALTER TABLE batch ADD COLUMN staged_at BIGINT NOT NULL DEFAULT 0;

-- Raised with each part of the postcode lookup, so that every gateway sees it has to look.
INSERT INTO counter (name, next) VALUES ('postcodes', 1);
