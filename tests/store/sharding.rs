//! The migrated schema against what a PostgreSQL sharded by Citus accepts, read from the
//! database's own catalogue. No Citus is at hand: these are its rules as they were seen to hold
//! (see `deploy/citus/README.md`), and whether it takes the statements only it can tell.

use crate::support::postgres::cluster;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};
use tallygate::store::{
    Location, Store,
    sharding::{PLACEMENTS, Placement, STANDING, placement, statements},
    tables::TABLES,
};

/// Primary keys and unique indexes, with their columns in order.
const KEYS: &str = "SELECT t.relname::TEXT, i.relname::TEXT, x.indisprimary, \
    ARRAY(SELECT a.attname::TEXT FROM unnest(x.indkey) WITH ORDINALITY k(number, place) \
          JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number ORDER BY k.place) \
    FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid \
    WHERE t.relnamespace = 'public'::regnamespace AND x.indisunique";
const FOREIGN_KEYS: &str = "SELECT t.relname::TEXT, f.relname::TEXT FROM pg_constraint c \
    JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class f ON f.oid = c.confrelid \
    WHERE c.contype = 'f'";
const TRIGGERS: &str = "SELECT t.relname::TEXT, g.tgname::TEXT FROM pg_trigger g \
    JOIN pg_class t ON t.oid = g.tgrelid WHERE NOT g.tgisinternal";
/// Columns that a role may update of their own account.
const UPDATED: &str = "SELECT DISTINCT t.relname::TEXT, a.attname::TEXT FROM pg_attribute a \
    JOIN pg_class t ON t.oid = a.attrelid, aclexplode(a.attacl) acl \
    WHERE t.relnamespace = 'public'::regnamespace AND acl.privilege_type = 'UPDATE'";
/// What the sequencer may do to a table or a column of it.
const SEQUENCER: &str = "SELECT DISTINCT t.relname::TEXT FROM pg_class t \
    LEFT JOIN pg_attribute a ON a.attrelid = t.oid, \
    LATERAL (SELECT * FROM aclexplode(t.relacl) UNION ALL SELECT * FROM aclexplode(a.attacl)) acl \
    WHERE t.relnamespace = 'public'::regnamespace AND t.relkind = 'r' \
    AND acl.grantee = 'tallygate_sequencer'::regrole";
/// Functions with the owner's rights that the sequencer may call.
const FUNCTIONS: &str = "SELECT p.proname::TEXT, p.prosrc FROM pg_proc p \
    WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef \
    AND has_function_privilege('tallygate_sequencer', p.oid, 'EXECUTE')";

type Pairs = Vec<(String, String)>;

fn distributed_by(table: &str) -> Option<&'static str> {
    match placement(table) {
        Some(Placement::Distributed { by, .. }) => Some(by),
        _ => None,
    }
}

