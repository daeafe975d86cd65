-- Choices: what parties agree to and subjects choose, to the end: amendments, consent as it
-- was known, cases of rights, retention, subject access.

-- PROTOCOLS
-- Signed papers beside a protocol's version: deeds of adherence, revocations. arrived:
-- microseconds since 1970-01-01 UTC.
CREATE TABLE protocol_paper (
    protocol_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    digest BLOB NOT NULL,
    kind TEXT NOT NULL,
    document TEXT NOT NULL,
    arrived BIGINT NOT NULL,
    PRIMARY KEY (protocol_id, version, digest)
);
-- Batches of a party that revoked its part of their protocol: kept, and counted no more until
-- a new version brings them back. purge: 0 kept, 1 to be erased, 2 its erasure is asked for.
CREATE TABLE frozen_batch (
    batch_id BIGINT NOT NULL PRIMARY KEY,
    purge BIGINT NOT NULL
);

-- CONSENT


-- CASES
-- Raised with each case that begins or ends to bind, so that every gateway sees it has to look.
INSERT INTO counter (name, next) VALUES ('cases', 1);


-- RETENTION


-- ACCESS

