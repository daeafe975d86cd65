//! The journal of what binds and what is gone, apart from the database: a backup that is
//! restored lacks the choices that were made since, and has again what was erased since.
//!
//! A file beside the keys, appended to and never rewritten: each case as it binds, with what its
//! subject is known by again, each case's end, and each day's keys of records that their senders
//! wanted erased. All of it in the suppressions' own key domain, which names nobody without the
//! key file; each line with a code (128 bits, under that domain's hash key) over itself and the
//! one before, so that none can be changed or left out between two others. A line that a crash
//! cut short at the end is dropped: the database has what it said. What was cut off at a line's
//! end can't be seen from here; the file belongs where the keys are kept.
//!
//! Written from the database whenever its counters moved: by the gateway that committed a case
//! before it answers, by the others at their tick, so that each has all of it. At start,
//! before anything is served, whatever the database lacks is done again, with leaves of its own.

use super::{
    open::{digest, statement},
    subject::Known,
};
use crate::{
    audit::{Leaf, LeafKind},
    domain::{BatchId, FeedId, PartnerId, RecordType},
    gateway::{Gateway, GatewayError},
    keys::{KeysInUse, PseudonymDomain},
    protocol::Choice,
    store::{
        Effect, Rights, Tx,
        cases::{self, Case},
        erasures::Asked,
        feeds, records, subjects,
    },
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// The version of the rules that lines' codes are made under; far from those of identifiers.
const LINE_RULES: u16 = 0x4a4f;
/// The largest journal that is read, in bytes.
const MAX_BYTES: u64 = 4 << 30;

/// The journal can't be used. Says which file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It can't be read or written.
    #[error("the journal of erasures {} can't be read or written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A line is not what this deployment's keys wrote.
    #[error(
        "line {line} of the journal of erasures {} is not what a gateway with these keys wrote: put \
         the right file back; without it a restored backup may serve what was erased",
        path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
}

/// A record, by its sender and its key as a suppression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JournalRecord {
    partner: PartnerId,
    record_type: RecordType,
    #[serde(with = "hex16")]
    token: [u8; 16],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case", deny_unknown_fields)]
enum Entry {
    /// A case binds.
    Opened {
        partner: PartnerId,
        #[serde(with = "hex16")]
        case: [u8; 16],
        choice: u8,
        given_by: u8,
        requested_on: i32,
        due_day: i32,
        #[serde(with = "hex16")]
        nonce: [u8; 16],
        tokens: Vec<String>,
        records: Vec<JournalRecord>,
    },
    /// It binds no more.
    Ended {
        partner: PartnerId,
        #[serde(with = "hex16")]
        case: [u8; 16],
    },
    /// Records that their senders wanted erased are.
    Erased { generation: u64, records: Vec<JournalRecord> },
}

/// Sixteen bytes as 32 hexadecimal digits.
mod hex16 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 16], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 16], D::Error> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(String::deserialize(from)?, &mut bytes)
            .map_err(|_| D::Error::custom("32 hexadecimal digits"))?;
        Ok(bytes)
    }
}

/// Who opened a case, and its key.
type CaseId = (PartnerId, [u8; 16]);

/// An open journal, and what it says so far.
pub(in crate::gateway) struct Journal {
    path: PathBuf,
    /// How much of it was read or written.
    length: u64,
    last: [u8; 16],
    lines: usize,
    opened: BTreeSet<CaseId>,
    ended: BTreeSet<CaseId>,
    /// The last generation of erasures in it.
    generation: u64,
    /// The store's counters as of the last look.
    looked: Option<(u64, u64)>,
}

fn code(keys: &KeysInUse, before: &[u8; 16], line: &[u8]) -> [u8; 16] {
    let input = keys.pseudonymiser.begin(PseudonymDomain::Suppression, LINE_RULES);
    *input.bytes(before).bytes(line).finish().as_bytes()
}

impl Journal {
    /// Opens the journal and reads what it says; a new one says nothing.
    fn open(path: &Path, keys: &KeysInUse) -> Result<(Self, Vec<Entry>), JournalError> {
        let mut journal = Self {
            path: path.to_owned(),
            length: 0,
            last: [0; 16],
            lines: 0,
            opened: BTreeSet::new(),
            ended: BTreeSet::new(),
            generation: 0,
            looked: None,
        };
        let (_locked, entries) = journal.catch_up(keys)?;
        Ok((journal, entries))
    }

