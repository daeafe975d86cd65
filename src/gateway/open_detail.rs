//! Opening an item of an entry's private detail to an auditor, who checks it against the
//! entry's commitment with code of its own ([`crate::verify`]).
//!
//! Every opening is an entry itself, and says in its own private detail what was opened.
//!
//! **How many people.** What names records and consents does so by keyed ids, which name nobody
//! without the gateway's key: one auditor opens it. To find a record the auditor says its id and
//! whose it is; the id is keyed and wiped on arrival and stands nowhere afterwards. A caller's
//! own words hold the name by which a partner calls a member of its staff: the log is to show
//! what that person did, and who it was only where two auditors agree that it matters
//! ([`super::approval`]). Two auditors, and not an officer of the authority as the second:
//! whom the log watches must not be able to keep it shut.
//!
//! **What an answer tells.** An item that was erased has a hash and a path and nothing else, and
//! so has whatever fills a list up: the two look the same, so that nobody counts a batch by
//! asking for its items one by one.

use super::{
    Actor, CallerName, DECISIONS, Denied, Gateway, GatewayError, RefusalKind, Refused, Waiting,
    approval::{Intention, Standing},
    consents::reference,
    details::words,
    forms::Forms,
};
use crate::{
    audit::{AuditError, Hash, Item, KeptDetail, Leaf, LeafKind, Slot, leaf_hash},
    domain::PartnerId,
    keys::{KeyError, KeyVersion, Pseudonym},
    protocol::CallerRole,
    store::{ActError, Effect, Logged, Rights, StoreError, Tx, details, feeds, log, records},
};
use serde_json::json;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The act's name in the log, where two people open.
const ACT: &str = "open_detail";

/// Which item is to be opened. No Debug: a record's id may name somebody.
#[derive(Zeroize, ZeroizeOnDrop)]
pub enum Sought {
    /// By its number.
    Item(u64),
    /// A record, by its sender's id of it.
    Record {
        /// Whose it is.
        partner: String,
        /// The sender's id.
        record_id: String,
    },
}

/// An item, shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedItem {
    /// The entry: the leaf's canonical bytes.
    pub leaf: Vec<u8>,
    /// The item's number.
    pub index: u64,
    /// How many there are, with those that fill up.
    pub size: u64,
    /// The salt and the item's text; `None` where nothing is left of it.
    pub shown: Option<([u8; 16], String)>,
    /// The item's salted hash.
    pub hash: Hash,
    /// From the hash to the leaf's commitment.
    pub path: Vec<Hash>,
}

/// What a call to open came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It was the first person's: nothing is shown yet.
    Waiting(Waiting),
    /// Shown.
    Item(Box<OpenedItem>),
}

/// An entry with its private detail.
struct Entry {
    index: u64,
    bytes: Vec<u8>,
    leaf: Leaf,
    detail: KeptDetail,
}

impl Gateway {
    /// Opens one item of an entry's private detail. `origin`: the name of the year's log that
    /// the entry is of; empty for the one that grows.
    ///
    /// # Errors
    /// For callers who are no auditors; `no_detail` for an entry that commits to none,
    /// `detail_gone` where it is kept no more, `not_found` for a record that the entry is not
    /// about (or that was erased); for the first person again.
    pub async fn open_detail(
        &self,
        actor: &Actor,
        origin: &str,
        index: u64,
        sought: Sought,
    ) -> Result<Logged<Opened>, Denied> {
        self.require(actor, &[CallerRole::Auditor]).await?;
        let entry = self.detailed_entry(actor, origin, index).await?;
        let at = match &sought {
            Sought::Item(at) => Some(*at).filter(|at| *at < u64::from(entry.detail.size)),
            Sought::Record { partner, record_id } => {
                self.place_of(actor, &entry, partner, record_id).await?
            }
        };
        drop(sought);
        let Some(at) = at else {
            return Err(self.refuse_malformed(actor, Refused::not_found()).await);
        };
        let item = shown(&entry, at)?;
        let names_staff = usize::try_from(at)
            .ok()
            .and_then(|at| entry.detail.slots.get(at))
            .is_some_and(|slot| matches!(slot, Slot::Open(_, Item::Words(_))));
        if names_staff {
            return self.open_by_two(actor, &entry, item).await;
        }
        let mut leaf = actor.leaf(LeafKind::LogRead, self);
        let kept = self.keep_opening(actor, &mut leaf, &item, &entry)?;
        let logged = self.commit_for(actor, leaf, || kept.clone().with(Effect::None)).await?;
        Ok(logged.map(|_| Opened::Item(Box::new(item))))
    }

