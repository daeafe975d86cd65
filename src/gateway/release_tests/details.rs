//! Private details: every kind of act commits to its own, and an opened item is what was
//! committed to.

use super::{
    last_leaf, reason_of, refused,
    support::{PLANNING, Town, keys},
    undo::{counted, push, reviews, withdrawals},
};
use crate::{
    audit::{Leaf, LeafKind},
    domain::BatchId,
    gateway::{
        Actor, CallerName, CardRequest, ConsentGiver, ConsentRecord, Denied, NamedRecords, Opened,
        OpenedItem, QueryRequest, Sought, StatedConsent,
    },
    keys::{KeyVersion, KeysInUse, MasterKeys, VersionState, Versions},
    protocol::CallerRole,
    store::{Logged, Rights, details as kept, log},
    verify::{OpenedDetail, OpeningProblem, verify_opening},
};
use serde_json::Value;

/// The index of the newest entry.
pub(super) async fn newest(town: &Town) -> u64 {
    let mut tx = town.gateway.store().read(Rights::Figures).await.unwrap();
    log::head(&mut tx).await.unwrap().unwrap().size - 1
}

/// The last entry of a kind.
pub(super) async fn last_of(town: &Town, kind: LeafKind) -> (u64, Leaf) {
    let newest = newest(town).await;
    let mut tx = town.gateway.store().read(Rights::Figures).await.unwrap();
    let entries = log::entries(&mut tx, 0, newest + 1).await.unwrap();
    let leaves = entries.iter().map(|entry| Leaf::decode(entry).unwrap());
    (0..).zip(leaves).filter(|(_, leaf)| leaf.kind == kind).last().unwrap()
}

pub(super) async fn open(
    town: &Town,
    index: u64,
    sought: Sought,
) -> Result<Logged<Opened>, Denied> {
    town.gateway.open_detail(&town.auditor(), "", index, sought).await
}

/// An item that one person may open, checked by the verifier.
pub(super) async fn opened(town: &Town, index: u64, sought: Sought) -> OpenedItem {
    match open(town, index, sought).await.unwrap().into_parts().0 {
        Opened::Item(item) => {
            assert_eq!(check(&item), Ok(()));
            *item
        }
        Opened::Waiting(_) => panic!("waits for a second person"),
    }
}

pub(super) fn record(id: &str) -> Sought {
    Sought::Record { partner: "health".to_owned(), record_id: id.to_owned() }
}

fn check(item: &OpenedItem) -> Result<(), OpeningProblem> {
    let shown = item.shown.as_ref().map(|(salt, text)| (salt, text.as_bytes()));
    let path = item.path.iter().map(|hash| *hash.as_bytes()).collect();
    let (entry, index, size) = (&*item.leaf, item.index, item.size);
    verify_opening(&OpenedDetail { entry, index, size, shown, hash: *item.hash.as_bytes(), path })
}

pub(super) fn text(item: &OpenedItem) -> Value {
    serde_json::from_str(&item.shown.as_ref().expect("something is left of it").1).unwrap()
}

