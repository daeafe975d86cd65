//! Least privilege on PostgreSQL, by trying: what each role can do, and what nobody can.

use super::{Fresh, Place};
use sqlx::PgPool;
use std::borrow::Cow;
use tallygate::store::{Location, Rights, Store, StoreError};

const RECORDS: [&str; 6] = ["sent", "subject", "subject_key", "event", "withdrawal", "feed"];
const LOG: [&str; 3] = ["log_entry", "log_hash", "log_head"];

/// Tries a statement in a role and undoes it: whether it was permitted.
async fn may(gateway: &PgPool, role: &str, sql: &str) -> bool {
    let mut tx = gateway.begin().await.unwrap();
    let set = sqlx::AssertSqlSafe(format!("SET LOCAL ROLE {role}"));
    sqlx::raw_sql(set).execute(&mut *tx).await.unwrap();
    match sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut *tx).await {
        Ok(_) => true,
        Err(error) => {
            let code = error.as_database_error().and_then(|e| e.code().map(Cow::into_owned));
            assert_eq!(code.as_deref(), Some("42501"), "{role}: {sql}: {error}");
            false
        }
    }
}

async fn gateway() -> Option<(Fresh, PgPool)> {
    let fresh = Fresh::postgres().await?;
    let Place::Postgres(database) = &fresh.place else { return None };
    let pool = database.pool("gateway").await;
    Some((fresh, pool))
}

