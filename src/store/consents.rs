//! Consents by the sender's own references, which are kept only as pseudonyms.
//!
//! Two forms of the same: every statement, for ever, each with the day it was made and the
//! moment it became known here ([`history`]: what did we know on that day); and, for whoever
//! takes in or counts, one row a reference with what the statements come to by the rule of
//! [`crate::protocol::consent`]. Both are written in the transaction of the act that records
//! the statements, so a crash leaves both or neither.
//!
//! While the keys rotate the row stands under both versions, each with the same state, since
//! the release pass compares an event's reference with them as both are stored. Statements
//! stand once, under one version or the other, and are looked for under both.
//!
//! A row that says something else than its statements was written before there were any, or
//! by the program of the level below: it becomes a statement itself, of nobody told apart, and
//! the day it was recorded stands for when it became known.

use super::{
    StoreError, Tx,
    bulk::{
        self, Among,
        Column::{Bytes, Integers, OptionalBytes, OptionalIntegers, Texts},
    },
    error::key16,
};
pub use super::{
    statements::{Kept, No, history, next_statement, noes_since, stated_up_to},
    unconsented::{Unconsented, unconsented},
};
use crate::{
    domain::time::date_of,
    protocol::{ConsentGiver, ConsentMeans, ConsentRecord, Coverage, RecordedConsent, Statement},
};
use jiff::{Timestamp, tz::TimeZone};
use std::collections::{BTreeMap, BTreeSet};

/// What a reference's statements come to, as kept.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Pseudonym of the sender's reference, scoped to the sender.
    pub key: [u8; 16],
    /// Its state, a number of the protocol's.
    pub state: u8,
    /// Who gave or refused it, a number of the protocol's.
    pub given_by: u8,
    /// The day of the word that decides, days since 1970-01-01.
    pub recorded_on: i32,
    /// Version of the privacy notice shown.
    pub notice_version: String,
    /// The key version that the pseudonym is wrapped under.
    pub key_version: u16,
    /// The number of the last statement that is in it; 0 from before there were any.
    pub serial: i64,
    /// What a given consent covers, JSON; empty where that is everything.
    pub given: String,
}

/// A statement to be recorded. Keyed values come in the forms of every version in use, the
/// current one first and in one order.
#[derive(Debug, Clone)]
pub struct Stated {
    /// The sender's reference, with the version of each form.
    pub reference: Vec<(u16, [u8; 16])>,
    /// The sender's reference of the giver; none for one not told apart.
    pub giver: Vec<[u8; 16]>,
    /// The sender's reference of the evidence, if there is one.
    pub evidence: Vec<[u8; 16]>,
    /// What the giver is.
    pub given_by: Option<ConsentGiver>,
    /// What was said.
    pub state: ConsentRecord,
    /// On which day, days since 1970-01-01.
    pub stated_on: i32,
    /// How it was obtained.
    pub means: Option<ConsentMeans>,
    /// Version of the privacy notice shown.
    pub notice_version: String,
    /// What it covers.
    pub coverage: Coverage,
}

impl Stated {
    /// Whether it takes a consent back, or keeps one from standing.
    pub(super) const fn ends_a_consent(&self) -> bool {
        !matches!(self.state, ConsentRecord::Given)
    }
}

/// All of one reference while statements are added to it.
struct File {
    forms: Vec<(u16, [u8; 16])>,
    kept: Vec<Kept>,
    /// How many of them are in the store.
    stored: usize,
}

