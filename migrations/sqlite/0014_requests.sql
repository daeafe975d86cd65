-- Tables that somebody wants published and that are not. document: what is wanted, JSON; cost: what
-- it would have cost when it was asked for, JSON. state: 0 open, 1 granted, 2 refused; reason and
-- decided_at are set with the decision, which is never taken again. No word in it is about anybody.
CREATE TABLE table_request (
    number BIGINT NOT NULL PRIMARY KEY,
    partner_id TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    document TEXT NOT NULL,
    cost TEXT NOT NULL,
    state BIGINT NOT NULL,
    reason TEXT NOT NULL,
    decided_at BIGINT NOT NULL
);
INSERT INTO counter (name, next) VALUES ('table_request', 1);
