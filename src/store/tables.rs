//! Which tables and columns hold what the gateway keeps, said once.
//!
//! The migrations make the schema; this list is what a backup reads and a restore writes, at
//! every level that the migrations ever gave. A column that a migration adds without an entry
//! here would be lost with the first restore, so the tests compare the list with the real
//! schema of both engines, level by level. The table `migration` is not in it: an archive
//! carries its steps in the header, and a restore makes it anew.

/// What a column holds; the schema knows no other types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// BIGINT.
    Integer,
    /// TEXT.
    Text,
    /// BLOB or BYTEA.
    Bytes,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// The migration that made it, from 1.
    pub since: usize,
}

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns, in the schema's order.
    pub columns: &'static [Column],
    /// How many of them, from the first, are its primary key.
    pub key: usize,
    /// Whether the migrations themselves put rows into it, which a restore replaces.
    pub seeded: bool,
}

impl Table {
    /// Its columns at a level of the schema; none when it was not there yet.
    pub fn columns_at(&self, level: usize) -> impl Iterator<Item = &'static Column> + use<> {
        self.columns.iter().filter(move |column| column.since <= level)
    }

    /// The columns of its primary key.
    #[must_use]
    pub fn key_columns(&self) -> &'static [Column] {
        &self.columns[..self.key]
    }
}

/// The tables at a level of the schema, in an order in which they can be filled.
pub fn tables_at(level: usize) -> impl Iterator<Item = &'static Table> {
    TABLES.iter().filter(move |table| table.columns_at(level).next().is_some())
}

/// The place of `0014_requests` among the migrations.
const REQUESTS: usize = 14;
/// And of `0015_births`, which keeps by whose date of birth a release went.
const BIRTHS: usize = 15;

const fn column(name: &'static str, kind: Kind, since: usize) -> Column {
    Column { name, kind, nullable: false, since }
}

const fn integer(name: &'static str, since: usize) -> Column {
    column(name, Kind::Integer, since)
}

const fn text(name: &'static str, since: usize) -> Column {
    column(name, Kind::Text, since)
}

const fn bytes(name: &'static str, since: usize) -> Column {
    column(name, Kind::Bytes, since)
}

const fn optional(column: Column) -> Column {
    Column { nullable: true, ..column }
}

const fn table(name: &'static str, key: usize, columns: &'static [Column]) -> Table {
    Table { name, columns, key, seeded: false }
}

/// The migration that made blinded deployments possible.
const BLINDED: usize = 12;
/// The step that made the families' edges.
const FAMILIES: usize = 13;

