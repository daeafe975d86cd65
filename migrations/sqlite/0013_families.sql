-- Families: dated edges from a subject to another, or to a case, each told by one record.
-- other_id: 0 for a case. tie: 1 parent of, 2 carer of, 3 to 6 a child, parent, carer or other
-- member of the case. case_token: the case's reference, keyed in the suppressions' domain. from_day,
-- until_day: days since 1970-01-01; NULL from birth, and while it holds. No date of birth is in it.
CREATE TABLE family_edge (
    event_number BIGINT NOT NULL,
    subject_id BIGINT NOT NULL,
    other_id BIGINT NOT NULL,
    tie BIGINT NOT NULL,
    case_token BLOB,
    batch_id BIGINT NOT NULL,
    from_day BIGINT,
    until_day BIGINT,
    PRIMARY KEY (event_number, subject_id, other_id)
) WITHOUT ROWID;
CREATE INDEX family_edge_by_subject ON family_edge (subject_id);
CREATE INDEX family_edge_by_other ON family_edge (other_id);
CREATE INDEX family_edge_by_batch ON family_edge (batch_id);

-- Runs through all subjects that resolve them anew by the rules in use. rules: their version. Up to
-- until_subject, the last there was when it began; place: the last one looked at. moved: how many
-- went to another person. done_at: 0 until the end.
CREATE TABLE relinking (
    number BIGINT NOT NULL PRIMARY KEY,
    rules BIGINT NOT NULL,
    until_subject BIGINT NOT NULL,
    place BIGINT NOT NULL,
    moved BIGINT NOT NULL,
    begun_at BIGINT NOT NULL,
    done_at BIGINT NOT NULL
);