/// What breaks a rule, in words.
fn broken(
    keys: &[(String, String, bool, Vec<String>)],
    [foreign, triggers, updated, functions]: [Pairs; 4],
    sequencer: Vec<(String,)>,
) -> BTreeSet<String> {
    let mut broken = BTreeSet::new();
    let with_key: BTreeMap<&str, ()> =
        keys.iter().filter(|key| key.2).map(|key| (key.0.as_str(), ())).collect();
    for (table, index, primary, columns) in keys {
        match distributed_by(table) {
            Some(by) if *primary && columns.first().is_none_or(|first| first != by) => {
                broken.insert(format!("{table}'s primary key does not begin with {by}"));
            }
            Some(by) if !columns.iter().any(|column| column == by) => {
                broken.insert(format!("{index} of {table} is unique without {by}"));
            }
            _ => {}
        }
    }
    for (table, _) in PLACEMENTS {
        if !with_key.contains_key(table) {
            broken.insert(format!("{table} has no primary key"));
        }
    }
    for (table, of) in foreign {
        if placement(&table) != placement(&of) || distributed_by(&table).is_some() {
            broken.insert(format!("a foreign key of {table} leads to {of}"));
        }
    }
    for (table, trigger) in triggers {
        if placement(&table) != Some(Placement::Local) {
            broken.insert(format!("{trigger} is a trigger of {table}, which is not local"));
        }
    }
    for (table, column) in updated {
        if distributed_by(&table) == Some(column.as_str()) {
            broken.insert(format!("{table}.{column}, by which it is distributed, is updated"));
        }
    }
    for (table,) in sequencer {
        if distributed_by(&table).is_some() {
            broken.insert(format!("the sequencer touches {table}"));
        }
    }
    for (function, body) in functions {
        for word in body.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if distributed_by(word).is_some() {
                broken.insert(format!("{function}, which the sequencer calls, touches {word}"));
            }
        }
    }
    broken
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_what_a_sharded_postgresql_accepts_but_for_what_is_said_to_stand() {
    let Some(cluster) = cluster() else { return };
    let database = cluster.database(None).await;
    let owner = Store::open(&Location::Postgres(database.location("owner"))).await.unwrap();
    owner.migrate(Some("gateway")).await.unwrap();
    owner.close().await;
    let pool = database.pool("owner").await;
    let keys: Vec<_> = sqlx::query_as(KEYS).fetch_all(&pool).await.unwrap();
    let mut pairs: [Pairs; 4] = Default::default();
    for (pairs, sql) in pairs.iter_mut().zip([FOREIGN_KEYS, TRIGGERS, UPDATED, FUNCTIONS]) {
        *pairs = sqlx::query_as(sql).fetch_all(&pool).await.unwrap();
    }
    // Read at all: each rule has something to look at.
    assert!(pairs[1].len() > 10 && pairs[2].len() > 10 && !pairs[3].is_empty(), "{pairs:?}");
    let sequencer: Vec<(String,)> = sqlx::query_as(SEQUENCER).fetch_all(&pool).await.unwrap();
    assert!(sequencer.len() > 20, "{sequencer:?}");
    let standing: BTreeSet<String> =
        STANDING.iter().map(|(broken, _)| (*broken).to_owned()).collect();
    assert_eq!(broken(&keys, pairs, sequencer), standing);
}

#[test]
fn every_table_has_one_place_and_a_key_that_begins_with_it() {
    let said: BTreeSet<&str> = PLACEMENTS.iter().map(|(table, _)| *table).collect();
    let mut there: BTreeSet<&str> = TABLES.iter().map(|table| table.name).collect();
    there.insert("migration");
    assert_eq!(said, there);
    assert_eq!(PLACEMENTS.len(), there.len(), "a table is named twice");
    for table in TABLES {
        if let Some(by) = distributed_by(table.name) {
            assert_eq!(table.columns[0].name, by, "{}", table.name);
        }
    }
}

#[test]
fn the_statements_that_are_shipped_are_those_of_the_list() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/citus/distribute.sql");
    let shipped = fs::read_to_string(&path).unwrap_or_default();
    let made = statements();
    assert!(
        made.contains("create_distributed_table('event', 'person_id', colocate_with => 'none')")
    );
    assert!(made.contains("('withdrawal', 'event_number', colocate_with => 'family_edge')"));
    assert_eq!(shipped, made, "write it anew from `sharding::statements`");
}

/// Serializable transactions promise nothing across nodes, so nothing may rest on them.
#[test]
fn no_transaction_is_serializable() {
    for path in crate::support::files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let found = text.to_uppercase().contains("ISOLATION LEVEL SERIALIZABLE");
        assert!(!found, "{}", path.display());
    }
}

/// What the rules are for: a schema that breaks each of them is found out.
#[test]
fn a_schema_that_breaks_a_rule_is_found() {
    let text = |s: &str| s.to_owned();
    let pair = |a: &str, b: &str| vec![(text(a), text(b))];
    let keys = vec![
        (text("event"), text("event_pkey"), true, vec![text("event_number"), text("person_id")]),
        (text("sent"), text("sent_by_batch"), false, vec![text("batch_id")]),
    ];
    let found = broken(
        &keys,
        [
            pair("event", "subject"),
            pair("batch", "batch_stays"),
            pair("sent", "feed_id"),
            pair("settle", "UPDATE subject SET"),
        ],
        vec![(text("withdrawal"),)],
    );
    for expected in [
        "event's primary key does not begin with person_id",
        "sent_by_batch of sent is unique without feed_id",
        "a foreign key of event leads to subject",
        "batch_stays is a trigger of batch, which is not local",
        "sent.feed_id, by which it is distributed, is updated",
        "settle, which the sequencer calls, touches subject",
        "the sequencer touches withdrawal",
        "partner has no primary key",
    ] {
        assert!(found.contains(expected), "{expected}: {found:?}");
    }
}