    /// Locks the file and reads what another gateway on this machine has written since.
    fn catch_up(&mut self, keys: &KeysInUse) -> Result<(File, Vec<Entry>), JournalError> {
        let path = self.path.clone();
        let failed = |source| JournalError::File { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let mut file = options.open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        file.seek(SeekFrom::Start(self.length)).map_err(failed)?;
        let mut text = Vec::new();
        Read::by_ref(&mut file).take(MAX_BYTES).read_to_end(&mut text).map_err(failed)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.length += whole as u64;
        if whole < text.len() {
            // Nobody else is writing: a crash cut this short.
            file.set_len(self.length).map_err(failed)?;
        }
        let mut entries = Vec::new();
        for line in text[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let entry = self.read(keys, line);
            let broken = || JournalError::Line { path: path.clone(), line: self.lines };
            entries.push(entry.ok_or_else(broken)?);
        }
        Ok((file, entries))
    }

    fn read(&mut self, keys: &KeysInUse, line: &[u8]) -> Option<Entry> {
        self.lines += 1;
        let (stated, json) = (line.get(..32)?, line.get(33..)?);
        let expected = code(keys, &self.last, json);
        if hex::decode(stated).ok()? != expected {
            return None;
        }
        let entry: Entry = serde_json::from_slice(json).ok()?;
        self.last = expected;
        self.note(&entry);
        Some(entry)
    }

    fn has(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Opened { partner, case, .. } => self.opened.contains(&(partner.clone(), *case)),
            Entry::Ended { partner, case } => self.ended.contains(&(partner.clone(), *case)),
            Entry::Erased { generation, .. } => *generation <= self.generation,
        }
    }

    fn note(&mut self, entry: &Entry) {
        match entry {
            Entry::Opened { partner, case, .. } => {
                self.opened.insert((partner.clone(), *case));
            }
            Entry::Ended { partner, case } => {
                self.ended.insert((partner.clone(), *case));
            }
            Entry::Erased { generation, .. } => {
                self.generation = self.generation.max(*generation);
            }
        }
    }

    /// Appends entries that are not there, durable when this returns.
    fn append(&mut self, keys: &KeysInUse, entries: &[Entry]) -> Result<(), JournalError> {
        let (mut file, _) = self.catch_up(keys)?;
        let path = self.path.clone();
        let failed = |source| JournalError::File { path: path.clone(), source };
        let new: Vec<&Entry> = entries.iter().filter(|entry| !self.has(entry)).collect();
        let mut text = Vec::new();
        let mut last = self.last;
        for entry in &new {
            let json = serde_json::to_vec(entry).map_err(|error| failed(error.into()))?;
            last = code(keys, &last, &json);
            text.extend_from_slice(hex::encode(last).as_bytes());
            text.push(b' ');
            text.extend_from_slice(&json);
            text.push(b'\n');
        }
        let written = file.write_all(&text).and_then(|()| file.sync_data());
        if let Err(source) = written {
            // Half a line would spoil what is written behind it.
            let _ = file.set_len(self.length);
            return Err(failed(source));
        }
        (self.last, self.length) = (last, self.length + text.len() as u64);
        self.lines += new.len();
        for entry in new {
            self.note(entry);
        }
        Ok(())
    }
}

impl Gateway {
    /// Opens the journal, and does again what the database lacks of it: nothing may be served
    /// before. Tells whether there was anything.
    ///
    /// # Errors
    /// When the journal is not this deployment's, or the store can't be written.
    pub async fn replay_journal(&self, path: &Path) -> Result<bool, GatewayError> {
        let (mut journal, entries) = Journal::open(path, &self.keys())?;
        let replayed = self.replay(&entries).await?;
        if replayed {
            tracing::warn!("the database lacked choices or erasures of its journal: done again");
            self.carry_out_erasures().await?;
            self.end_replayed(&entries).await?;
            if self.store.is_embedded() {
                self.store.scrub().await?;
            } else {
                tracing::error!(
                    "a restored backup held erased records; they are erased again: run \
                     `tallygate scrub` to take them out of the database's files"
                );
            }
        }
        self.sync(&mut journal).await?;
        *self.journal.lock().await = Some(journal);
        Ok(replayed)
    }

    /// Writes down what the database has and the journal has not.
    ///
    /// # Errors
    /// When the journal can't be written.
    pub async fn keep_journal(&self) -> Result<(), GatewayError> {
        match self.journal.lock().await.as_mut() {
            Some(journal) => self.sync(journal).await,
            None => Ok(()),
        }
    }