/// Records statements: adds them to the history, and writes what each reference comes to. One
/// that its giver made before in the same words, and that stands, is left out.
pub(super) async fn put(tx: &mut Tx, stated: &[Stated], at: Timestamp) -> Result<(), StoreError> {
    let forms = stated.iter().flat_map(|s| s.reference.iter().map(|(_, key)| *key));
    let keys: Vec<[u8; 16]> = forms.collect::<BTreeSet<_>>().into_iter().collect();
    let history = history(tx, &keys).await?;
    let rows = entries(tx, &keys).await?;
    let mut files: BTreeMap<[u8; 16], File> = BTreeMap::new();
    let mut before = 0;
    for new in stated {
        let Some((_, current)) = new.reference.first() else { continue };
        if !files.contains_key(current) {
            let (file, added) = file(&new.reference, &history, &rows)?;
            before += added;
            files.insert(*current, file);
        }
    }
    let mut number = tx.take_numbers("statement", before + stated.len()).await?;
    let mut next = || {
        number += 1;
        number - 1
    };
    for file in files.values_mut() {
        for kept in &mut file.kept[file.stored..] {
            kept.statement.number = next();
        }
    }
    for new in stated {
        let file = new.reference.first().and_then(|(_, current)| files.get_mut(current));
        if let Some(file) = file {
            file.add(new, next(), at);
        }
    }
    let files: Vec<&File> = files.values().filter(|file| file.stored < file.kept.len()).collect();
    insert(tx, &files).await?;
    write(tx, &files).await
}

/// Which of these statements were made before in the same words by the same giver, in the store
/// or earlier among these: what their sender may be told is that it sent them before.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn said_before(tx: &mut Tx, stated: &[Stated]) -> Result<Vec<bool>, StoreError> {
    let forms = stated.iter().flat_map(|s| s.reference.iter().map(|(_, key)| *key));
    let keys: Vec<[u8; 16]> = forms.collect::<BTreeSet<_>>().into_iter().collect();
    let history = history(tx, &keys).await?;
    let mut files: BTreeMap<[u8; 16], File> = BTreeMap::new();
    let mut said = Vec::with_capacity(stated.len());
    for new in stated {
        let Some((_, current)) = new.reference.first() else {
            said.push(false);
            continue;
        };
        if !files.contains_key(current) {
            files.insert(*current, file(&new.reference, &history, &BTreeMap::new())?.0);
        }
        let before = files.get_mut(current).is_some_and(|file| {
            let kept = file.kept_form(new, 0, Timestamp::UNIX_EPOCH);
            let before = file.kept.iter().any(|held| again(held, &kept, new));
            if !before {
                file.kept.push(kept);
            }
            before
        });
        said.push(before);
    }
    Ok(said)
}

/// What is known of a reference, and whether a row became a statement.
fn file(
    forms: &[(u16, [u8; 16])],
    history: &BTreeMap<[u8; 16], Vec<Kept>>,
    rows: &BTreeMap<[u8; 16], Entry>,
) -> Result<(File, usize), StoreError> {
    let found = forms.iter().filter_map(|(_, key)| history.get(key)).flatten();
    let mut kept: Vec<Kept> = found.cloned().collect();
    kept.sort_by_key(|kept| kept.statement.number);
    let stored = kept.len();
    let row = forms.iter().find_map(|(_, key)| rows.get(key));
    let own = row.and_then(|row| unexplained(row, &kept).transpose()).transpose()?;
    let added = usize::from(own.is_some());
    kept.extend(own);
    Ok((File { forms: forms.to_vec(), kept, stored }, added))
}

/// The statement that a row itself is, where its statements do not come to what it says.
fn unexplained(row: &Entry, kept: &[Kept]) -> Result<Option<Kept>, StoreError> {
    let bad = |column| StoreError::Corrupt { table: "consent", column, row: 0 };
    let state = ConsentRecord::from_number(row.state).ok_or(bad("state"))?;
    let statements: Vec<Statement> = kept.iter().map(|kept| kept.statement.clone()).collect();
    let comes_to = RecordedConsent::of(&statements).map(|all| (all.state, all.day));
    if comes_to == Some((state, row.recorded_on)) {
        return Ok(None);
    }
    let day = date_of(row.recorded_on).ok_or(bad("recorded_on"))?;
    let known = day.to_zoned(TimeZone::UTC).map_err(|_| bad("recorded_on"))?.timestamp();
    Ok(Some(Kept {
        statement: Statement {
            number: 0,
            giver: 0,
            given_by: ConsentGiver::from_number(row.given_by),
            state,
            stated_on: row.recorded_on,
            coverage: Coverage::default(),
        },
        giver_key: None,
        evidence_key: None,
        known_at: known.as_microsecond(),
        means: None,
        notice_version: row.notice_version.clone(),
    }))
}

