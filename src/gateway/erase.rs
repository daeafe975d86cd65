//! Erasing records for good, at their sender's word.
//!
//! A withdrawn record counts no more; an erased one is gone: its events, its key, its item and
//! salt in the batch's private detail, and every identity (with its sealed date of birth) that
//! nothing else rests on. Of its item the salted hash stays, so that its neighbours in the batch
//! stay provable ([`crate::audit::detail`]). Releases that are out stay as they are, byte for
//! byte; the next one does not count it. Persons whom it brought together stay together, and
//! count for nothing by that.
//!
//! **When.** What is asked for is entered at once and carried out when the day ends in
//! Europe/London, or before the next quarter is counted, whichever comes first. So answering
//! takes one and the same path whether the record is there or not, and nothing about the moment
//! of the destruction tells who asked when.
//!
//! **In the log.** A leaf for each erasure would time it: somebody who watches a figure over two
//! releases would know when to look. The call's leaf is that of a look at one's own records,
//! as [`Gateway::find_records`] has it: that is what it does until the day ends, and its
//! private detail says which of the two it was. The erasures themselves are one leaf a day, with
//! a class of sizes, also on days that have none. A day on which no gateway ran is named with
//! the next one. Of several gateways exactly one writes it: the day's row settles which.
//!
//! **Who.** The sender, for its own records alone, whatever has become of its protocols. A data
//! officer can't do it on a sender's behalf: record ids are the sender's own, who can make the
//! same call, and the two people that such an act would need ([`super::approval`]) would leave
//! the very leaves that must not be.
//!
//! **What stays for a while.** Old pages and the write-ahead log hold what they held until they are
//! scrubbed ([`crate::store::scrub`]): by the gateway itself on SQLite, once the day is named; by
//! `tallygate scrub` on PostgreSQL. Standbys and backups hold it longer; a backup that is restored
//! needs the erasures since then again ([`super::rights`]). What a record's sender sends again
//! later is a new record.

