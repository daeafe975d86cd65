//! Cases of rights, whose persons are known by halves: what is learnt, who is told, who decides;
//! and privacy notices, which flows without consent rest on.

use super::{
    last_leaf, refused,
    rights::{BIRTH, CENTRES, HEALTH, Sender, case, consents, identity, nhs_number, open, record},
    support::{AREAS, Town},
};
use crate::{
    audit::LeafKind,
    gateway::{CaseAnswer, OpenStream, OpenedCase, PostcodePlace, StatedNotice},
    protocol::{CallerRole, Choice, notices::NoticeMeans},
};

/// What a row has beside the number.
const WHO: [&str; 4] = ["Tester", "Tina", "2", "CV1 2WT"];
pub(super) const HEALTH_NAMED: Sender =
    Sender { columns: &["surname", "forename", "sex", "postcode", "review", "outcome"], ..HEALTH };
pub(super) const CENTRES_NAMED: Sender = Sender {
    columns: &["surname", "forename", "sex", "postcode", "attendee", "centre", "activity"],
    ..CENTRES
};

/// A row of child `n`, by number, by names, or both.
pub(super) fn row(
    sender: Sender,
    id: usize,
    n: usize,
    by_number: bool,
    by_names: bool,
) -> Vec<String> {
    let nhs = if by_number { nhs_number(n) } else { String::new() };
    let consent = if sender.partner == "centres" { format!("C-{n}") } else { String::new() };
    let mut row: Vec<String> =
        [&*format!("r-{id}"), "upsert", "2026-05-01", "2026-02-03"].map(str::to_owned).to_vec();
    row.extend([consent, nhs, BIRTH.to_owned()]);
    row.extend(WHO.map(|known| if by_names { known.to_owned() } else { String::new() }));
    row.extend(sender.payload.iter().map(|text| (*text).to_owned()));
    assert_eq!(row.len(), 7 + sender.columns.len());
    row
}

/// A town that knows where [`WHO`] lives.
pub(super) async fn town() -> Town {
    let town = Town::new().await;
    let place = PostcodePlace { postcode: WHO[3].to_owned(), lsoa: AREAS[0].2.to_owned() };
    town.gateway.load_postcodes(&town.officer(), vec![place]).await.unwrap();
    consents(&town, 0..3).await;
    town
}

pub(super) async fn push(town: &Town, sender: Sender, row: Vec<String>) {
    let accepted = sender.push_rows(town, vec![row]).await.0;
    assert_eq!((accepted.well_formed, accepted.rejections.len()), (1, 0), "{accepted:?}");
}