/// Whether a statement says again what is held, in the same words.
fn again(held: &Kept, kept: &Kept, new: &Stated) -> bool {
    let statement = Statement { number: held.statement.number, ..kept.statement.clone() };
    let same_evidence = match held.evidence_key {
        Some(key) => new.evidence.contains(&key),
        None => new.evidence.is_empty(),
    };
    held.statement == statement
        && same_evidence
        && (held.means, &held.notice_version) == (kept.means, &kept.notice_version)
}

impl File {
    /// Adds a statement, unless it says again what stands.
    fn add(&mut self, new: &Stated, number: i64, at: Timestamp) {
        let kept = self.kept_form(new, number, at);
        let statements = self.statements();
        let standing: BTreeSet<i64> =
            crate::protocol::consent::standing(&statements).iter().map(|s| s.number).collect();
        let stands = |held: &&Kept| standing.contains(&held.statement.number);
        if !self.kept.iter().filter(stands).any(|held| again(held, &kept, new)) {
            self.kept.push(kept);
        }
    }

    /// How a statement would be kept beside the others.
    fn kept_form(&self, new: &Stated, number: i64, at: Timestamp) -> Kept {
        let same = |kept: &&Kept| kept.giver_key.is_some_and(|key| new.giver.contains(&key));
        let giver = match (new.giver.is_empty(), self.kept.iter().find(same)) {
            (true, _) => 0,
            (false, Some(kept)) => kept.statement.giver,
            (false, None) => {
                self.kept.iter().map(|kept| kept.statement.giver).max().unwrap_or(0) + 1
            }
        };
        Kept {
            statement: Statement {
                number,
                giver,
                given_by: new.given_by,
                state: new.state,
                stated_on: new.stated_on,
                coverage: new.coverage.clone(),
            },
            giver_key: new.giver.first().copied(),
            evidence_key: new.evidence.first().copied(),
            known_at: at.as_microsecond(),
            means: new.means,
            notice_version: new.notice_version.clone(),
        }
    }

    fn statements(&self) -> Vec<Statement> {
        self.kept.iter().map(|kept| kept.statement.clone()).collect()
    }

    /// The rows that it comes to, one a form.
    fn rows(&self) -> Result<Vec<Entry>, StoreError> {
        let Some(recorded) = RecordedConsent::of(&self.statements()) else { return Ok(vec![]) };
        let latest = || self.kept.iter().rev();
        let serial = latest().map(|kept| kept.statement.number).max().unwrap_or(0);
        let giver = latest().find_map(|kept| kept.statement.given_by);
        let notice = latest().map(|kept| &kept.notice_version).find(|notice| !notice.is_empty());
        let given = match recorded.given.is_empty() {
            true => String::new(),
            false => serde_json::to_string(&recorded.given).map_err(|_| StoreError::Range)?,
        };
        let row = |(version, key): &(u16, [u8; 16])| Entry {
            key: *key,
            state: recorded.state.number(),
            given_by: giver.map_or(0, ConsentGiver::number),
            recorded_on: recorded.day,
            notice_version: notice.cloned().unwrap_or_default(),
            key_version: *version,
            serial,
            given: given.clone(),
        };
        Ok(self.forms.iter().map(row).collect())
    }
}

