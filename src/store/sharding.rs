//! Where each table's rows are on a PostgreSQL that is sharded by Citus, said once: by which column
//! they are distributed, whether every node has all of them, or the coordinator alone.
//!
//! Why: one council runs on a file, a region on one server, a country on several, with one program
//! and one schema. The statements of `deploy/citus` are made from this list, and a test holds the
//! migrated schema against it and against what Citus accepts: keys that begin with what rows are
//! distributed by, no unique constraint without it, no trigger and no foreign key there, and a
//! sequencer that touches local and reference tables only. What does not hold yet is in
//! [`STANDING`], each with its reason; the test fails where one of them is mended, too.

/// Tables whose rows lie together where they have the same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// What is counted, by person.
    Person,
    /// Who it is about, by subject.
    Subject,
    /// By what subjects are found again: spread evenly, as it is drawn by a keyed function.
    MatchKey,
    /// What was sent, by feed.
    Feed,
    /// What became of a record, by its number.
    Event,
    /// What belongs to a batch.
    Batch,
}

/// Where a table's rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Spread over the nodes by a column.
    Distributed {
        /// The column, the first of the primary key.
        by: &'static str,
        /// With which others.
        with: Group,
    },
    /// All of them on every node.
    Reference,
    /// On the coordinator.
    Local,
}

const fn by(table: &'static str, column: &'static str, with: Group) -> (&'static str, Placement) {
    (table, Placement::Distributed { by: column, with })
}

const fn everywhere(table: &'static str) -> (&'static str, Placement) {
    (table, Placement::Reference)
}

const fn local(table: &'static str) -> (&'static str, Placement) {
    (table, Placement::Local)
}

/// Every table's place.
pub const PLACEMENTS: &[(&str, Placement)] = &[
    // What grows with persons and records.
    by("event", "person_id", Group::Person),
    by("subject", "subject_id", Group::Subject),
    by("subject_key", "match_key", Group::MatchKey),
    by("sent", "feed_id", Group::Feed),
    by("dropped", "feed_id", Group::Feed),
    by("dropped_case", "feed_id", Group::Feed),
    by("family_edge", "event_number", Group::Event),
    by("withdrawal", "event_number", Group::Event),
    by("record_stop", "event_number", Group::Event),
    by("taken_late", "event_number", Group::Event),
    by("batch_detail", "batch_id", Group::Batch),
    by("batch_keeping", "batch_id", Group::Batch),
    // What those are looked up with, row by row, and what the sequencer changes of it.
    everywhere("batch"),
    everywhere("feed"),
    everywhere("consent"),
    everywhere("postcode"),
    everywhere("counted_birth"),
    everywhere("frozen_batch"),
    everywhere("erasure"),
    everywhere("erased"),
    everywhere("withheld_key"),
    everywhere("withheld_feed"),
    everywhere("withheld_record"),
    // The register, the log, and what is never changed, which triggers keep: those are for local
    // tables alone.
    local("counter"),
    local("partner"),
    local("protocol"),
    local("protocol_paper"),
    local("root_policy"),
    local("geography"),
    local("consent_statement"),
    local("privacy_notice"),
    local("relinking"),
    local("frozen_release"),
    local("release_withdrawal"),
    local("stream_undo"),
    local("approval"),
    local("cosignature"),
    local("key_version"),
    local("key_progress"),
    local("evaluation"),
    local("act_detail"),
    local("erasure_day"),
    local("erased_key"),
    local("rights_case"),
    local("suppression"),
    local("notice"),
    local("subject_request"),
    local("table_request"),
    local("feed_keeping"),
    local("let_go"),
    local("retention_day"),
    local("log_entry"),
    local("log_hash"),
    local("log_head"),
    local("past_log"),
    local("migration"),
];

/// What Citus would refuse, or what would be wrong on it, as the test names it; and why it stands.
pub const STANDING: &[(&str, &str)] = &[
    (
        "subject_key.match_key, by which it is distributed, is updated",
        "a change of keys rewrites it in place; there it has to be a deletion and an insertion",
    ),
    (
        "settle_taken_late, which the sequencer calls, touches event",
        "undoing a stream hands over what another one sent later; there it has to be done as intake, \
         before the sequencer's transaction",
    ),
    ("settle_taken_late, which the sequencer calls, touches family_edge", "the same"),
    ("settle_taken_late, which the sequencer calls, touches sent", "the same"),
    ("settle_taken_late, which the sequencer calls, touches taken_late", "the same"),
    ("settle_taken_late, which the sequencer calls, touches batch_keeping", "the same"),
];

/// A table's place; `None` where nobody has said.
#[must_use]
pub fn placement(table: &str) -> Option<Placement> {
    PLACEMENTS.iter().find(|(name, _)| *name == table).map(|(_, placement)| *placement)
}

/// The statements that bring a migrated database's tables to their places, for its owner, on the
/// coordinator.
#[must_use]
pub fn statements() -> String {
    let mut text = String::from(
        "-- Made from src/store/sharding.rs; a test compares them. See README.md beside this file.\n\
         -- Run once, on the coordinator, as the tables' owner, before anything is stored:\n\
         --   psql --single-transaction -v ON_ERROR_STOP=1 -f distribute.sql\n\n",
    );
    for (table, placement) in PLACEMENTS {
        if *placement == Placement::Reference {
            text += &format!("SELECT create_reference_table('{table}');\n");
        }
    }
    text += "\n";
    let mut groups: Vec<(Group, &str)> = Vec::new();
    for (table, placement) in PLACEMENTS {
        let Placement::Distributed { by, with } = placement else { continue };
        let first = groups.iter().find(|(group, _)| group == with).map(|(_, first)| *first);
        let together = first.unwrap_or("none");
        text += &format!(
            "SELECT create_distributed_table('{table}', '{by}', colocate_with => '{together}');\n"
        );
        if first.is_none() {
            groups.push((*with, table));
        }
    }
    text
}