/// Every table. The log's come last and its head last of all, as when they are written.
pub const TABLES: &[Table] = &[
    Table { seeded: true, ..table("counter", 1, &[text("name", 1), integer("next", 1)]) },
    table(
        "partner",
        1,
        &[text("partner_id", 1), text("entry", 1), integer("disabled", 1), integer("acts", 1)],
    ),
    table(
        "protocol",
        2,
        &[
            text("protocol_id", 1),
            integer("version", 1),
            text("life", 1),
            text("arrivals", 1),
            bytes("digest", 1),
            text("document", 1),
        ],
    ),
    table(
        "root_policy",
        1,
        &[integer("version", 1), bytes("digest", 1), text("document", 1), integer("arrived", 1)],
    ),
    table("geography", 1, &[integer("version", 1), integer("valid_from", 1), text("document", 1)]),
    table(
        "postcode",
        1,
        &[bytes("postcode_key", 1), integer("lsoa", 1), integer("key_version", 7)],
    ),
    table(
        "consent",
        1,
        &[
            bytes("consent_key", 1),
            integer("state", 1),
            integer("given_by", 1),
            integer("recorded_on", 1),
            text("notice_version", 1),
            integer("key_version", 7),
            integer("serial", 8),
            text("given", 8),
        ],
    ),
    table(
        "consent_statement",
        1,
        &[
            integer("number", 8),
            bytes("consent_key", 8),
            integer("giver", 8),
            optional(bytes("giver_key", 8)),
            integer("given_by", 8),
            integer("state", 8),
            integer("stated_on", 8),
            integer("known_at", 8),
            integer("means", 8),
            text("notice_version", 8),
            text("purposes", 8),
            text("record_types", 8),
            optional(integer("valid_until", 8)),
            optional(bytes("evidence_key", 8)),
            integer("key_version", 8),
        ],
    ),
    table("feed", 1, &[integer("feed_id", 3), text("partner_id", 3), integer("record_type", 3)]),
    table(
        "batch",
        1,
        &[
            integer("batch_id", 3),
            integer("feed_id", 3),
            integer("state", 3),
            integer("extract_day", 3),
            bytes("digest", 3),
            text("protocol_id", 3),
            integer("protocol_version", 3),
            integer("staged_at", 5),
            integer("stream", 6),
            integer("records", 6),
        ],
    ),
    table(
        "sent",
        2,
        &[
            integer("feed_id", 3),
            bytes("record_key", 3),
            integer("batch_id", 3),
            integer("event_number", 3),
            integer("key_version", 7),
            optional(integer("forget_day", 8)),
        ],
    ),
    table(
        "subject",
        1,
        &[
            integer("subject_id", 3),
            integer("person_id", 3),
            optional(bytes("nhs", 3)),
            optional(bytes("facts", 3)),
            integer("key_version", 7),
            optional(bytes("comparison", 11)),
            integer("own_person", 11),
            integer("linked_to", 11),
            integer("link_rule", 11),
            integer("link_rules", 11),
        ],
    ),
    table(
        "counted_birth",
        1,
        &[integer("subject_id", BIRTHS), integer("giver_id", BIRTHS), integer("close", BIRTHS)],
    ),
    table("subject_key", 2, &[bytes("match_key", 3), integer("subject_id", 3), integer("rung", 3)]),
    table(
        "event",
        3,
        &[
            integer("person_id", 3),
            integer("event_number", 3),
            integer("role", 3),
            integer("subject_id", 3),
            integer("batch_id", 3),
            optional(bytes("consent_key", 3)),
            bytes("body", 3),
            integer("key_version", 7),
        ],
    ),
    table(
        "family_edge",
        3,
        &[
            integer("event_number", FAMILIES),
            integer("subject_id", FAMILIES),
            integer("other_id", FAMILIES),
            integer("tie", FAMILIES),
            optional(bytes("case_token", FAMILIES)),
            integer("batch_id", FAMILIES),
            optional(integer("from_day", FAMILIES)),
            optional(integer("until_day", FAMILIES)),
        ],
    ),
    table(
        "relinking",
        1,
        &[
            integer("number", FAMILIES),
            integer("rules", FAMILIES),
            integer("until_subject", FAMILIES),
            integer("place", FAMILIES),
            integer("moved", FAMILIES),
            integer("begun_at", FAMILIES),
            integer("done_at", FAMILIES),
        ],
    ),
    table(
        "withdrawal",
        1,
        &[integer("event_number", 3), integer("batch_id", 3), integer("known", 3)],
    ),
    table(
        "frozen_release",
        1,
        &[text("quarter", 4), bytes("digest", 4), text("document", 4), integer("frozen_at", 4)],
    ),
    table(
        "stream_undo",
        1,
        &[
            integer("stream", 6),
            integer("feed_id", 6),
            text("cause", 6),
            integer("batches", 6),
            integer("records", 6),
            integer("undone_at", 6),
        ],
    ),
    table(
        "release_withdrawal",
        1,
        &[text("quarter", 6), bytes("digest", 6), text("notice", 6), integer("withdrawn_at", 6)],
    ),
    table(
        "approval",
        1,
        &[
            bytes("act_digest", 6),
            text("partner_id", 6),
            bytes("user_key", 6),
            integer("given_at", 6),
        ],
    ),
    table(
        "cosignature",
        1,
        &[
            text("witness", 7),
            integer("size", 7),
            bytes("root", 7),
            integer("cosigned_at", 7),
            integer("received_at", 7),
            text("line", 7),
        ],
    ),
    table(
        "key_version",
        1,
        &[
            integer("version", 7),
            integer("state", 7),
            bytes("check_value", 7),
            text("prf", BLINDED),
        ],
    ),
    table(
        "evaluation",
        2,
        &[text("partner_id", BLINDED), integer("day", BLINDED), integer("evaluated", BLINDED)],
    ),
    table(
        "key_progress",
        1,
        &[
            text("step", 7),
            integer("version", 7),
            integer("place", 7),
            integer("number", 7),
            bytes("place_key", 7),
            integer("moved", 7),
            integer("done", 7),
        ],
    ),
    table(
        "act_detail",
        2,
        &[integer("at", 7), integer("leaf_index", 7), integer("mark", 7), bytes("sealed", 7)],
    ),
    table("batch_detail", 1, &[integer("batch_id", 7), bytes("sealed", 7)]),
    table(
        "erasure",
        2,
        &[
            integer("feed_id", 7),
            bytes("record_key", 7),
            integer("key_version", 7),
            integer("asked_at", 7),
        ],
    ),
    table("erased", 2, &[integer("batch_id", 7), integer("item", 7), integer("day", 7)]),
    table("erasure_day", 1, &[integer("day", 7)]),
    table(
        "privacy_notice",
        1,
        &[
            integer("number", 8),
            text("partner_id", 8),
            integer("record_type", 8),
            text("version", 8),
            integer("means", 8),
            integer("since", 8),
            optional(integer("until", 8)),
            integer("known_at", 8),
        ],
    ),
    table(
        "rights_case",
        1,
        &[
            integer("case_id", 8),
            text("partner_id", 8),
            bytes("case_key", 8),
            integer("kind", 8),
            integer("given_by", 8),
            integer("requested_on", 8),
            integer("state", 8),
            integer("staged_at", 8),
            integer("opened_at", 8),
            integer("ended_at", 8),
            integer("due_day", 8),
            bytes("nonce", 8),
            bytes("wish", 8),
        ],
    ),
    table("suppression", 2, &[bytes("token", 8), integer("case_id", 8)]),
    table(
        "record_stop",
        2,
        &[
            integer("event_number", 8),
            integer("case_id", 8),
            integer("feed_id", 8),
            integer("batch_id", 8),
            integer("effect", 8),
        ],
    ),
    table(
        "notice",
        1,
        &[
            integer("notice_id", 8),
            integer("case_id", 8),
            integer("feed_id", 8),
            bytes("token", 8),
            integer("effect", 8),
            integer("due_day", 8),
            integer("acknowledged_at", 8),
            text("acknowledgement", 8),
        ],
    ),
    table(
        "erased_key",
        3,
        &[
            integer("generation", 8),
            integer("feed_id", 8),
            bytes("token", 8),
            integer("by_choice", 8),
        ],
    ),
    table(
        "dropped",
        2,
        &[
            integer("feed_id", 8),
            bytes("token", 8),
            integer("batch_id", 8),
            integer("event_number", 8),
            optional(bytes("days", 10)),
            optional(integer("forget_day", 10)),
        ],
    ),
    table(
        "taken_late",
        1,
        &[
            integer("event_number", 10),
            integer("batch_id", 10),
            integer("of_batch", 10),
            integer("of_number", 10),
        ],
    ),
    table("dropped_case", 3, &[integer("feed_id", 8), bytes("token", 8), integer("case_id", 8)]),
    table(
        "withheld_key",
        2,
        &[
            integer("feed_id", 10),
            bytes("token", 10),
            integer("state", 10),
            text("reason", 10),
            integer("marked_at", 10),
        ],
    ),
    table(
        "withheld_feed",
        1,
        &[integer("feed_id", 8), integer("state", 8), text("reason", 8), integer("marked_at", 8)],
    ),
    table(
        "withheld_record",
        1,
        &[
            integer("event_number", 8),
            integer("feed_id", 8),
            integer("state", 8),
            text("reason", 8),
            integer("marked_at", 8),
        ],
    ),
    table(
        "subject_request",
        1,
        &[
            integer("number", 8),
            text("partner_id", 8),
            text("proof", 8),
            integer("received_on", 8),
            integer("due_on", 8),
            integer("asked_at", 8),
            integer("done_at", 8),
        ],
    ),
    table(
        "table_request",
        1,
        &[
            integer("number", REQUESTS),
            text("partner_id", REQUESTS),
            integer("asked_at", REQUESTS),
            text("document", REQUESTS),
            text("cost", REQUESTS),
            integer("state", REQUESTS),
            text("reason", REQUESTS),
            integer("decided_at", REQUESTS),
        ],
    ),
    table("batch_keeping", 1, &[integer("batch_id", 8), integer("look_day", 8)]),
    table("feed_keeping", 1, &[integer("feed_id", 8), bytes("rules", 8)]),
    table("let_go", 1, &[integer("record_type", 8), integer("records", 8)]),
    table("retention_day", 2, &[integer("day", 8), integer("record_type", 8), integer("below", 8)]),
    table(
        "protocol_paper",
        3,
        &[
            text("protocol_id", 8),
            integer("version", 8),
            bytes("digest", 8),
            text("kind", 8),
            text("document", 8),
            integer("arrived", 8),
            integer("number", 8),
        ],
    ),
    table("frozen_batch", 1, &[integer("batch_id", 8), integer("purge", 8)]),
    table("log_entry", 1, &[integer("leaf_index", 2), bytes("leaf", 2)]),
    table("log_hash", 2, &[integer("level", 2), integer("hash_index", 2), bytes("hash", 2)]),
    table(
        "past_log",
        1,
        &[
            integer("base", 7),
            integer("size", 7),
            bytes("root", 7),
            text("checkpoint", 7),
            integer("at", 7),
        ],
    ),
    table(
        "log_head",
        1,
        &[
            integer("only_row", 2),
            integer("size", 2),
            bytes("root", 2),
            text("checkpoint", 2),
            integer("at", 2),
            integer("base", 7),
        ],
    ),
];