fn named(actor: Actor, name: &str) -> Actor {
    Actor { name: Some(CallerName::new(name)), ..actor }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_a_batch_is_opened_and_proved() {
    let town = Town::new().await;
    push(&town, reviews(0..5)).await;
    let (batch, leaf) = last_of(&town, LeafKind::BatchAccepted).await;
    assert!(leaf.notes.batch.is_none(), "no unsalted digest");
    let item = opened(&town, batch, record("r-3")).await;
    let shown = text(&item);
    assert_eq!((item.index, item.size, &shown["operation"]), (3, 128, &"upsert".into()));
    assert_eq!(shown["content"].as_str().unwrap().len(), 64);
    // The opening is an entry, and says in its own detail what was opened.
    let leaf = last_leaf(&town).await;
    assert_eq!((leaf.kind, leaf.detail.is_some()), (LeafKind::LogRead, true));
    // By number it is the same item.
    assert_eq!(opened(&town, batch, Sought::Item(3)).await, item);
    // Nothing that is changed passes.
    let (salt, words) = item.shown.clone().unwrap();
    for wrong in [
        OpenedItem { shown: Some(([0; 16], words.clone())), ..item.clone() },
        OpenedItem { shown: Some((salt, words.replace("upsert", "withdraw"))), ..item.clone() },
        OpenedItem { index: 2, ..item.clone() },
        OpenedItem { path: item.path[1..].to_vec(), ..item.clone() },
    ] {
        assert_eq!(check(&wrong), Err(OpeningProblem::NotCommitted));
    }
    // Beyond the records there is what fills up: a hash that proves, and nothing else.
    let filler = opened(&town, batch, Sought::Item(77)).await;
    assert_eq!(filler.shown, None);
    for nothing in [Sought::Item(128), record("r-9"), {
        Sought::Record { partner: "centres".to_owned(), record_id: "r-3".to_owned() }
    }] {
        assert_eq!(refused(open(&town, batch, nothing).await).0, "not_found");
    }
    // A withdrawal names the record in its own batch.
    push(&town, withdrawals(3..4)).await;
    let (batch, _) = last_of(&town, LeafKind::BatchAccepted).await;
    let item = opened(&town, batch, record("r-3")).await;
    assert_eq!(text(&item)["operation"], "withdraw");
    assert_eq!(text(&item)["record"], shown["record"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_entry_is_not_about_is_not_opened() {
    let town = Town::new().await;
    push(&town, reviews(0..1)).await;
    let (opened_stream, _) = last_of(&town, LeafKind::IntakeStreamOpened).await;
    assert_eq!(refused(open(&town, opened_stream, Sought::Item(0)).await).0, "no_detail");
    let beyond = newest(&town).await + 100;
    assert_eq!(refused(open(&town, beyond, Sought::Item(0)).await).0, "invalid_argument");
    let auditor = town.auditor();
    let other = town.gateway.open_detail(&auditor, "example.org/2019", 0, Sought::Item(0)).await;
    assert_eq!(refused(other).0, "invalid_argument");
    let officer = Actor { roles: [CallerRole::DataOfficer].into(), ..town.officer() };
    let (batch, _) = last_of(&town, LeafKind::BatchAccepted).await;
    let answer = town.gateway.open_detail(&officer, "", batch, record("r-0")).await;
    assert_eq!(refused(answer).0, "wrong_role");
    // A detail that was changed in the store is an error, and nothing is shown of it.
    let mut tx = town.gateway.store().transact(Rights::Intake).await.unwrap();
    let (id, sealed) = kept::batches_after(&mut tx, BatchId::new(0), 1).await.unwrap().remove(0);
    kept::replace(&mut tx, id, &sealed, &sealed[..40]).await.unwrap();
    tx.commit().await.unwrap();
    assert!(matches!(open(&town, batch, Sought::Item(0)).await, Err(Denied::Failed(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_words_take_two_auditors() {
    let mut town = Town::new().await;
    town.populate(900).await;
    town.close("2026Q1").await;
    let manager = named(town.manager("CC01"), "m.smith");
    let request = CardRequest {
        area: "CC01".to_owned(),
        quarter: String::new(),
        purposes: vec![PLANNING.to_owned()],
    };
    town.gateway.card(&manager, &request).await.unwrap();
    let (card, leaf) = last_of(&town, LeafKind::CardAnswered).await;
    let entry = String::from_utf8(leaf.encode().unwrap()).unwrap();
    assert!(!entry.contains("smith"));

    let first = open(&town, card, Sought::Item(0)).await.unwrap().into_parts().0;
    let Opened::Waiting(waiting) = first else { panic!("shown to one person: {first:?}") };
    let given = last_leaf(&town).await;
    assert_eq!((given.kind, given.notes.approval), (LeafKind::ApprovalGiven, Some(waiting.act)));
    assert_eq!(refused(open(&town, card, Sought::Item(0)).await).0, "second_person_needed");
    let second = Actor {
        user: town.user("oversight", "another auditor"),
        ..named(town.auditor(), "another auditor")
    };
    let shown = town.gateway.open_detail(&second, "", card, Sought::Item(0)).await.unwrap();
    let Opened::Item(item) = shown.into_parts().0 else { panic!("waits for a third") };
    assert_eq!((check(&item), item.size), (Ok(()), 1));
    let words = text(&item);
    assert_eq!((&words["user"], &words["asked"]["area"]), (&"m.smith".into(), &"CC01".into()));
    // The leaf names the leading table; the detail all of them.
    let tables = words["answered"]["tables"].as_array().unwrap();
    assert!(tables.len() > 3 && tables.contains(&leaf.table.unwrap().to_string().into()));
    assert_eq!(words["answered"]["releases"].as_array().unwrap().len(), 1);
    let done = last_leaf(&town).await;
    assert_eq!((done.kind, done.notes.approval), (LeafKind::LogRead, Some(waiting.act)));
    // One word serves one opening.
    let again = town.gateway.open_detail(&second, "", card, Sought::Item(0)).await.unwrap();
    assert!(matches!(again.value(), Opened::Waiting(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_question_keeps_what_was_asked_and_no_identifier() {
    let mut town = Town::new().await;
    town.populate(900).await;
    town.close("2026Q1").await;
    let manager = named(town.manager("CC01"), "m.smith");
    let ask = async |indicator: &str, area: &str| {
        let request = QueryRequest {
            indicator: indicator.to_owned(),
            area: area.to_owned(),
            from: String::new(),
            to: String::new(),
            by: String::new(),
            purpose: PLANNING.to_owned(),
        };
        assert!(town.gateway.query_figures(&manager, &request).await.is_err());
        let (index, leaf) = last_of(&town, LeafKind::Refused).await;
        assert!(leaf.detail.is_some() && !reason_of(&leaf).is_empty());
        open(&town, index, Sought::Item(0)).await.unwrap();
        let second = Actor { user: town.user("oversight", "another"), ..town.auditor() };
        let shown = town.gateway.open_detail(&second, "", index, Sought::Item(0)).await.unwrap();
        let Opened::Item(item) = shown.into_parts().0 else { panic!("waits") };
        assert_eq!(check(&item), Ok(()));
        text(&item)
    };
    let words = ask("registered", "CC99").await;
    assert_eq!((&words["asked"]["area"], &words["answered"]), (&"CC99".into(), &Value::Null));
    let words = ask("9990000018", "CC01").await;
    assert_eq!(words["asked"]["indicator"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_consent_is_an_item() {
    let town = Town::new().await;
    let health = town.actor("health", &[CallerRole::Provider], None);
    let stated = |n: usize| StatedConsent {
        reference: format!("c-{n}"),
        state: Some(if n == 1 { ConsentRecord::Refused } else { ConsentRecord::Given }),
        given_by: Some(ConsentGiver::Parent),
        recorded_on: "2026-05-01".to_owned(),
        notice_version: "v1".to_owned(),
        giver_ref: String::new(),
        means: None,
        purposes: vec![],
        record_types: vec![],
        evidence_ref: String::new(),
        valid_until: String::new(),
    };
    town.gateway.record_consents(&health, (0..3).map(stated).collect()).await.unwrap();
    let (index, _) = last_of(&town, LeafKind::ConsentRecorded).await;
    let mut states = Vec::new();
    for item in 0..4 {
        let item = opened(&town, index, Sought::Item(item)).await;
        states.push(item.shown.is_some().then(|| text(&item)["state"].clone()));
    }
    let count = |state: &str| states.iter().flatten().filter(|s| **s == state).count();
    assert_eq!((count("given"), count("refused"), &states[3]), (2, 1, &None));
    town.gateway.withdraw_consent(&health, "c-2".to_owned()).await.unwrap();
    let (index, _) = last_of(&town, LeafKind::ConsentWithdrawn).await;
    let item = opened(&town, index, Sought::Item(0)).await;
    assert_eq!((&text(&item)["state"], item.size), (&"withdrawn".into(), 128));
}

#[tokio::test(flavor = "multi_thread")]
async fn details_outlive_the_key_that_sealed_them_where_they_were_sealed_anew() {
    let town = Town::new().await;
    push(&town, reviews(0..3)).await;
    let (batch, _) = last_of(&town, LeafKind::BatchAccepted).await;
    let health = town.actor("health", &[CallerRole::Provider], None);
    town.gateway.withdraw_consent(&health, "c-1".to_owned()).await.unwrap();
    let (consent, _) = last_of(&town, LeafKind::ConsentWithdrawn).await;
    // Asked for before the keys change: here the records' rows stay under the first version.
    let named = NamedRecords {
        record_type: "health_review".to_owned(),
        record_ids: vec!["r-1".to_owned()],
    };
    town.gateway.erase_records(&health, named).await.unwrap();
    assert_eq!(town.gateway.reseal_details().await.unwrap(), 0);
    let rng = |seed| <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed);
    let rotated = || {
        let mut rotated = keys();
        rotated.add_version(&mut rng(5)).unwrap();
        rotated
    };
    // The newest version is in use.
    let use_keys = |town: &Town, keys: MasterKeys| {
        let state = |version| match version == keys.newest() {
            true => VersionState::Current,
            false => VersionState::Earlier,
        };
        let all = keys.versions().map(|v| (v, state(v), keys.check_value(v).unwrap())).collect();
        let prf = keys.prf();
        let versions = Versions { number: town.gateway.keys().number(), prf, all };
        town.gateway.keys.store(KeysInUse::new(keys, versions).unwrap().into());
    };
    use_keys(&town, rotated());
    assert_eq!(town.gateway.reseal_details().await.unwrap(), 3);
    assert_eq!(town.gateway.reseal_details().await.unwrap(), 0);
    let mut left = rotated();
    left.destroy_version(KeyVersion::FIRST).unwrap();
    use_keys(&town, left);
    assert!(opened(&town, batch, Sought::Item(0)).await.shown.is_some());
    assert!(opened(&town, consent, Sought::Item(0)).await.shown.is_some());
    // What was left under a key that is gone is told as gone, and stops no erasure.
    let mut others = rotated();
    others.add_version(&mut rng(7)).unwrap();
    for version in [1, 2] {
        others.destroy_version(KeyVersion::new(version)).unwrap();
    }
    use_keys(&town, others);
    assert_eq!(refused(open(&town, batch, Sought::Item(0)).await).0, "detail_gone");
    town.gateway.carry_out_erasures().await.unwrap();
    assert_eq!(counted(&town).await, 2);
}