    async fn sync(&self, journal: &mut Journal) -> Result<(), GatewayError> {
        let mut tx = self.store.read(Rights::Figures).await?;
        let now = (cases::number(&mut tx).await?, cases::scrubs(&mut tx).await?.0);
        if journal.looked == Some(now) {
            return Ok(());
        }
        let senders: BTreeMap<FeedId, (PartnerId, RecordType)> = feeds::all(&mut tx)
            .await?
            .into_iter()
            .map(|(feed, partner, record_type)| (feed, (partner, record_type)))
            .collect();
        let record = |feed: FeedId, token: [u8; 16]| {
            let (partner, record_type) = senders.get(&feed)?.clone();
            Some(JournalRecord { partner, record_type, token })
        };
        let mut entries = Vec::new();
        for case in cases::list(&mut tx, None).await? {
            let id = (case.partner.clone(), case.key);
            if !journal.opened.contains(&id) {
                let tokens = cases::suppressions(&mut tx, case.id).await?;
                let notices = cases::notices_of(&mut tx, case.id).await?;
                let records = notices.iter().filter_map(|n| record(n.feed, n.token));
                entries.push(Entry::Opened {
                    partner: case.partner.clone(),
                    case: case.key,
                    choice: case.choice,
                    given_by: case.given_by,
                    requested_on: case.requested_on,
                    due_day: case.due_day,
                    nonce: case.nonce,
                    tokens: tokens.iter().map(hex::encode).collect(),
                    records: records.collect(),
                });
            }
            if case.state == cases::ENDED && !journal.ended.contains(&id) {
                entries.push(Entry::Ended { partner: case.partner, case: case.key });
            }
        }
        let mut erased: BTreeMap<u64, Vec<JournalRecord>> = BTreeMap::new();
        for (generation, feed, token) in cases::erased_since(&mut tx, journal.generation).await? {
            erased.entry(generation).or_default().extend(record(feed, token));
        }
        drop(tx);
        let erased = erased.into_iter();
        entries.extend(erased.map(|(generation, records)| Entry::Erased { generation, records }));
        if !entries.is_empty() {
            journal.append(&self.keys(), &entries)?;
        }
        journal.looked = Some(now);
        Ok(())
    }

    async fn replay(&self, entries: &[Entry]) -> Result<bool, GatewayError> {
        let mut replayed = false;
        let mut tx = self.store.read(Rights::Figures).await?;
        let (generation, _) = cases::scrubs(&mut tx).await?;
        drop(tx);
        let mut last = 0;
        for entry in entries {
            match entry {
                Entry::Opened { partner, case, .. } => {
                    let mut tx = self.store.read(Rights::Figures).await?;
                    let found = cases::find(&mut tx, partner, case).await?;
                    drop(tx);
                    if found.is_none_or(|case| case.state == cases::STAGED) {
                        self.open_again(entry).await?;
                        replayed = true;
                    }
                }
                Entry::Erased { generation: of, records } if *of >= generation => {
                    self.ask_again(records).await?;
                    (replayed, last) = (true, last.max(*of));
                }
                // A case that ended is opened first, so that what it erased goes again.
                Entry::Ended { .. } | Entry::Erased { .. } => {}
            }
        }
        if last > 0 {
            let mut tx = self.store.transact(Rights::Intake).await?;
            cases::erased_up_to(&mut tx, last + 1).await?;
            tx.commit().await?;
        }
        let mut tx = self.store.read(Rights::Figures).await?;
        for entry in entries {
            let Entry::Ended { partner, case } = entry else { continue };
            let found = cases::find(&mut tx, partner, case).await?;
            replayed |= found.is_some_and(|case| case.state == cases::ACTIVE);
        }
        Ok(replayed)
    }

    async fn end_replayed(&self, entries: &[Entry]) -> Result<(), GatewayError> {
        for entry in entries {
            let Entry::Ended { partner, case } = entry else { continue };
            let mut tx = self.store.read(Rights::Figures).await?;
            let found = cases::find(&mut tx, partner, case).await?;
            drop(tx);
            let Some(case) = found.filter(|case| case.state == cases::ACTIVE) else { continue };
            let leaf = self.replay_leaf(LeafKind::CaseEnded, &case);
            self.commit(leaf, Effect::EndCase(case.id), None).await?;
        }
        Ok(())
    }

    fn replay_leaf(&self, kind: LeafKind, case: &Case) -> Leaf {
        let mut leaf = Leaf::new(kind, self.now());
        leaf.notes.about = Some(case.partner.clone());
        let choice = Choice::from_number(case.choice);
        leaf.notes.cause = choice.and_then(|choice| choice.code().parse().ok());
        leaf.notes.document = statement(case).map(|text| digest(&text));
        leaf
    }

