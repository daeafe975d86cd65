//! What the journal has and the database has not is done again, before anything is served.
//!
//! A restored backup is told by what it lacks. From the first thing that is lacking until all is
//! done, erased and scrubbed, the store itself says that nothing may be served from it: a crash
//! in between changes nothing about that. One gateway at a time does it; others that start meanwhile
//! wait.

use super::{Entry, Journal, JournalNo, JournalPlace, JournalRecord, bytes16};
use crate::{
    audit::{Leaf, LeafKind, SizeClass},
    domain::{BatchId, FeedId},
    gateway::{
        Gateway, GatewayError,
        rights::{
            open::{digest, statement},
            subject::Known,
        },
    },
    keys::{KeyError, KeysInUse, PseudonymDomain},
    protocol::{Choice, ConsentGiver, ConsentRecord, Coverage},
    store::{
        Effect, Lock, Rights, Tx, alone,
        cases::{self, Case, Held},
        consents::{self, Stated},
        erasures::Asked,
        feeds, records, subjects,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time;

/// How often a gateway looks whether another has done what is to be done again.
const AFTER_ANOTHER: Duration = Duration::from_secs(1);

/// What the database lacks of the journal.
#[derive(Default)]
struct Lacking<'a> {
    opened: Vec<(&'a Entry, Vec<[u8; 16]>)>,
    /// Of cases that are there: by what else their subjects are known.
    learnt: Vec<(i64, BTreeSet<[u8; 16]>)>,
    noes: Vec<&'a JournalNo>,
    erased: Vec<&'a JournalRecord>,
    chosen: Vec<&'a JournalRecord>,
    ends: bool,
    /// The last generation of erasures, and the last statement.
    generation: u64,
    statement: i64,
}

impl Lacking<'_> {
    fn is_empty(&self) -> bool {
        self.opened.is_empty()
            && self.learnt.is_empty()
            && !self.ends
            && self.generation == 0
            && self.statement == 0
    }
}

impl Gateway {
    /// Makes the journal of erasures of a database that was never served from, which its empty
    /// register shows; of any other it is [`Self::replay_journal`]'s to say that it is missing.
    /// Comes before the first partners are entered: a crash in between leaves a journal too many
    /// and never one too few.
    ///
    /// # Errors
    /// When there is one that is cut short or not this deployment's, or it can't be written.
    pub fn begin_journal(&self, place: &JournalPlace) -> Result<(), GatewayError> {
        if self.was_never_served() {
            Journal::open(place, &self.keys(), true)?;
        }
        Ok(())
    }

    fn was_never_served(&self) -> bool {
        self.snapshot().register().partners().next().is_none()
    }

    /// Opens the journal, and does again what the database lacks of it; carries out what is to be
    /// erased. Nothing may be served before. Tells whether there was anything to do again.
    ///
    /// # Errors
    /// When the journal is missing, cut short or not this deployment's;
    /// [`GatewayError::ScrubOwed`] while a restored backup still holds the bytes of what was
    /// erased since; when the store can't be written.
    pub async fn replay_journal(&self, place: &JournalPlace) -> Result<bool, GatewayError> {
        let never = self.was_never_served();
        let (mut journal, entries, without) = Journal::open(place, &self.keys(), never)?;
        if without {
            tracing::warn!("the operator goes on without the journal of erasures, or its end");
            self.log_of_its_own(Leaf::new(LeafKind::JournalOverridden, self.now())).await?;
        }
        // Another gateway may be at it: what is left afterwards is seen then.
        let _alone = loop {
            match alone(&self.store, Lock::Replay).await? {
                Some(alone) => break alone,
                None => {
                    tracing::info!("another gateway brings the database up to its journal");
                    time::sleep(AFTER_ANOTHER).await;
                }
            }
        };
        let mut tx = self.store.read(Rights::Figures).await?;
        let begun = cases::is_replaying(&mut tx).await?;
        drop(tx);
        let lacking = self.lacking(&entries, begun).await?;
        let replayed = begun || !lacking.is_empty();
        if replayed {
            tracing::warn!("the database lacked choices or erasures of its journal: done again");
            let mut tx = self.store.transact(Rights::Intake).await?;
            cases::begin_replay(&mut tx).await?;
            tx.commit().await?;
            self.replay(&lacking).await?;
            self.apply_retention(place.confirmed_day).await?;
        }
        self.carry_out_erasures().await?;
        if replayed {
            self.end_replayed(&entries).await?;
            let mut tx = self.store.transact(Rights::Intake).await?;
            cases::end_replay(&mut tx).await?;
            tx.commit().await?;
        }
        self.sync_journal(&mut journal).await?;
        *self.journal.lock().await = Some(journal);
        self.require_scrubbed().await?;
        Ok(replayed)
    }

    /// Refuses to serve from a restored backup that is not scrubbed. An embedded one is scrubbed
    /// here; a database that several share by its owner.
    async fn require_scrubbed(&self) -> Result<(), GatewayError> {
        if self.store.must_scrub().await? && self.store.is_embedded() {
            self.store.scrub().await?;
        }
        match self.store.must_scrub().await? {
            true => Err(GatewayError::ScrubOwed),
            false => Ok(()),
        }
    }

    /// `begun`: a replay was cut short. It moved the counters that tell how far the database is, so
    /// that all is done again.
    async fn lacking<'a>(
        &self,
        entries: &'a [Entry],
        begun: bool,
    ) -> Result<Lacking<'a>, GatewayError> {
        let mut lacking = Lacking::default();
        let mut tx = self.store.read(Rights::Intake).await?;
        let (generation, statements) = match begun {
            true => (0, 0),
            false => (cases::scrubs(&mut tx).await?.0, consents::next_statement(&mut tx).await?),
        };
        for entry in entries {
            match entry {
                Entry::Opened { partner, case, .. } => {
                    let found = cases::find(&mut tx, partner, case).await?;
                    match found.filter(|case| case.state != cases::STAGED) {
                        None => lacking.opened.push((entry, learnt(entries, entry))),
                        Some(case) if case.state == cases::ACTIVE => {
                            let mut more: BTreeSet<_> =
                                learnt(entries, entry).into_iter().collect();
                            for held in cases::suppressions(&mut tx, case.id).await? {
                                more.remove(&held);
                            }
                            lacking.learnt.extend((!more.is_empty()).then_some((case.id, more)));
                        }
                        Some(_) => {}
                    }
                }
                Entry::Erased { generation: of, records, chosen } if *of >= generation => {
                    lacking.erased.extend(records);
                    lacking.chosen.extend(chosen);
                    lacking.generation = lacking.generation.max(*of);
                }
                Entry::Noes { up_to, noes } if *up_to >= statements => {
                    lacking.noes.extend(noes);
                    lacking.statement = lacking.statement.max(*up_to);
                }
                Entry::Ended { partner, case } => {
                    let found = cases::find(&mut tx, partner, case).await?;
                    lacking.ends |= found.is_some_and(|case| case.state == cases::ACTIVE);
                }
                Entry::Begun {}
                | Entry::Learnt { .. }
                | Entry::Noes { .. }
                | Entry::Erased { .. } => {}
            }
        }
        Ok(lacking)
    }

    /// Each step may be done twice: a crash leaves the rest to the next start.
    async fn replay(&self, lacking: &Lacking<'_>) -> Result<(), GatewayError> {
        // A case that ended is opened first, so that what it erased goes again.
        for (entry, learnt) in &lacking.opened {
            self.open_again(entry, learnt).await?;
        }
        for (case, tokens) in &lacking.learnt {
            let mut tx = self.store.transact(Rights::Intake).await?;
            subjects::link_alone(&mut tx).await?;
            self.learn_of(&mut tx, &self.keys(), *case, tokens.clone()).await?;
            tx.commit().await?;
        }
        if lacking.statement > 0 {
            self.say_again(&lacking.noes).await?;
        }
        if !lacking.erased.is_empty() {
            self.ask_again(&lacking.erased).await?;
        }
        self.erase_again(&lacking.chosen).await?;
        let mut tx = self.store.transact(Rights::Intake).await?;
        cases::erased_up_to(&mut tx, lacking.generation + 1).await?;
        consents::stated_up_to(&mut tx, lacking.statement + 1).await?;
        tx.commit().await?;
        Ok(())
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
    async fn open_again(&self, entry: &Entry, learnt: &[[u8; 16]]) -> Result<(), GatewayError> {
        let Some((case, mut known, records)) = read(entry) else { return Ok(()) };
        known.tokens.extend(learnt);
        let Some(chosen) = Choice::from_number(case.choice) else { return Ok(()) };
        let (keys, snapshot) = (self.keys(), self.snapshot());
        let mut tx = self.store.transact(Rights::Intake).await?;
        subjects::link_alone(&mut tx).await?;
        let persons = self.persons_known_by(&mut tx, &keys, &known.tokens).await?;
        let mut held: BTreeMap<i64, Held> = BTreeMap::new();
        for record in records {
            for (number, batch) in self.record_again(&mut tx, &keys, record).await? {
                known.named.insert(number);
                held.insert(number, Held { number, batch, principal: record.erased });
            }
        }
        let of_persons = cases::records_of(&mut tx, &persons).await?;
        held.extend(of_persons.into_iter().map(|record| (record.number, record)));
        known.records = held.into_values().collect();
        let also = self.tokens_of_persons(&mut tx, &keys, &persons).await?;
        known.tokens.extend(also);
        let today = crate::domain::time::epoch_day(self.today());
        let about = (chosen, &case.partner);
        let stopped = self.stopped(&mut tx, &keys, &snapshot, about, today, &known).await?;
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
        let kept = sent.into_values().filter(|sent| sent.accepted || sent.undone);
        Ok(kept.map(|sent| (sent.event_number, sent.batch)).collect())
    }

    /// Records that are back are to be erased once more.
    async fn ask_again(&self, all: &[&JournalRecord]) -> Result<(), GatewayError> {
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

    /// What a subject's choice erased is erased once more, and its sender told what it was told.
    async fn erase_again(&self, all: &[&JournalRecord]) -> Result<(), GatewayError> {
        const AT_ONCE: usize = 100;
        let keys = self.keys();
        for some in all.chunks(AT_ONCE) {
            let mut tx = self.store.transact(Rights::Intake).await?;
            subjects::link_alone(&mut tx).await?;
            let mut by_feed: BTreeMap<FeedId, Vec<(i64, BatchId)>> = BTreeMap::new();
            for record in some {
                let feed = feeds::known(&mut tx, &record.partner, record.record_type).await?;
                let found = self.record_again(&mut tx, &keys, record).await?;
                if let Some(feed) = feed.filter(|_| !found.is_empty()) {
                    by_feed.entry(feed).or_default().extend(found);
                }
            }
            self.erase_by_choice(&mut tx, by_feed).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Noes that the database lacks are said once more, each as of its day.
    async fn say_again(&self, noes: &[&JournalNo]) -> Result<(), GatewayError> {
        const AT_ONCE: usize = 1_000;
        let keys = self.keys();
        for some in noes.chunks(AT_ONCE) {
            let said: Result<Vec<Option<Stated>>, KeyError> =
                some.iter().map(|no| stated(&keys, no)).collect();
            let said: Vec<Stated> = said?.into_iter().flatten().collect();
            let mut leaf = Leaf::new(LeafKind::ConsentWithdrawn, self.now());
            leaf.size_class = Some(SizeClass::of(said.len() as u64));
            self.commit(leaf, Effect::PutConsents(said), None).await?;
        }
        Ok(())
    }
}

/// What was learnt of a case since it opened.
fn learnt(entries: &[Entry], opened: &Entry) -> Vec<[u8; 16]> {
    let Entry::Opened { partner: by, case: key, .. } = opened else { return Vec::new() };
    let of_it = entries.iter().filter_map(|entry| match entry {
        Entry::Learnt { partner, case, tokens } if (partner, case) == (by, key) => Some(tokens),
        _ => None,
    });
    of_it.flatten().filter_map(|token| bytes16(token)).collect()
}

/// A case as it opened, by what its subject is known, and its records.
fn read(entry: &Entry) -> Option<(Case, Known, &[JournalRecord])> {
    let Entry::Opened {
        partner,
        case,
        choice,
        given_by,
        requested_on,
        due_day,
        nonce,
        wish,
        tokens,
        records,
    } = entry
    else {
        return None;
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
        wish: *wish,
    };
    let mut known = Known::default();
    known.tokens.extend(tokens.iter().filter_map(|token| bytes16(token)));
    Some((case, known, records))
}

fn stated(keys: &KeysInUse, no: &JournalNo) -> Result<Option<Stated>, KeyError> {
    let (Some(state), Some(given_by)) = (
        ConsentRecord::from_number(no.state),
        match no.given_by {
            0 => Some(None),
            number => ConsentGiver::from_number(number).map(Some),
        },
    ) else {
        return Ok(None);
    };
    let giver = match no.giver.as_deref().and_then(bytes16) {
        Some(token) => consent_forms(keys, &token)?.into_iter().map(|(_, key)| key).collect(),
        None => Vec::new(),
    };
    Ok(Some(Stated {
        reference: consent_forms(keys, &no.consent)?,
        giver,
        evidence: Vec::new(),
        given_by,
        state,
        stated_on: no.stated_on,
        means: None,
        notice_version: String::new(),
        coverage: Coverage::default(),
    }))
}

/// A key of consents in the form of every version in use, the current one first.
fn consent_forms(keys: &KeysInUse, token: &[u8; 16]) -> Result<Vec<(u16, [u8; 16])>, KeyError> {
    let domain = PseudonymDomain::Consent;
    let key = keys.pseudonymiser.suppressed(token, domain, keys.current())?;
    let forms = keys.forms(domain, key.as_bytes())?;
    Ok(forms.into_iter().map(|(version, key)| (version.number(), key)).collect())
}

/// The forms in which what a token stands for may be stored.
pub(in crate::gateway) fn stored_forms(
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