#[tokio::test(flavor = "multi_thread")]
async fn intake_can_not_read_what_records_say() {
    let Some((_fresh, gateway)) = gateway().await else { return };
    for sql in [
        "SELECT body FROM event",
        "SELECT * FROM event",
        "SELECT COUNT(*) FROM event",
        "SELECT facts FROM subject",
        "SELECT * FROM partner",
        "SELECT * FROM protocol",
        "SELECT * FROM frozen_release",
        "SELECT * FROM log_entry",
        "DELETE FROM event",
        "UPDATE event SET body = body",
        "UPDATE subject SET facts = NULL",
        "UPDATE consent SET state = 1",
        "SELECT * FROM family_edge",
        "DELETE FROM family_edge",
        "UPDATE relinking SET done_at = 1",
    ] {
        assert!(!may(&gateway, "tallygate_intake", sql).await, "{sql}");
    }
    assert!(may(&gateway, "tallygate_intake", "SELECT person_id FROM subject").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_and_the_sequencer_can_not_see_records() {
    let Some((_fresh, gateway)) = gateway().await else { return };
    for role in ["tallygate_figures", "tallygate_sequencer"] {
        for table in ["sent", "subject", "subject_key", "event", "withdrawal"] {
            let sql = format!("SELECT 1 FROM {table}");
            assert!(!may(&gateway, role, &sql).await, "{role}: {sql}");
        }
        assert!(may(&gateway, role, "SELECT document FROM frozen_release").await);
    }
    for table in RECORDS.iter().chain(&LOG).chain(&["partner", "consent", "counter"]) {
        for sql in [format!("DELETE FROM {table}"), format!("INSERT INTO {table} DEFAULT VALUES")] {
            assert!(!may(&gateway, "tallygate_figures", &sql).await, "{sql}");
        }
    }
    // By what subjects are known again is for intake alone.
    for table in ["suppression", "erased_key", "record_stop", "dropped", "dropped_case"] {
        for role in ["tallygate_figures", "tallygate_sequencer"] {
            assert!(
                !may(&gateway, role, &format!("SELECT 1 FROM {table}")).await,
                "{role} {table}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stages_cases_neither_opens_nor_ends_them() {
    let Some((fresh, gateway)) = gateway().await else { return };
    let values = "'health', '\\x00', 0, 1, 0, 0, 0, 0, 0, 0, '\\x00', '\\x00'";
    fresh.attack(&format!("INSERT INTO rights_case VALUES (1, {values})")).await.unwrap();
    let role = "tallygate_intake";
    assert!(!may(&gateway, role, "UPDATE rights_case SET state = 1").await);
    assert!(!may(&gateway, role, "UPDATE rights_case SET state = 2").await);
    assert!(!may(&gateway, role, "UPDATE rights_case SET opened_at = 1").await);
    assert!(may(&gateway, role, "UPDATE rights_case SET state = 3").await);
    assert!(may(&gateway, "tallygate_sequencer", "UPDATE rights_case SET state = 1").await);
    assert!(!may(&gateway, "tallygate_sequencer", "UPDATE rights_case SET state = 2").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_release_pass_reads_and_writes_nothing() {
    let Some((_fresh, gateway)) = gateway().await else { return };
    assert!(may(&gateway, "tallygate_release", "SELECT body FROM event").await);
    for table in RECORDS.iter().chain(&LOG).chain(&["frozen_release", "counter", "batch"]) {
        for sql in [format!("DELETE FROM {table}"), format!("INSERT INTO {table} DEFAULT VALUES")] {
            assert!(!may(&gateway, "tallygate_release", &sql).await, "{sql}");
        }
    }
    assert!(!may(&gateway, "tallygate_release", "SELECT * FROM log_entry").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_pass_rewrites_keyed_values_and_nothing_else() {
    let Some((_fresh, gateway)) = gateway().await else { return };
    let role = "tallygate_keys";
    for sql in [
        "SELECT * FROM partner",
        "SELECT * FROM frozen_release",
        "SELECT * FROM log_entry",
        "SELECT * FROM approval",
        "SELECT person_id FROM subject",
        "SELECT event_number FROM sent",
        "UPDATE subject SET person_id = 1",
        "UPDATE event SET person_id = 1",
        "UPDATE event SET batch_id = 1",
        "UPDATE sent SET batch_id = 1",
        "UPDATE batch SET state = 1",
        "UPDATE postcode SET lsoa = 1",
        "UPDATE key_version SET state = 4",
        "UPDATE counter SET next = 1",
        "DELETE FROM event",
        "DELETE FROM subject",
        "DELETE FROM sent",
        "DELETE FROM key_version",
        "INSERT INTO event DEFAULT VALUES",
        "INSERT INTO subject DEFAULT VALUES",
    ] {
        assert!(!may(&gateway, role, sql).await, "{sql}");
    }
    for sql in [
        "UPDATE event SET body = body, consent_key = consent_key, key_version = key_version",
        "UPDATE subject SET nhs = nhs, facts = facts, key_version = key_version",
    ] {
        assert!(may(&gateway, role, sql).await, "{sql}");
    }
    // And nobody else says what a version is for but the sequencer.
    for role in ["tallygate_intake", "tallygate_figures", "tallygate_release"] {
        for sql in ["UPDATE key_version SET state = 4", "DELETE FROM key_version"] {
            assert!(!may(&gateway, role, sql).await, "{role}: {sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_or_deletes_the_log_or_a_release() {
    let Some((_fresh, gateway)) = gateway().await else { return };
    let roles = Rights::ALL.map(Rights::role);
    for role in roles.into_iter().chain(["gateway"]) {
        for sql in [
            "UPDATE log_entry SET leaf = leaf",
            "UPDATE log_hash SET hash = hash",
            "UPDATE frozen_release SET document = document",
            "DELETE FROM log_entry",
            "DELETE FROM log_hash",
            "DELETE FROM log_head",
            "DELETE FROM frozen_release",
            "TRUNCATE log_entry",
            "TRUNCATE log_hash",
            "TRUNCATE frozen_release",
            "ALTER TABLE log_entry DISABLE TRIGGER ALL",
            "DROP TABLE log_entry",
            "DROP TRIGGER log_entry_stays ON log_entry",
            "UPDATE stream_undo SET cause = cause",
            "DELETE FROM stream_undo",
            "TRUNCATE stream_undo",
            "UPDATE release_withdrawal SET notice = notice",
            "DELETE FROM release_withdrawal",
            "TRUNCATE release_withdrawal",
            "UPDATE approval SET user_key = user_key",
            "UPDATE consent_statement SET state = 1",
            "DELETE FROM consent_statement",
            "TRUNCATE consent_statement",
            "UPDATE subject_request SET due_on = 1",
            "DELETE FROM subject_request",
            "UPDATE table_request SET document = document",
            "DELETE FROM table_request",
            "DELETE FROM withheld_record",
            "DELETE FROM withheld_feed",
            "DELETE FROM withheld_key",
            "UPDATE dropped SET days = NULL",
            "UPDATE taken_late SET of_batch = 1",
        ] {
            assert!(!may(&gateway, role, sql).await, "{role}: {sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_does_not_wait_for_its_disk_is_refused() {
    let Some((fresh, gateway)) = gateway().await else { return };
    let Place::Postgres(database) = &fresh.place else { return };
    drop(gateway);
    for (setting, refused) in [("off", true), ("local", false), ("on", false)] {
        let name = &database.name;
        let sql =
            format!("ALTER ROLE gateway IN DATABASE {name} SET synchronous_commit = {setting}");
        let admin = database.pool("postgres").await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&admin).await.unwrap();
        let opened = Store::open(&Location::Postgres(database.location("gateway"))).await;
        let not_durable = matches!(opened, Err(StoreError::NotDurable { .. }));
        assert_eq!(not_durable, refused, "{setting}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_the_owner_look_for_their_callers_tables_last() {
    let Some((fresh, _gateway)) = gateway().await else { return };
    let Place::Postgres(database) = &fresh.place else { return };
    let owner = database.pool("postgres").await;
    let sql = "SELECT p.proname::TEXT, COALESCE(array_to_string(p.proconfig, ';'), '') \
               FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
               WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')";
    let found: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(&owner).await.unwrap();
    assert!(found.len() > 5, "{found:?}");
    for (name, settings) in found {
        assert!(settings.ends_with("pg_temp"), "{name}: {settings}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_sequencer_gives_words_notices_and_undoes() {
    let Some((_fresh, gateway)) = gateway().await else { return };
    let sequencer = Rights::Sequencer.role();
    for role in Rights::ALL.map(Rights::role) {
        for sql in [
            "INSERT INTO stream_undo VALUES (1, 1, 'wrong_file', 0, 0, 0)",
            "INSERT INTO release_withdrawal VALUES ('2026Q1', '\\x00', 'n', 0)",
            "INSERT INTO approval VALUES ('\\x00', 'health', '\\x00', 0)",
            "DELETE FROM approval",
            "INSERT INTO withheld_feed VALUES (1, 1, 'r', 0)",
            "INSERT INTO withheld_record VALUES (1, 1, 1, 'r', 0)",
            "UPDATE withheld_record SET state = 2",
            "INSERT INTO subject_request VALUES (1, 'authority', 'p', 0, 0, 0, 0)",
            "UPDATE subject_request SET done_at = 1",
            "INSERT INTO table_request VALUES (1, 'health', 0, '{}', '{}', 0, '', 0)",
            "UPDATE table_request SET state = 1",
            "INSERT INTO consent_statement \
             VALUES (1, '\\x00', 0, NULL, 1, 1, 0, 0, 0, '', '', '', NULL, NULL, 1)",
        ] {
            assert_eq!(may(&gateway, role, sql).await, role == sequencer, "{role}: {sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_sequencer_keeps_papers_and_freezes() {
    let Some((_fresh, gateway)) = gateway().await else { return };
    let (intake, sequencer) = (Rights::Intake.role(), Rights::Sequencer.role());
    for role in Rights::ALL.map(Rights::role) {
        for sql in [
            "INSERT INTO protocol_paper VALUES ('isp-health', 1, '\\x00', 'adherence', '{}', 0, 9)",
            "INSERT INTO frozen_batch VALUES (1, 0)",
            "DELETE FROM frozen_batch",
        ] {
            assert_eq!(may(&gateway, role, sql).await, role == sequencer, "{role}: {sql}");
        }
        for sql in ["UPDATE protocol_paper SET document = document", "DELETE FROM protocol_paper"] {
            assert!(!may(&gateway, role, sql).await, "{role}: {sql}");
        }
        let marks = may(&gateway, role, "UPDATE frozen_batch SET purge = purge").await;
        assert_eq!(marks, role == sequencer, "{role}");
        // Only the sequencer asks for an erasure; whoever lets go counts, and changes no count.
        let asks = "INSERT INTO erasure (feed_id, record_key, key_version, asked_at) \
                    VALUES (1, '\\x00', 1, 0)";
        assert_eq!(may(&gateway, role, asks).await, role == sequencer, "{role}");
        let counts = may(&gateway, role, "SELECT count_let_go(1, 1)").await;
        assert_eq!(counts, role == intake, "{role}");
        for sql in ["UPDATE let_go SET records = 0", "INSERT INTO let_go VALUES (1, 1)"] {
            assert!(!may(&gateway, role, sql).await, "{role}: {sql}");
        }
        for sql in ["SELECT look_day FROM batch_keeping", "UPDATE feed_keeping SET rules = rules"] {
            assert_eq!(may(&gateway, role, sql).await, role == intake, "{role}: {sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn private_details_are_for_those_who_keep_them() {
    let Some((_fresh, gateway)) = gateway().await else { return };
    let (intake, sequencer) = (Rights::Intake.role(), Rights::Sequencer.role());
    for role in Rights::ALL.map(Rights::role) {
        for (sql, permitted) in [
            ("SELECT sealed FROM act_detail", sequencer),
            ("SELECT sealed FROM batch_detail", intake),
            ("UPDATE batch_detail SET sealed = sealed", intake),
            ("UPDATE act_detail SET sealed = sealed", sequencer),
            ("UPDATE act_detail SET mark = mark", ""),
            ("DELETE FROM act_detail", ""),
            ("DELETE FROM batch_detail", ""),
            ("DELETE FROM erasure", intake),
            ("SELECT erase_record(1, NULL)", intake),
            ("SELECT record_known(1, 1)", intake),
            ("UPDATE erased SET day = 0", sequencer),
            ("DELETE FROM erased", ""),
            ("INSERT INTO erasure_day VALUES (1)", sequencer),
            ("DELETE FROM erasure_day", ""),
        ] {
            // Whoever wraps anew looks which version a sealed form is of, and has requests to
            // erase in another form.
            let looks = sql.starts_with("SELECT sealed") || sql == "DELETE FROM erasure";
            let permitted = role == permitted || (looks && role == Rights::Keys.role());
            assert_eq!(may(&gateway, role, sql).await, permitted, "{role}: {sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_itself_can_do_nothing_without_a_role() {
    let Some((fresh, gateway)) = gateway().await else { return };
    for table in RECORDS.iter().chain(&LOG).chain(&["partner", "migration", "counter"]) {
        let sql = format!("SELECT 1 FROM {table}");
        assert!(!may(&gateway, "gateway", &sql).await, "{sql}");
    }
    assert_eq!(fresh.store.warnings().await.unwrap(), Vec::<&str>::new());
}