use super::{
    Actor, CallerName, DECISIONS, Denied, Gateway, GatewayError, LEFT_BEHIND, Refused,
    consents::reference, details::words, forms::Forms,
};
use crate::{
    audit::{Hash, Item, Leaf, LeafKind, SizeClass, Slot, item::RecordItem},
    domain::{BatchId, FeedId, PartnerId, RecordType, SubjectId, time::epoch_day},
    keys::{IdentifierKind, KeyError, KeyVersion, Pseudonym, PseudonymDomain, RawIdentifier},
    protocol::CallerRole,
    store::{
        ActError, Effect, Logged, Rights, StoreError, Tx, cases, details,
        erasures::{self, Asked, Named},
        feeds, records, subjects,
    },
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use zeroize::Zeroize;

/// The most records that a call names.
pub const MOST_RECORDS: usize = 1_000;
/// Requests that are carried out in one transaction.
const AT_ONCE: i64 = 100;

/// Records of a sender's own. No Debug: the ids may name somebody.
pub struct NamedRecords {
    /// Their type.
    pub record_type: String,
    /// The sender's ids of them.
    pub record_ids: Vec<String>,
}

impl Drop for NamedRecords {
    fn drop(&mut self) {
        self.record_ids.zeroize();
    }
}

/// Named records, keyed.
struct Keyed {
    record_type: RecordType,
    keys: Vec<Pseudonym>,
}

impl Gateway {
    /// Wants records of the caller's own erased. The answer is how many were named, and the
    /// same whether they are there or not.
    ///
    /// # Errors
    /// `wrong_role` but for providers; a violation for what names no records.
    pub async fn erase_records(
        &self,
        actor: &Actor,
        named: NamedRecords,
    ) -> Result<Logged<usize>, Denied> {
        let keyed = self.own_records(actor, named).await?;
        let feed = self.feed_of(&actor.partner, keyed.record_type).await?;
        let ask = |key: &Pseudonym| Asked {
            feed,
            key: *key.as_bytes(),
            key_version: key.key_version().number(),
        };
        let asked: Vec<Asked> = keyed.keys.iter().map(ask).collect();
        let count = asked.len();
        let effect = || Effect::AskErasure(asked.clone());
        let logged = self.look_at_records(actor, &keyed, "erase", effect).await?;
        Ok(logged.map(|()| count))
    }

    /// Tells which records of the caller's own it has sent, that are not to be erased: in the
    /// order in which they were named.
    ///
    /// # Errors
    /// `wrong_role` but for providers; a violation for what names no records.
    pub async fn find_records(
        &self,
        actor: &Actor,
        named: NamedRecords,
    ) -> Result<Logged<Vec<bool>>, Denied> {
        let keyed = self.own_records(actor, named).await?;
        let feed = self.feed_of(&actor.partner, keyed.record_type).await?;
        let in_use = self.keys();
        let renewed =
            |key: &Pseudonym| in_use.renewed(key.domain(), key.key_version(), key.as_bytes());
        let keys: Vec<[u8; 16]> =
            keyed.keys.iter().map(renewed).collect::<Result<_, KeyError>>()?;
        let forms = Forms::of(&in_use, PseudonymDomain::Record, &keys)?;
        let mut tx = self.store.read(Rights::Intake).await?;
        let sent = records::sent(&mut tx, feed, forms.all()).await?;
        let sent: BTreeMap<[u8; 16], records::Sent> =
            sent.into_iter().map(|(key, sent)| (forms.current(key), sent)).collect();
        let dropped = self.dropped(&mut tx, &in_use, feed, &keys).await?;
        let going = erasures::waiting(&mut tx, feed, forms.all()).await?;
        let going: BTreeSet<[u8; 16]> = going.into_iter().map(|key| forms.current(key)).collect();
        drop(tx);
        let held = |key: &[u8; 16]| {
            // What was not used because of its subject's choice was sent none the less, and then.
            let sent = match dropped.get(key).filter(|dropped| dropped.accepted) {
                Some(dropped) => !dropped.let_go,
                None => sent.get(key).is_some_and(|sent| sent.accepted && !sent.let_go),
            };
            sent && !going.contains(key)
        };
        let found = keys.iter().map(held).collect();
        let logged = self.look_at_records(actor, &keyed, "find", || Effect::None).await?;
        Ok(logged.map(|()| found))
    }

    /// The one leaf that a look at one's own records has, and wanting them erased.
    async fn look_at_records(
        &self,
        actor: &Actor,
        keyed: &Keyed,
        act: &'static str,
        effect: impl Fn() -> Effect + Send + Sync,
    ) -> Result<Logged<()>, Denied> {
        let mut leaf = self.look(actor, "records");
        leaf.notes.record_type = Some(keyed.record_type);
        let said = [("act", json!(act)), ("records", json!(keyed.keys.len()))];
        let caller = actor.name.as_ref().map(CallerName::expose);
        let item = words(caller, said);
        let kept = self.keep(&mut leaf, vec![item], true)?;
        let effect = || kept.clone().with(effect());
        Ok(self.commit_for(actor, leaf, effect).await?.map(|_| ()))
    }

    async fn feed_of(
        &self,
        partner: &PartnerId,
        record_type: RecordType,
    ) -> Result<FeedId, StoreError> {
        let mut tx = self.store.transact(Rights::Intake).await?;
        let feed = feeds::feed(&mut tx, partner, record_type).await?;
        tx.commit().await?;
        Ok(feed)
    }

    /// The keyed ids of records of a provider's own; the texts are wiped.
    pub(super) async fn own_record_keys(
        &self,
        actor: &Actor,
        named: NamedRecords,
    ) -> Result<(RecordType, Vec<Pseudonym>), Denied> {
        let Keyed { record_type, keys } = self.own_records(actor, named).await?;
        Ok((record_type, keys))
    }

    /// A record's key as a suppression: the same from every form whose wrapping key is held. One
    /// that is gone took every record of that time along.
    pub(super) fn token_of(&self, forms: &[Pseudonym]) -> Option<[u8; 16]> {
        let keys = self.keys();
        let mut tokens = forms.iter().filter_map(|form| keys.pseudonymiser.suppress(form).ok());
        tokens.next().map(|token| *token.as_bytes())
    }

    /// Where a record is that was sent and not used.
    async fn dropped_of(
        &self,
        tx: &mut Tx,
        feed: FeedId,
        forms: &[Pseudonym],
    ) -> Result<Vec<([u8; 16], cases::Dropped)>, GatewayError> {
        let tokens: Vec<[u8; 16]> = self.token_of(forms).into_iter().collect();
        Ok(cases::dropped(tx, feed, &tokens).await?.into_iter().collect())
    }

    /// Keys what a provider names; the texts are wiped.
    async fn own_records(&self, actor: &Actor, mut named: NamedRecords) -> Result<Keyed, Denied> {
        self.require(actor, &[CallerRole::Provider]).await?;
        let read = || -> Result<Keyed, Refused> {
            let record_type: RecordType = named
                .record_type
                .parse()
                .map_err(|_| Refused::invalid("record_type", "no such record type"))?;
            if !(1..=MOST_RECORDS).contains(&named.record_ids.len()) {
                return Err(Refused::invalid("record_ids", "1 to 1,000"));
            }
            let keys = named.record_ids.iter().enumerate().map(|(at, id)| {
                let id = reference(id).map_err(|rule| {
                    Refused::invalid(format!("record_ids[{at}]"), rule.sentence())
                })?;
                Ok(self.record_key(&actor.partner, record_type, id))
            });
            Ok(Keyed { record_type, keys: keys.collect::<Result<_, Refused>>()? })
        };
        let read = read();
        named.record_ids.zeroize();
        match read {
            Ok(keyed) => Ok(keyed),
            Err(refused) => Err(self.refuse_malformed(actor, refused).await),
        }
    }

    /// The keyed id of a sender's record.
    pub(super) fn record_key(
        &self,
        partner: &PartnerId,
        record_type: RecordType,
        id: &str,
    ) -> Pseudonym {
        let kind = IdentifierKind::Record { partner, record_type: record_type.name() };
        RawIdentifier::new(id.to_owned()).pseudonymise(kind, &self.keys().pseudonymiser)
    }

    /// The forms in which a record's key may be stored or named by a detail: as it was asked
    /// for, and under every other version of the keys that is held.
    pub(super) fn forms_of(&self, asked: &Asked) -> Result<Vec<Pseudonym>, GatewayError> {
        let (domain, version) = (PseudonymDomain::Record, KeyVersion::new(asked.key_version));
        let key = Pseudonym::from_stored(domain, version, &asked.key)?;
        let keys = self.keys();
        let mut forms = vec![key];
        // A wrapping key that is gone took every record of that time along.
        let others = keys.versions().all.iter().map(|(other, ..)| *other);
        let others = others.filter(|other| *other != version);
        forms.extend(others.filter_map(|other| keys.pseudonymiser.rewrap(&key, other).ok()));
        Ok(forms)
    }

    /// Carries out what is to be erased. A crash leaves it to the next attempt: each
    /// transaction destroys records and their requests together.
    ///
    /// # Errors
    /// When the store can't be written, or a batch's detail is corrupt.
    pub async fn carry_out_erasures(&self) -> Result<(), GatewayError> {
        let mut tx = self.store.transact(Rights::Intake).await?;
        feeds::clear_unaccepted(&mut tx, self.now() - LEFT_BEHIND).await?;
        tx.commit().await?;
        self.carry_out_cases().await?;
        self.carry_out_withdrawals().await?;
        let mut after = (FeedId::new(i64::MIN), [0; 16]);
        loop {
            let mut tx = self.store.transact(Rights::Intake).await?;
            // Nobody stages meanwhile: what rests on an identity is then known for certain.
            subjects::link_alone(&mut tx).await?;
            let asked = erasures::asked(&mut tx, after, AT_ONCE).await?;
            let Some(last) = asked.last() else { return Ok(()) };
            after = (last.feed, last.key);
            let mut of_feed: BTreeMap<FeedId, Vec<&Asked>> = BTreeMap::new();
            for one in &asked {
                of_feed.entry(one.feed).or_default().push(one);
            }
            let generation = cases::owe_scrub(&mut tx).await?;
            for (feed, asked) in of_feed {
                let gone = self.erase_of_feed(&mut tx, feed, &asked).await?;
                cases::keep_erased(&mut tx, generation, feed, &gone, false).await?;
            }
            tx.commit().await?;
        }
    }

    async fn erase_of_feed(
        &self,
        tx: &mut Tx,
        feed: FeedId,
        asked: &[&Asked],
    ) -> Result<Vec<[u8; 16]>, GatewayError> {
        let mut gone: Vec<[u8; 16]> = Vec::new();
        let mut wanted = Wanted::default();
        let mut settled: Vec<&Asked> = Vec::new();
        let mut sent_keys: Vec<[u8; 16]> = Vec::new();
        let mut unused_tokens: Vec<[u8; 16]> = Vec::new();
        for one in asked {
            let forms = self.forms_of(one)?;
            let keys: Vec<[u8; 16]> = forms.iter().map(|form| *form.as_bytes()).collect();
            let sent = records::sent(tx, feed, &keys).await?;
            // One that is just being staged waits for the next time.
            if sent.values().any(|sent| !sent.accepted && !sent.undone) {
                continue;
            }
            let unused = self.dropped_of(tx, feed, &forms).await?;
            if unused.iter().any(|(_, dropped)| !dropped.accepted && !dropped.undone) {
                continue;
            }
            unused_tokens.extend(unused.iter().map(|(token, _)| *token));
            wanted.numbers.extend(unused.iter().map(|(_, dropped)| dropped.event_number));
            // Also what was not used: a restored backup may be from before it was let go of.
            if !sent.is_empty() || !unused.is_empty() {
                gone.extend(self.token_of(&forms));
            }
            for found in sent.values() {
                wanted.numbers.insert(found.event_number);
                wanted.batches.push_back(found.batch);
            }
            wanted.keys.extend(forms.iter().map(|f| (f.key_version().number(), *f.as_bytes())));
            sent_keys.extend(sent.keys());
            settled.push(one);
        }
        // An undone file keeps its rows, also of records that were sent again since.
        wanted.batches.extend(feeds::undone(tx, feed).await?);
        let found = self.erase_items(tx, &mut wanted).await?;
        for number in &wanted.numbers {
            let subjects = found.get(number).map(Vec::as_slice);
            erasures::erase_record(tx, *number, subjects).await?;
            cases::forget_stops(tx, *number).await?;
            cases::forget_late(tx, *number).await?;
        }
        cases::forget_dropped(tx, feed, &unused_tokens).await?;
        records::take_over(tx, feed, &sent_keys).await?;
        for one in settled {
            erasures::settle(tx, one).await?;
        }
        Ok(gone)
    }

    /// Destroys the items of what is wanted in every batch that may have one, and tells which
    /// identities each record named.
    pub(super) async fn erase_items(
        &self,
        tx: &mut Tx,
        wanted: &mut Wanted,
    ) -> Result<BTreeMap<i64, Vec<SubjectId>>, GatewayError> {
        let mut subjects: BTreeMap<i64, Vec<SubjectId>> = BTreeMap::new();
        let mut looked_at: BTreeSet<BatchId> = BTreeSet::new();
        loop {
            while let Some(batch) = wanted.batches.pop_front() {
                if looked_at.insert(batch) {
                    self.erase_in_batch(tx, batch, wanted, &mut subjects).await?;
                }
            }
            // The batches that withdrew what was found name it, too, and so do those that brought it late.
            let numbers: Vec<i64> = wanted.numbers.iter().copied().collect();
            let mut naming = erasures::withdrawing(tx, &numbers).await?;
            naming.extend(cases::late_items(tx, &numbers).await?);
            wanted.batches.extend(naming.iter().filter(|batch| !looked_at.contains(batch)));
            if wanted.batches.is_empty() {
                return Ok(subjects);
            }
        }
    }

    async fn erase_in_batch(
        &self,
        tx: &mut Tx,
        batch: BatchId,
        wanted: &mut Wanted,
        subjects: &mut BTreeMap<i64, Vec<SubjectId>>,
    ) -> Result<(), GatewayError> {
        // Batches from before there were details have none.
        let Some(sealed) = details::of_batch(tx, batch).await? else { return Ok(()) };
        let row = batch.number();
        let corrupt = StoreError::Corrupt { table: "batch_detail", column: "sealed", row };
        let mut detail = match self.unseal_batch(batch, &sealed) {
            Ok(detail) => detail.ok_or(corrupt)?,
            // A sealing key that was destroyed took every item along.
            Err(GatewayError::Key(KeyError::NoSealingKey { .. })) => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut gone = Vec::new();
        for (at, slot) in (0..).zip(&mut detail.slots) {
            let Slot::Open(_, Item::Record(record)) = slot else { continue };
            if !wanted.names(record) {
                continue;
            }
            wanted.numbers.insert(record.place.number);
            if record.content.is_some() {
                let named = record.place.subjects.iter().map(|id| SubjectId::new(*id));
                subjects.insert(record.place.number, named.collect());
            }
            slot.erase();
            gone.push(at);
        }
        if gone.is_empty() {
            return Ok(());
        }
        details::replace(tx, batch, &sealed, &self.seal_batch(batch, &detail)?).await?;
        Ok(erasures::note(tx, batch, &gone).await?)
    }

    /// Names the erasures of the days that have ended, in one leaf: at most one a day, whichever
    /// gateway writes it. Does nothing when that is done.
    ///
    /// # Errors
    /// When the store or the log can't be written.
    pub async fn name_erasures(&self) -> Result<(), GatewayError> {
        let ended = epoch_day(self.today()) - 1;
        match self.last_named().await? {
            Some(last) if last >= ended => return self.scrub_if_owed().await,
            Some(_) => {}
            None => {
                // A deployment's first day has none before it.
                let mut tx = self.store.transact(Rights::Sequencer).await?;
                erasures::begin(&mut tx, ended).await?;
                return Ok(tx.commit().await?);
            }
        }
        self.carry_out_erasures().await?;
        for _ in 0..DECISIONS {
            let mut tx = self.store.read(Rights::Sequencer).await?;
            let unnamed = erasures::unnamed(&mut tx).await?;
            drop(tx);
            let count = unnamed.len() as u64;
            let mut leaf = Leaf::new(LeafKind::Erasures, self.now());
            leaf.size_class = Some(SizeClass::of(count));
            let items = unnamed
                .into_iter()
                .map(|one| Item::Erased { batch: Hash::new(one.commitment), item: one.item });
            let effect = Effect::NameErasures(Named { day: ended, count });
            let effect = self.keep(&mut leaf, items.collect(), false)?.with(effect);
            match self.commit(leaf, effect, None).await {
                Ok(_) => return self.scrub_if_owed().await,
                // Another gateway wrote it, or erased more: the next look tells.
                Err(ActError::Conflict | ActError::PolicyChanged) => {
                    if self.last_named().await?.is_some_and(|last| last >= ended) {
                        return self.scrub_if_owed().await;
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(GatewayError::Conflict)
    }

    /// What was erased is scrubbed from the embedded file itself. Where several gateways share a
    /// database its owner does that.
    async fn scrub_if_owed(&self) -> Result<(), GatewayError> {
        if self.store.owes_scrub().await? {
            if self.store.is_embedded() {
                self.store.scrub().await?;
            } else {
                tracing::warn!(
                    "records were erased: `tallygate scrub` takes what is left of them out of the \
                     database's files"
                );
            }
        }
        Ok(())
    }

    async fn last_named(&self) -> Result<Option<i32>, StoreError> {
        let mut tx = self.store.read(Rights::Sequencer).await?;
        erasures::last_day(&mut tx).await
    }
}

/// What is to be erased, as far as it is known: by number, and by key, and where to look.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) numbers: BTreeSet<i64>,
    pub(super) keys: BTreeSet<(u16, [u8; 16])>,
    pub(super) batches: VecDeque<BatchId>,
}

impl Wanted {
    fn names(&self, record: &RecordItem) -> bool {
        self.numbers.contains(&record.place.number)
            || self.keys.contains(&(record.key_version, record.key))
    }
}