/// Adds new statements to the history.
async fn insert(tx: &mut Tx, files: &[&File]) -> Result<(), StoreError> {
    let new: Vec<(&(u16, [u8; 16]), &Kept)> = files
        .iter()
        .filter_map(|file| file.forms.first().map(|form| (form, file)))
        .flat_map(|(form, file)| file.kept[file.stored..].iter().map(move |kept| (form, kept)))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let all = || new.iter().map(|(_, kept)| *kept);
    let words = |kept: &Kept| {
        let coverage = &kept.statement.coverage;
        let purposes: Vec<&str> = coverage.purposes.iter().map(|p| p.code()).collect();
        let types: Vec<&str> = coverage.record_types.iter().map(|t| t.name()).collect();
        (purposes.join(" "), types.join(" "))
    };
    let words: Vec<(String, String)> = all().map(words).collect();
    let integers = |of: fn(&Kept) -> i64| Integers(all().map(of).collect());
    bulk::insert_new(
        tx,
        "consent_statement",
        &[
            ("number", integers(|kept| kept.statement.number)),
            ("consent_key", Bytes(new.iter().map(|((_, key), _)| &key[..]).collect())),
            ("giver", integers(|kept| kept.statement.giver)),
            (
                "giver_key",
                OptionalBytes(all().map(|kept| kept.giver_key.as_ref().map(|k| &k[..])).collect()),
            ),
            (
                "given_by",
                integers(|kept| i64::from(kept.statement.given_by.map_or(0, ConsentGiver::number))),
            ),
            ("state", integers(|kept| i64::from(kept.statement.state.number()))),
            ("stated_on", integers(|kept| i64::from(kept.statement.stated_on))),
            ("known_at", integers(|kept| kept.known_at)),
            ("means", integers(|kept| i64::from(kept.means.map_or(0, ConsentMeans::number)))),
            ("notice_version", Texts(all().map(|kept| &*kept.notice_version).collect())),
            ("purposes", Texts(words.iter().map(|(purposes, _)| &**purposes).collect())),
            ("record_types", Texts(words.iter().map(|(_, types)| &**types).collect())),
            (
                "valid_until",
                OptionalIntegers(
                    all().map(|kept| kept.statement.coverage.until.map(i64::from)).collect(),
                ),
            ),
            (
                "evidence_key",
                OptionalBytes(
                    all().map(|kept| kept.evidence_key.as_ref().map(|k| &k[..])).collect(),
                ),
            ),
            (
                "key_version",
                Integers(new.iter().map(|((version, _), _)| i64::from(*version)).collect()),
            ),
        ],
    )
    .await
}

/// Writes what references come to. All acts of the log come one after the other, so what is
/// written here is the newest there is.
async fn write(tx: &mut Tx, files: &[&File]) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    for file in files {
        rows.extend(file.rows()?);
    }
    let tail = "ON CONFLICT (consent_key) DO UPDATE SET state = excluded.state, \
         given_by = excluded.given_by, recorded_on = excluded.recorded_on, \
         notice_version = excluded.notice_version, key_version = excluded.key_version, \
         serial = excluded.serial, given = excluded.given";
    upsert(tx, &rows, tail).await
}

/// Adds copies of rows under another version of the keys. Where one was written under it
/// meanwhile, the newer stands: that with the later statement, and of two without any the
/// later day, and of one day the no.
pub(super) async fn copy(tx: &mut Tx, copies: &[Entry]) -> Result<(), StoreError> {
    let tail = "ON CONFLICT (consent_key) DO UPDATE SET state = excluded.state, \
         given_by = excluded.given_by, recorded_on = excluded.recorded_on, \
         notice_version = excluded.notice_version, \
         serial = excluded.serial, given = excluded.given \
         WHERE excluded.serial > consent.serial OR (excluded.serial = consent.serial \
         AND (excluded.recorded_on > consent.recorded_on \
         OR (excluded.recorded_on = consent.recorded_on AND excluded.state > consent.state)))";
    upsert(tx, copies, tail).await
}