async fn matched(town: &Town, id: usize) -> usize {
    let named = HEALTH.named(id..id + 1);
    let matched = town.gateway.match_notices(&HEALTH.actor(town), named).await.unwrap();
    matched.value()[0].len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_opener_is_not_told_that_others_know_two_of_its_records_are_of_one_child() {
    let town = town().await;
    // The same child twice, by halves; only what the centres sent tells that it is one.
    push(&town, HEALTH_NAMED, row(HEALTH_NAMED, 1, 1, true, false)).await;
    push(&town, HEALTH_NAMED, row(HEALTH_NAMED, 50, 1, false, true)).await;
    push(&town, CENTRES_NAMED, row(CENTRES_NAMED, 1, 1, true, true)).await;
    let health = HEALTH.actor(&town);
    let told: CaseAnswer = open(&town, &health, case("a", Choice::Restriction, record(HEALTH, 1)))
        .await
        .into_parts()
        .0;
    assert_eq!(told.own_notices, 1);
    assert_eq!((matched(&town, 1).await, matched(&town, 50).await), (1, 0));
    assert_eq!(HEALTH.counted(&town).await, 0, "both are stopped, told or not");
    assert_eq!(CENTRES.counted(&town).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_escapes_by_a_key_that_is_learnt_later() {
    let town = town().await;
    push(&town, HEALTH_NAMED, row(HEALTH_NAMED, 1, 1, true, false)).await;
    push(&town, HEALTH_NAMED, row(HEALTH_NAMED, 50, 1, false, true)).await;
    assert_eq!(HEALTH.counted(&town).await, 2, "nobody knows that it is one child");
    let officer = town.officer();
    open(&town, &officer, case("a", Choice::OptOut, identity(1))).await;
    assert_eq!(HEALTH.counted(&town).await, 1);
    // The opt-out does not reach what the centres send; but it tells that the two are one.
    let before = town.gateway.snapshot().epoch();
    push(&town, CENTRES_NAMED, row(CENTRES_NAMED, 1, 1, true, true)).await;
    assert_eq!(CENTRES.counted(&town).await, 1);
    assert_eq!(HEALTH.counted(&town).await, 0);
    assert!(town.gateway.reload().await.unwrap().epoch() > before, "a count is begun anew");
    assert_eq!(matched(&town, 50).await, 1, "its sender is told");
    push(&town, HEALTH_NAMED, row(HEALTH_NAMED, 51, 1, false, true)).await;
    assert_eq!(HEALTH.counted(&town).await, 0);
    // The same from a record that is dropped itself.
    push(&town, HEALTH_NAMED, row(HEALTH_NAMED, 2, 2, true, false)).await;
    open(&town, &officer, case("b", Choice::Restriction, identity(2))).await;
    let mut moved = row(HEALTH_NAMED, 60, 2, true, true);
    moved[7] = "Newname".to_owned();
    push(&town, HEALTH_NAMED, moved.clone()).await;
    moved[0] = "r-61".to_owned();
    moved[5].clear();
    push(&town, HEALTH_NAMED, moved).await;
    assert_eq!(HEALTH.counted(&town).await, 0);
    // And where one row tells of another in the same batch.
    open(&town, &officer, case("c", Choice::Restriction, identity(0))).await;
    let mut both = row(HEALTH_NAMED, 70, 0, true, true);
    both[7] = "Thirdname".to_owned();
    let mut half = both.clone();
    half[0] = "r-71".to_owned();
    half[5].clear();
    let accepted = HEALTH_NAMED.push_rows(&town, vec![both, half]).await.0;
    assert_eq!(accepted.well_formed, 2, "{accepted:?}");
    assert_eq!(HEALTH.counted(&town).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_by_a_record_that_was_never_used_binds_its_subject() {
    let town = Town::new().await;
    let officer = town.officer();
    open(&town, &officer, case("early", Choice::Objection, identity(1))).await;
    HEALTH.push(&town, 1..2).await;
    let health = HEALTH.actor(&town);
    open(&town, &health, case("own", Choice::Restriction, record(HEALTH, 1))).await;
    town.gateway.end_case(&officer, "early".to_owned()).await.unwrap();
    let mut again = HEALTH.row("upsert", 1);
    again[0] = "r-90".to_owned();
    HEALTH.push_rows(&town, vec![again]).await;
    assert_eq!(HEALTH.counted(&town).await, 0);
    town.gateway.end_case(&health, "own".to_owned()).await.unwrap();
    HEALTH.push(&town, 1..2).await;
    assert_eq!(HEALTH.counted(&town).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_what_others_sent_by_name_takes_two() {
    let town = Town::new().await;
    consents(&town, 0..3).await;
    CENTRES.push(&town, 0..3).await;
    let new = |child| case("a", Choice::Withdrawal, identity(child));
    let first = town.gateway.open_case(&town.officer(), new(1)).await.unwrap();
    assert!(matches!(first.value(), OpenedCase::Waiting(_)));
    assert_eq!(last_leaf(&town).await.kind, LeafKind::ApprovalGiven);
    assert_eq!(CENTRES.counted(&town).await, 3, "nothing is done yet");
    let again = town.gateway.open_case(&town.officer(), new(1)).await;
    assert_eq!(refused(again).0, "second_person_needed");
    // Another child is another act.
    let second = town.second_officer();
    let other = town.gateway.open_case(&second, new(2)).await.unwrap();
    assert!(matches!(other.value(), OpenedCase::Waiting(_)));
    open(&town, &second, new(1)).await;
    let leaf = last_leaf(&town).await;
    assert_eq!(leaf.kind, LeafKind::CaseOpened);
    assert!(leaf.notes.approval.is_some());
    assert_eq!(CENTRES.counted(&town).await, 2);
    // By a record of one's own, or where nothing of others' is erased, one is enough.
    open(&town, &CENTRES.actor(&town), case("b", Choice::Withdrawal, identity(2))).await;
    open(&town, &town.officer(), case("c", Choice::Restriction, identity(0))).await;
    assert_eq!(CENTRES.counted(&town).await, 0);
}

fn stated(version: &str, since: &str, until: &str) -> StatedNotice {
    StatedNotice {
        record_type: HEALTH.record_type.name().to_owned(),
        version: version.to_owned(),
        means: Some(NoticeMeans::Letter),
        since: since.to_owned(),
        until: until.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rests_on_telling_is_let_in_only_while_a_notice_is_in_force() {
    let town = Town::new().await;
    let health = HEALTH.actor(&town);
    HEALTH.push(&town, 0..1).await;
    let opening = || OpenStream {
        protocol: "isp-health".to_owned(),
        version: 0,
        record_type: "health_review".to_owned(),
        purpose: String::new(),
        columns: ["record_id", "extracted_at", "event_date", "nhs_number", "date_of_birth"]
            .iter()
            .chain(HEALTH.columns)
            .map(|column| (*column).to_owned())
            .collect(),
        extract_day: "2026-05-10".to_owned(),
        dry_run: false,
        blinding: None,
    };
    let record = async |notice: &StatedNotice| town.gateway.record_notice(&health, notice).await;
    let (mut intake, _) = HEALTH.open(&town).await;
    record(&stated("notice-1", "2024-04-01", "2026-05-12")).await.unwrap();
    let leaf = last_leaf(&town).await;
    assert_eq!(leaf.kind, LeafKind::PrivacyNoticeRecorded);
    assert_eq!(leaf.notes.record_type, Some(HEALTH.record_type));
    // It ended yesterday: in mid-stream, and for the next.
    let batch = intake.reader().read(vec![HEALTH.row("upsert", 3)]).unwrap();
    assert_eq!(refused(intake.take_batch(batch).await).0, "notice_missing");
    let answer = town.gateway.open_stream(health.clone(), opening()).await;
    let (reason, clause) = refused(answer);
    assert_eq!(reason, "notice_missing");
    assert!(clause.unwrap().ends_with("/consent"));
    // One that is to come does not help, one that is in force does.
    record(&stated("notice-2", "2026-06-01", "")).await.unwrap();
    let answer = town.gateway.open_stream(health.clone(), opening()).await;
    assert_eq!(refused(answer).0, "notice_missing");
    record(&stated("notice-3", "2026-05-13", "")).await.unwrap();
    HEALTH.push(&town, 3..4).await;
    for (wrong, field) in [
        (stated("Mrs Smith's", "2026-05-13", ""), "version"),
        (stated("4", "2026-05-13", "2026-05-12"), "in_force_until"),
        (StatedNotice { means: None, ..stated("4", "2026-05-13", "") }, "means"),
    ] {
        assert_eq!(refused(record(&wrong).await).0, "invalid_argument", "{field}");
    }
    let own = town.gateway.privacy_notices(&health).await.unwrap().into_parts().0;
    let of_reviews = own.iter().filter(|notice| notice.record_type == HEALTH.record_type);
    assert_eq!(of_reviews.count(), 4);
    let centres = town.actor("centres", &[CallerRole::Provider], None);
    let others = town.gateway.privacy_notices(&centres).await.unwrap().into_parts().0;
    assert!(others.iter().all(|notice| notice.partner == centres.partner), "each its own");
    let all = town.gateway.privacy_notices(&town.officer()).await.unwrap().into_parts().0;
    assert!(all.len() > own.len());
}
