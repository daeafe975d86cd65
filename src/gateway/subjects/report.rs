//! What a report says, and what it leaves out.
//!
//! Everything withheld goes before anything else is looked at: which person is meant, how many
//! records there are, since when, by which consents and in which releases. So a person all of
//! whose records are withheld and one of whom nothing is held get the same report. Records are
//! told by sender, type, month of receipt, protocol and version; what they say is not told.
//! Whoever keeps other rights' cases adds them as a section of their own ([`Section`]).

use super::super::{Gateway, GatewayError, Snapshot, forms::Forms};
use crate::{
    domain::{
        BatchId, Event, FeedId, PersonId, Quarter, RecordType, field::Value, records::family_case,
        time::date_of,
    },
    keys::KeysInUse,
    linkage::KeyedIdentity,
    store::{
        Rights, StoreError, Tx,
        access::{self, Marked, Request, SharedRecord},
        consents, families, subjects,
    },
};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// A part of a report: its name, and what it says.
type Section = (&'static str, Json);

/// The code of a child protection case.
const PROTECTION: &str = "cp";

/// What may be shown of one person.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shown {
    /// Sender, record type, month of receipt, protocol and version, with how many records.
    shared: BTreeMap<(String, RecordType, String, String, u32), u64>,
    /// Consents that the records rely on, as stored, with whose they are.
    consents: BTreeSet<(String, [u8; 16])>,
    /// Their numbers.
    numbers: Vec<i64>,
    /// When the first of them came, microseconds since 1970-01-01 UTC.
    since: Option<i64>,
}

impl Gateway {
    /// The report of a request, as JSON.
    pub(super) async fn report(
        &self,
        snapshot: &Snapshot,
        request: &Request,
        subject: &KeyedIdentity,
        keys: &KeysInUse,
    ) -> Result<String, GatewayError> {
        let mut forms = Forms::default();
        for key in subject.match_keys.iter() {
            forms.add(keys, key.rung.domain(), key.key.as_bytes())?;
        }
        let mut tx = self.store.read(Rights::Intake).await?;
        let persons = subjects::persons_with(&mut tx, forms.all()).await?;
        drop(tx);
        let mut found = Vec::new();
        for person in persons {
            let shown = self.shown(person).await?;
            if !shown.shared.is_empty() {
                found.push(shown);
            }
        }
        // Two whom the linkage keeps apart: which of them asks, it can't say.
        let undecided = found.len() > 1;
        let shown = if undecided { Shown::default() } else { found.pop().unwrap_or_default() };
        let mut tx = self.store.read(Rights::Release).await?;
        let consents = stated(&mut tx, &shown, self.today_number()).await?;
        let family = family(&mut tx, &shown).await?;
        drop(tx);
        let sections = [
            ("shared", shared(&shown)),
            ("family", family),
            ("consents", consents),
            ("privacy_notices", notices(snapshot, &shown)),
            ("releases", self.releases_since(snapshot, shown.since).await?),
            ("rights", rights(snapshot, &shown)),
        ];
        Ok(written(request, self.now(), undecided, sections))
    }

    /// What may be shown of a person.
    async fn shown(&self, person: PersonId) -> Result<Shown, GatewayError> {
        let mut tx = self.store.read(Rights::Release).await?;
        let records = access::shared(&mut tx, person).await?;
        drop(tx);
        let mut of_feed: BTreeMap<FeedId, Vec<(i64, BatchId)>> = BTreeMap::new();
        for record in &records {
            of_feed.entry(record.feed).or_default().push((record.number, record.batch));
        }
        let keys = self.keys();
        let mut tx = self.store.read(Rights::Intake).await?;
        let mut tokens = BTreeMap::new();
        for (feed, records) in of_feed {
            tokens.extend(self.record_tokens(&mut tx, &keys, feed, &records).await?);
        }
        drop(tx);
        let mut tx = self.store.read(Rights::Release).await?;
        let marked = access::marked(&mut tx, &records, &tokens).await?;
        shown(records, &marked)
    }

    fn today_number(&self) -> i32 {
        crate::domain::time::epoch_day(self.today())
    }

    /// The quarters that were closed since the person's first record that is shown came.
    async fn releases_since(
        &self,
        snapshot: &Snapshot,
        since: Option<i64>,
    ) -> Result<Json, GatewayError> {
        // Looked up also for nobody: how long it takes tells nothing.
        let releases = self.releases(snapshot).await?;
        let Some(since) = since else { return Ok(json!([])) };
        let first = Timestamp::from_microsecond(since).unwrap_or(Timestamp::UNIX_EPOCH);
        let first = first.to_zoned(TimeZone::UTC).date();
        let quarters: Vec<String> = releases
            .all()
            .iter()
            .map(|frozen| frozen.release.quarter)
            .filter(|quarter: &Quarter| quarter.close_day() >= first)
            .map(|quarter| quarter.to_string())
            .collect();
        Ok(json!(quarters))
    }
}

/// What may be shown of records.
fn shown(records: Vec<SharedRecord>, marked: &Marked) -> Result<Shown, GatewayError> {
    let mut shown = Shown::default();
    let mut told = BTreeSet::new();
    for record in records {
        if is_withheld(&record, marked)? || !told.insert(record.number) {
            continue;
        }
        let month = month(record.received_at);
        let partner = record.partner.as_str().to_owned();
        if let Some(consent) = record.consent {
            shown.consents.insert((partner.clone(), consent));
        }
        let known = Some(record.received_at).filter(|at| *at != 0);
        shown.since = match (shown.since, known) {
            (Some(first), Some(at)) => Some(first.min(at)),
            (first, at) => first.or(at),
        };
        let protocol = record.protocol.as_str().to_owned();
        let line = (partner, record.record_type, month, protocol, record.version);
        *shown.shared.entry(line).or_default() += 1;
        shown.numbers.push(record.number);
    }
    Ok(shown)
}