async fn upsert(tx: &mut Tx, entries: &[Entry], tail: &'static str) -> Result<(), StoreError> {
    let all = || entries.iter();
    bulk::insert(
        tx,
        "consent",
        &[
            ("consent_key", Bytes(all().map(|e| &e.key[..]).collect())),
            ("state", Integers(all().map(|e| i64::from(e.state)).collect())),
            ("given_by", Integers(all().map(|e| i64::from(e.given_by)).collect())),
            ("recorded_on", Integers(all().map(|e| i64::from(e.recorded_on)).collect())),
            ("notice_version", Texts(all().map(|e| &*e.notice_version).collect())),
            ("key_version", Integers(all().map(|e| i64::from(e.key_version)).collect())),
            ("serial", Integers(all().map(|e| e.serial).collect())),
            ("given", Texts(all().map(|e| &*e.given).collect())),
        ],
        tail,
    )
    .await
    .map(drop)
}

/// consent_key, state, given_by, recorded_on, notice_version, key_version, serial, given.
pub(super) type Row = (Vec<u8>, i64, i64, i64, String, i64, i64, String);

/// A row as an entry.
pub(super) fn entry(row: Row) -> Result<Entry, StoreError> {
    let (key, state, given_by, day, notice_version, version, serial, given) = row;
    let corrupt = |column| StoreError::Corrupt { table: "consent", column, row: 0 };
    Ok(Entry {
        key: key16(&key, "consent", "consent_key")?,
        state: u8::try_from(state).map_err(|_| corrupt("state"))?,
        given_by: u8::try_from(given_by).map_err(|_| corrupt("given_by"))?,
        recorded_on: i32::try_from(day).map_err(|_| corrupt("recorded_on"))?,
        notice_version,
        key_version: u16::try_from(version).map_err(|_| corrupt("key_version"))?,
        serial,
        given,
    })
}

async fn entries(tx: &mut Tx, keys: &[[u8; 16]]) -> Result<BTreeMap<[u8; 16], Entry>, StoreError> {
    let rows: Vec<Row> = bulk::select(
        tx,
        "SELECT consent_key, state, given_by, recorded_on, notice_version, key_version, serial, \
         given FROM consent WHERE consent_key",
        None,
        &Among::Keys(keys),
        "",
    )
    .await?;
    rows.into_iter().map(|row| entry(row).map(|entry| (entry.key, entry))).collect()
}

impl Entry {
    /// What the reference's statements come to.
    ///
    /// # Errors
    /// When the row is corrupt.
    pub fn recorded(&self) -> Result<RecordedConsent, StoreError> {
        let corrupt = |column| StoreError::Corrupt { table: "consent", column, row: 0 };
        let state = ConsentRecord::from_number(self.state).ok_or(corrupt("state"))?;
        let given = match self.given.as_str() {
            "" => Vec::new(),
            json => serde_json::from_str(json).map_err(|_| corrupt("given"))?,
        };
        Ok(RecordedConsent { state, day: self.recorded_on, given })
    }
}

/// What the statements under each key come to, where there are any.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn recorded(
    tx: &mut Tx,
    keys: &[[u8; 16]],
) -> Result<BTreeMap<[u8; 16], RecordedConsent>, StoreError> {
    let rows = entries(tx, keys).await?;
    rows.into_iter().map(|(key, entry)| Ok((key, entry.recorded()?))).collect()
}

/// State and day of each key that is known.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn states(
    tx: &mut Tx,
    keys: &[[u8; 16]],
) -> Result<BTreeMap<[u8; 16], (u8, i32)>, StoreError> {
    let rows = entries(tx, keys).await?;
    Ok(rows.into_iter().map(|(key, entry)| (key, (entry.state, entry.recorded_on))).collect())
}

/// The statements under a reference in any of its forms, in the order in which they became
/// known; one that a row without statements is comes among them.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn statements(tx: &mut Tx, forms: &[(u16, [u8; 16])]) -> Result<Vec<Kept>, StoreError> {
    let keys: Vec<[u8; 16]> = forms.iter().map(|(_, key)| *key).collect();
    let history = history(tx, &keys).await?;
    let rows = entries(tx, &keys).await?;
    file(forms, &history, &rows).map(|(file, _)| file.kept)
}