    /// The first person's word, or the second's look.
    async fn open_by_two(
        &self,
        actor: &Actor,
        entry: &Entry,
        item: OpenedItem,
    ) -> Result<Logged<Opened>, Denied> {
        let intention = Intention::new(ACT)
            .with(&entry.index.to_be_bytes())
            .with(leaf_hash(&entry.bytes).as_bytes())
            .with(&item.index.to_be_bytes());
        for _ in 0..DECISIONS {
            let snapshot = self.snapshot();
            let epoch = snapshot.epoch();
            let mut leaf = actor.leaf(LeafKind::LogRead, self);
            leaf.notes.policy_epoch = Some(epoch);
            let role = CallerRole::Auditor;
            let done = match self.standing(actor, role, &snapshot, &intention, &leaf).await? {
                Standing::First(replaced) => {
                    let given = self.give_word(actor, &intention, replaced, leaf, epoch).await;
                    given.map(|waiting| waiting.map(Opened::Waiting))
                }
                Standing::Second(approval) => {
                    leaf.notes.act = intention.act().parse().ok();
                    leaf.notes.approval = Some(intention.digest());
                    let kept = self.keep_opening(actor, &mut leaf, &item, entry)?;
                    let effect = Effect::Approved(Box::new((approval, Effect::None)));
                    let logged = self.commit(leaf, kept.with(effect), Some(epoch)).await;
                    logged.map(|logged| logged.map(|_| Opened::Item(Box::new(item.clone()))))
                }
            };
            match done {
                Ok(opened) => return Ok(opened),
                Err(ActError::PolicyChanged | ActError::Conflict) => {
                    self.policy_moved(actor).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(GatewayError::Unsettled.into())
    }

    /// What the opening's own leaf commits to.
    fn keep_opening(
        &self,
        actor: &Actor,
        leaf: &mut Leaf,
        item: &OpenedItem,
        entry: &Entry,
    ) -> Result<details::Kept, GatewayError> {
        let said = [
            ("act", json!("open")),
            ("entry", json!(entry.index)),
            // Of each year one entry has that number; of all, one has that hash.
            ("leaf_hash", json!(leaf_hash(&entry.bytes).to_string())),
            ("item", json!(item.index)),
        ];
        let caller = actor.name.as_ref().map(CallerName::expose);
        self.keep(leaf, vec![words(caller, said)], true)
    }

    /// An entry and its private detail, which is the one that the entry commits to.
    async fn detailed_entry(
        &self,
        actor: &Actor,
        origin: &str,
        index: u64,
    ) -> Result<Entry, Denied> {
        let mut tx = self.store.read(Rights::Sequencer).await?;
        let bytes = entry_of(&mut tx, origin, index).await?;
        let Some(bytes) = bytes else {
            drop(tx);
            let refused = Refused::invalid("index", "an entry of the log of that name");
            return Err(self.refuse_malformed(actor, refused).await);
        };
        let leaf = Leaf::decode(&bytes)?;
        let Some(commitment) = leaf.detail else {
            drop(tx);
            let sentence = "this entry commits to no private detail: it says all there is";
            let refused = Refused::new(RefusalKind::Conflict, "no_detail", sentence);
            return Err(self.refuse_malformed(actor, refused).await);
        };
        let read = if leaf.kind == LeafKind::BatchAccepted {
            drop(tx);
            self.batch_detail(&commitment).await
        } else {
            let kept = details::of_act(&mut tx, leaf.at, index).await?;
            drop(tx);
            kept.map_or(Ok(None), |kept| self.unseal_act(&kept).map(Some))
        };
        let detail = match read {
            Ok(detail) => detail,
            // A sealing key that was destroyed took what it sealed along.
            Err(GatewayError::Key(KeyError::NoSealingKey { .. })) => None,
            Err(error) => return Err(error.into()),
        };
        let Some(detail) = detail else {
            let sentence = "the private detail of this entry is kept no more";
            let refused = Refused::new(RefusalKind::NotFound, "detail_gone", sentence);
            return Err(self.refuse_malformed(actor, refused).await);
        };
        let row = i64::try_from(index).unwrap_or(i64::MAX);
        let corrupt = StoreError::Corrupt { table: "act_detail", column: "sealed", row };
        match detail {
            Some(detail) if detail.detail().commitment()? == commitment => {
                Ok(Entry { index, bytes, leaf, detail })
            }
            _ => Err(corrupt.into()),
        }
    }

    /// The detail of the batch with this commitment; the inner `None` for one that is corrupt.
    async fn batch_detail(
        &self,
        commitment: &Hash,
    ) -> Result<Option<Option<KeptDetail>>, GatewayError> {
        let mut tx = self.store.read(Rights::Intake).await?;
        let Some(batch) = details::batch_with(&mut tx, commitment.as_bytes()).await? else {
            return Ok(None);
        };
        let sealed = details::of_batch(&mut tx, batch).await?;
        drop(tx);
        sealed.map(|sealed| self.unseal_batch(batch, &sealed)).transpose()
    }

    /// The number of the item about a record of the batch's sender.
    async fn place_of(
        &self,
        actor: &Actor,
        entry: &Entry,
        partner: &str,
        record_id: &str,
    ) -> Result<Option<u64>, Denied> {
        let Ok(id) = reference(record_id) else {
            let refused = Refused::invalid("record_id", "a record's id as its sender wrote it");
            return Err(self.refuse_malformed(actor, refused).await);
        };
        let partner: Option<PartnerId> = partner.parse().ok();
        let (Some(sender), Some(record_type)) = (&entry.leaf.partner, entry.leaf.notes.record_type)
        else {
            return Ok(None);
        };
        if partner.as_ref() != Some(sender) || entry.leaf.kind != LeafKind::BatchAccepted {
            return Ok(None);
        }
        let key = self.record_key(sender, record_type, id);
        let mut tx = self.store.read(Rights::Intake).await?;
        let feed = feeds::known(&mut tx, sender, record_type).await?;
        let number = match feed {
            Some(feed) => {
                let forms = Forms::of(&self.keys(), key.domain(), &[*key.as_bytes()])?;
                let sent = records::sent(&mut tx, feed, forms.all()).await?;
                sent.values().next().map(|sent| sent.event_number)
            }
            None => None,
        };
        drop(tx);
        Ok(self.find(&entry.detail, &key, number))
    }

    /// By the record's number, which no rotation of keys changes, or by its key as it was
    /// wrapped then.
    fn find(&self, detail: &KeptDetail, key: &Pseudonym, number: Option<i64>) -> Option<u64> {
        let is_it = |slot: &Slot| {
            let Slot::Open(_, Item::Record(record)) = slot else { return false };
            let version = KeyVersion::new(record.key_version);
            number == Some(record.place.number)
                || self
                    .keys()
                    .pseudonymiser
                    .rewrap(key, version)
                    .is_ok_and(|then| *then.as_bytes() == record.key)
        };
        detail.slots.iter().position(is_it).map(|at| at as u64)
    }
}

/// The entry of a year's log, if there is one.
async fn entry_of(tx: &mut Tx, origin: &str, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let mut logs = log::past(tx).await?;
    logs.extend(log::head(tx).await?);
    let head = match origin {
        "" => logs.pop(),
        origin => logs.into_iter().find(|head| head.origin() == origin),
    };
    match head {
        Some(head) if index < head.size => {
            Ok(log::entries_of(tx, head.base, index, index + 1).await?.pop())
        }
        _ => Ok(None),
    }
}

/// An item with its path.
fn shown(entry: &Entry, at: u64) -> Result<OpenedItem, GatewayError> {
    let detail = entry.detail.detail();
    let opening = detail.open(at)?;
    let hash = detail.hash(at).ok_or(AuditError::BeyondTree)?;
    let slot = usize::try_from(at).ok().and_then(|at| entry.detail.slots.get(at));
    let shown = match slot {
        Some(Slot::Open(salt, item)) => Some((*salt, item.text())),
        Some(Slot::Erased(_)) | None => None,
    };
    let (leaf, size, path) = (entry.bytes.clone(), opening.size, opening.path);
    Ok(OpenedItem { leaf, index: at, size, shown, hash, path })
}