/// Whether a record is kept from its subject: by its own mark, or by what it is, or by its
/// feed's mark.
fn is_withheld(record: &SharedRecord, marked: &Marked) -> Result<bool, StoreError> {
    if let Some(withheld) = marked.records.get(&record.number) {
        return Ok(*withheld);
    }
    // That a whole feed is let be shown says nothing of its protection cases: each is let be shown
    // by itself.
    if is_protection_case(record)? {
        return Ok(true);
    }
    Ok(marked.feeds.get(&record.feed) == Some(&true))
}

fn is_protection_case(record: &SharedRecord) -> Result<bool, StoreError> {
    if record.record_type != RecordType::FamilyCase {
        return Ok(false);
    }
    let row = record.number;
    let corrupt = StoreError::Corrupt { table: "event", column: "body", row };
    let Ok((event, [])) = Event::decode(&record.body) else { return Err(corrupt) };
    let protection = family_case::CASE_TYPE.number(PROTECTION);
    Ok(event.values.iter().any(|(field, value)| match value {
        Value::Code(code) if *field == family_case::TYPE => Some(*code) == protection,
        _ => false,
    }))
}

/// The month of receipt in UTC, or that it was not kept.
fn month(at: i64) -> String {
    match Timestamp::from_microsecond(at) {
        Ok(at) if at != Timestamp::UNIX_EPOCH => {
            at.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string()
        }
        _ => "not kept".to_owned(),
    }
}

fn shared(shown: &Shown) -> Json {
    let line = |((partner, record_type, month, protocol, version), records): (
        &(String, RecordType, String, String, u32),
        &u64,
    )| {
        json!({ "sender": partner, "record_type": record_type.name(), "received": month,
            "protocol": protocol, "version": version, "records": records })
    };
    shown.shared.iter().map(line).collect()
}

/// As whom the records shown name the subject beside others, or others beside the subject: how many
/// ties of each kind, and to nobody's name.
async fn family(tx: &mut Tx, shown: &Shown) -> Result<Json, GatewayError> {
    let mut words: BTreeMap<&str, u64> = BTreeMap::new();
    for (tie, count) in families::ties_of(tx, &shown.numbers).await? {
        *words.entry(tie.word()).or_default() += count;
    }
    Ok(words.into_iter().map(|(tie, records)| json!({ "tie": tie, "records": records })).collect())
}

/// The consents that the records shown rely on, as they stand today.
async fn stated(tx: &mut Tx, shown: &Shown, today: i32) -> Result<Json, GatewayError> {
    let keys: Vec<[u8; 16]> = shown.consents.iter().map(|(_, key)| *key).collect();
    let recorded = consents::recorded(tx, &keys).await?;
    let line = |(partner, key): &(String, [u8; 16])| {
        let recorded = recorded.get(key);
        let state = recorded.map(|recorded| recorded.state_on(today).code());
        let day = recorded.and_then(|recorded| date_of(recorded.day)).map(|day| day.to_string());
        json!({ "sender": partner, "state": state.unwrap_or("not recorded"), "decided_on": day })
    };
    Ok(shown.consents.iter().map(line).collect())
}

/// The privacy notices of the senders of what is shown, as they stated them.
fn notices(snapshot: &Snapshot, shown: &Shown) -> Json {
    let shared = shown.shared.keys().map(|(partner, record_type, ..)| (partner, *record_type));
    let shared: BTreeSet<(&String, RecordType)> = shared.collect();
    let mut lines = Vec::new();
    for (partner, record_type) in shared {
        let (Ok(id), Some(all)) = (partner.parse(), snapshot.policy().notices()) else { continue };
        for notice in all.of(&id, record_type) {
            let day = |day: i32| date_of(day).map(|day| day.to_string());
            lines.push(json!({ "sender": partner, "record_type": record_type.name(),
                "version": notice.version, "given": notice.means.words(),
                "from": day(notice.since), "until": notice.until.and_then(day) }));
        }
    }
    Json::Array(lines)
}

/// Whom to write to about further rights, by each protocol that is named.
fn rights(snapshot: &Snapshot, shown: &Shown) -> Json {
    let named: BTreeSet<(&String, u32)> =
        shown.shared.keys().map(|(.., protocol, version)| (protocol, *version)).collect();
    let line = |(protocol, version): (&String, u32)| {
        let id = protocol.parse().ok()?;
        let record = snapshot.protocol(&id, version)?;
        let (document, _) = record.agreed()?;
        Some(json!({ "protocol": protocol, "version": version, "title": document.title,
            "contact": document.rights.contact, "purposes": document.purposes }))
    };
    named.into_iter().filter_map(line).collect()
}

fn written<const N: usize>(
    request: &Request,
    now: Timestamp,
    undecided: bool,
    sections: [Section; N],
) -> String {
    let mut report = Map::new();
    report.insert("report".to_owned(), json!("tallygate subject report v1"));
    report.insert("request".to_owned(), json!(request.number));
    report.insert("proof".to_owned(), json!(request.proof));
    report.insert("made_at".to_owned(), json!(now.to_string()));
    if undecided {
        let note = "more than one person answers to what was given; nothing is listed: ask again \
                    with an NHS number";
        report.insert("undecided".to_owned(), json!(note));
    }
    for (name, said) in sections {
        report.insert(name.to_owned(), said);
    }
    Json::Object(report).to_string()
}
