-- Who shares, under which agreements, about which places. Small tables, read as snapshots.

CREATE TABLE counter (
    name TEXT NOT NULL PRIMARY KEY,
    next BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO counter (name, next)
VALUES ('policy_epoch', 1), ('feed', 1), ('batch', 1), ('subject', 1), ('person', 1), ('event', 1);

CREATE TABLE partner (
    partner_id TEXT NOT NULL PRIMARY KEY,
    entry TEXT NOT NULL,
    disabled BIGINT NOT NULL,
    acts BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE protocol (
    protocol_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    life TEXT NOT NULL,
    arrivals TEXT NOT NULL,
    digest BLOB NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (protocol_id, version)
) WITHOUT ROWID;

CREATE TABLE root_policy (
    version BIGINT NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL,
    document TEXT NOT NULL,
    arrived BIGINT NOT NULL
);

CREATE TABLE geography (
    version BIGINT NOT NULL PRIMARY KEY,
    valid_from BIGINT NOT NULL,
    document TEXT NOT NULL
);

-- A postcode is kept only as a keyed pseudonym: the lookup names no address.
CREATE TABLE postcode (
    postcode_key BLOB NOT NULL PRIMARY KEY,
    lsoa BIGINT NOT NULL
) WITHOUT ROWID;

-- The newest state by the sender's own reference, itself kept only as a pseudonym.
CREATE TABLE consent (
    consent_key BLOB NOT NULL PRIMARY KEY,
    state BIGINT NOT NULL,
    given_by BIGINT NOT NULL,
    recorded_on BIGINT NOT NULL,
    notice_version TEXT NOT NULL
) WITHOUT ROWID;