    /// A case that the database lacks binds again, and stops whatever of its subject is there.
    async fn open_again(&self, entry: &Entry) -> Result<(), GatewayError> {
        let Entry::Opened {
            partner,
            case,
            choice,
            given_by,
            requested_on,
            due_day,
            nonce,
            tokens,
            records,
        } = entry
        else {
            return Ok(());
        };
        let case = Case {
            id: 0,
            partner: partner.clone(),
            key: *case,
            choice: *choice,
            given_by: *given_by,
            requested_on: *requested_on,
            state: cases::STAGED,
            opened_at: 0,
            ended_at: 0,
            due_day: *due_day,
            nonce: *nonce,
        };
        let Some(chosen) = Choice::from_number(*choice) else { return Ok(()) };
        let (keys, snapshot) = (self.keys(), self.snapshot());
        let mut tx = self.store.transact(Rights::Intake).await?;
        subjects::link_alone(&mut tx).await?;
        let mut known = Known::default();
        for token in tokens {
            let mut bytes = [0; 16];
            if hex::decode_to_slice(token, &mut bytes).is_ok() {
                known.tokens.insert(bytes);
            }
        }
        let mut forms: Vec<[u8; 16]> = Vec::new();
        for token in &known.tokens {
            for domain in [
                PseudonymDomain::Subject,
                PseudonymDomain::MatchNhsBirth,
                PseudonymDomain::MatchNamesBirthSexPostcode,
            ] {
                forms.extend(stored_forms(&keys, token, domain)?);
            }
        }
        let persons = subjects::persons_with(&mut tx, &forms).await?;
        known.records = cases::records_of(&mut tx, &persons).await?;
        for record in records {
            known.records.extend(self.record_again(&mut tx, &keys, record).await?);
        }
        known.records.sort_unstable();
        known.records.dedup();
        let also = self.tokens_of_persons(&mut tx, &keys, &persons).await?;
        known.tokens.extend(also);
        let today = crate::domain::time::epoch_day(self.today());
        let stopped = self.stopped(&mut tx, &keys, &snapshot, chosen, today, &known).await?;
        let tokens: Vec<[u8; 16]> = known.tokens.iter().copied().collect();
        let id = cases::stage(&mut tx, &case, &tokens, &stopped, self.now()).await?;
        tx.commit().await?;
        let leaf = self.replay_leaf(LeafKind::CaseOpened, &case);
        self.commit(leaf, Effect::OpenCase(id), None).await?;
        Ok(())
    }

    /// Where a record of the journal's is in this database.
    async fn record_again(
        &self,
        tx: &mut Tx,
        keys: &KeysInUse,
        record: &JournalRecord,
    ) -> Result<Vec<(i64, BatchId)>, GatewayError> {
        let Some(feed) = feeds::known(tx, &record.partner, record.record_type).await? else {
            return Ok(Vec::new());
        };
        let forms = stored_forms(keys, &record.token, PseudonymDomain::Record)?;
        let sent = records::sent(tx, feed, &forms).await?;
        Ok(sent.into_values().map(|sent| (sent.event_number, sent.batch)).collect())
    }

    /// Records that are back are to be erased once more.
    async fn ask_again(&self, all: &[JournalRecord]) -> Result<(), GatewayError> {
        let keys = self.keys();
        let mut asked = Vec::with_capacity(all.len());
        let mut tx = self.store.read(Rights::Intake).await?;
        for record in all {
            let feed = feeds::known(&mut tx, &record.partner, record.record_type).await?;
            let Some(feed) = feed else { continue };
            let (domain, version) = (PseudonymDomain::Record, keys.current());
            let key = keys.pseudonymiser.suppressed(&record.token, domain, version)?;
            asked.push(Asked { feed, key: *key.as_bytes(), key_version: version.number() });
        }
        drop(tx);
        let mut leaf = Leaf::new(LeafKind::RegisterRead, self.now());
        leaf.notes.register = "records".parse().ok();
        self.commit(leaf, Effect::AskErasure(asked), None).await?;
        Ok(())
    }
}

/// The forms in which what a token stands for may be stored.
pub(super) fn stored_forms(
    keys: &KeysInUse,
    token: &[u8; 16],
    domain: PseudonymDomain,
) -> Result<Vec<[u8; 16]>, GatewayError> {
    let live = keys.versions().all.iter().filter(|(_, state, _)| state.is_live());
    let forms = live.map(|(version, ..)| {
        Ok(*keys.pseudonymiser.suppressed(token, domain, *version)?.as_bytes())
    });
    forms.collect()
}
