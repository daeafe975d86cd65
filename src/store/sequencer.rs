//! The write path of the access log: whatever is done, asked or refused is committed
//! together with its leaf, and only then answered.
//!
//! One task takes all that is queued, without a timer, and commits ONE transaction: each
//! act's small effect under a savepoint of its own, so that one caller's error spoils
//! nobody's; entries, tree hashes, the signed checkpoint; last of all the head row, by
//! compare-and-swap on (size, root). There is no leader and no lease: each gateway
//! sequences its own queue and the head row settles it; where several share a database, a
//! transaction begins by locking that row, so that none works in vain. A crash before the
//! commit leaves nothing; after it, the act is logged although nobody was told, which is
//! safe. Where the connection breaks while a commit is under way, the log itself is asked
//! whether it holds the entries: an act is neither lost nor done twice.
//!
//! A new year is a new log with a name and a tree of its own: the first transaction of the
//! year (by Europe/London, as quarters are) ends the old log as it is, and the new one begins
//! with a leaf that carries the old one's last checkpoint. The log's times never go back, so
//! neither do its years.

mod batch;
mod years;

pub use years::calendar_year;

use super::{
    Effect, Outcome, Rights, Store, StoreError, Tx, details, effect,
    log::{self, Growth, Head},
    partners,
};
use crate::audit::{self, Appended, Frontier, Leaf, LogSigner, Receipt};
use batch::{Batch, Known};
use jiff::Timestamp;
use std::{mem, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::Instant,
};
use years::{Years, latest, may_begin, opening};

/// The most acts a transaction takes, so that none waits long for its neighbours.
const MOST_ACTS: usize = 1_000;
/// The longest it gathers acts that are already queued.
const LONGEST_GATHERING: Duration = Duration::from_millis(10);
/// Acts that may wait; beyond, callers wait to queue.
const QUEUE: usize = 4_096;
/// How often a transaction is tried again when another gateway moved the head, or the
/// database was lost and came back.
const TRIES: usize = 16;

/// What is to be done, with the leaf that says so.
#[derive(Debug)]
pub struct Act {
    /// The leaf; the sequencer fills in its time and the partner's own counter.
    pub leaf: Leaf,
    /// What changes with it.
    pub effect: Effect,
    /// The policy epoch its decision was made under; compared inside the transaction.
    pub epoch: Option<u64>,
}

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The policy changed since the decision: decide anew.
    #[error("the policy changed since this was decided")]
    PolicyChanged,
    /// What it was to change is no longer as it was: another act was first.
    #[error("another act was first")]
    Conflict,
    /// The log can't be written, so nothing is answered.
    #[error("the access log can't be written")]
    Unavailable,
    /// The gateway did not ask for it: a witness contradicts the log.
    #[error("a witness contradicts the access log")]
    Withheld,
}

/// An answer that is in the access log. Only the sequencer makes one.
#[derive(Debug)]
pub struct Logged<T> {
    value: T,
    receipt: Receipt,
    place: u64,
    partner_sequence: Option<u64>,
}

impl<T> Logged<T> {
    /// The answer.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// The proof that it is logged.
    pub const fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// Where its leaf lies among those of all years: the log's base and the leaf's index.
    pub const fn place(&self) -> u64 {
        self.place
    }

    /// The acting partner's own counter of logged acts.
    pub const fn partner_sequence(&self) -> Option<u64> {
        self.partner_sequence
    }

    /// The same proof for another form of the answer.
    pub fn map<U>(self, form: impl FnOnce(T) -> U) -> Logged<U> {
        Logged {
            value: form(self.value),
            receipt: self.receipt,
            place: self.place,
            partner_sequence: self.partner_sequence,
        }
    }

    /// The answer and its proof.
    pub fn into_parts(self) -> (T, Receipt) {
        (self.value, self.receipt)
    }
}

struct Waiting {
    act: Act,
    reply: oneshot::Sender<Result<Logged<Outcome>, ActError>>,
}

/// Where acts queue.
#[derive(Clone)]
pub struct Sequencer {
    queue: mpsc::Sender<Waiting>,
    head: watch::Receiver<u64>,
}

impl std::fmt::Debug for Sequencer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sequencer")
    }
}

impl Sequencer {
    /// Starts the task; it ends once every handle is dropped and the queue is empty. The
    /// signer's name may hold the year, see [`LogName::in_year`](crate::audit::LogName::in_year).
    ///
    /// # Errors
    /// When the log's head can't be read or does not fit its hashes, or its name is not one
    /// that the signer's may follow.
    pub async fn start(
        store: Store,
        signer: LogSigner,
        now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    ) -> Result<(Self, JoinHandle<()>), StoreError> {
        let mut tx = store.read(Rights::Sequencer).await?;
        let head = log::head(&mut tx).await?;
        let frontier = log::frontier(&mut tx, head.as_ref()).await?;
        let mut years = Years::new(signer);
        if let Some(head) = &head {
            let signer = years.signer(latest(now(), Some(head))?);
            if signer.name().as_str() != head.origin() {
                may_begin(&mut tx, signer.name(), head).await?;
            }
        }
        drop(tx);
        let (queue, acts) = mpsc::channel(QUEUE);
        let (size, head_size) = watch::channel(frontier.size());
        let known = Known::default();
        let worker = Worker { store, years, now, head, frontier, known, size };
        let task = tokio::spawn(worker.run(acts));
        Ok((Self { queue, head: head_size }, task))
    }

    /// Commits an act with its leaf.
    ///
    /// # Errors
    /// When it was not done; see [`ActError`].
    pub async fn commit(&self, act: Act) -> Result<Logged<Outcome>, ActError> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(Waiting { act, reply }).await.map_err(|_| ActError::Unavailable)?;
        answer.await.map_err(|_| ActError::Unavailable)?
    }

    /// Commits an act without an effect's outcome and hands `value` over as logged.
    ///
    /// # Errors
    /// As [`Sequencer::commit`].
    pub async fn log<T>(&self, act: Act, value: T) -> Result<Logged<T>, ActError> {
        Ok(self.commit(act).await?.map(|_| value))
    }

    /// The log's size, to be told when it grows.
    #[must_use]
    pub fn size(&self) -> watch::Receiver<u64> {
        self.head.clone()
    }
}

struct Worker {
    store: Store,
    years: Years,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    head: Option<Head>,
    frontier: Frontier,
    known: Known,
    size: watch::Sender<u64>,
}

/// What a transaction came to.
enum Tried {
    Committed(Box<Committed>),
    /// Another gateway moved the head first; nothing was done.
    HeadMoved,
    /// The connection broke while it was committed; the log knows.
    Unknown(Box<Committed>),
}

/// What a transaction wrote.
struct Committed {
    head: Head,
    appended: Appended,
    known: Known,
    results: Vec<Result<Done, ActError>>,
    /// The index of its first entry, and its entries.
    first: u64,
    leaves: Vec<Vec<u8>>,
}

struct Done {
    outcome: Outcome,
    leaf_hash: audit::Hash,
    leaf_index: u64,
    partner_sequence: Option<u64>,
}

impl Worker {
    async fn run(mut self, mut acts: mpsc::Receiver<Waiting>) {
        while let Some(first) = acts.recv().await {
            let begun = Instant::now();
            let mut waiting = vec![first];
            while waiting.len() < MOST_ACTS && begun.elapsed() < LONGEST_GATHERING {
                match acts.try_recv() {
                    Ok(next) => waiting.push(next),
                    Err(_) => break,
                }
            }
            self.settle(waiting).await;
        }
    }

    /// Commits what is waiting and answers it.
    async fn settle(&mut self, waiting: Vec<Waiting>) {
        let (acts, replies): (Vec<Act>, Vec<_>) =
            waiting.into_iter().map(|w| (w.act, w.reply)).unzip();
        let begun = Instant::now();
        let committed = self.commit(&acts).await;
        self.store.meters().committed(begun.elapsed());
        match committed {
            Ok(committed) => self.answer(committed, replies),
            Err(error) => {
                tracing::error!(%error, "the access log could not be written");
                // The commit may have persisted although it failed: look again, never guess.
                if let Err(error) = self.reload().await {
                    tracing::error!(%error, "the access log could not be read again");
                }
                for reply in replies {
                    let _ = reply.send(Err(ActError::Unavailable));
                }
            }
        }
    }

    fn answer(
        &mut self,
        committed: Committed,
        replies: Vec<oneshot::Sender<Result<Logged<Outcome>, ActError>>>,
    ) {
        let Committed { head, appended, known, results, first, mut leaves } = committed;
        for (result, reply) in results.into_iter().zip(replies) {
            let answer = result.and_then(|done| {
                let Done { leaf_index, leaf_hash, .. } = done;
                // Each act's own, so it can be taken out.
                let place = usize::try_from(leaf_index - first).ok();
                let leaf = place.and_then(|place| leaves.get_mut(place)).map(mem::take);
                let leaf = leaf.ok_or(ActError::Unavailable)?;
                let checkpoint = head.checkpoint.clone();
                let receipt = Receipt::of(&appended, leaf_index, leaf_hash, leaf, checkpoint)
                    .map_err(|_| ActError::Unavailable)?;
                let (value, place) = (done.outcome, head.base + leaf_index);
                Ok(Logged { value, receipt, place, partner_sequence: done.partner_sequence })
            });
            // A caller that has gone away is still logged.
            let _ = reply.send(answer);
        }
        self.frontier = appended.frontier;
        self.known = known;
        self.size.send_replace(head.size);
        self.head = Some(head);
    }

    async fn reload(&mut self) -> Result<(), StoreError> {
        let mut tx = self.store.read(Rights::Sequencer).await?;
        self.head = log::head(&mut tx).await?;
        self.frontier = log::frontier(&mut tx, self.head.as_ref()).await?;
        self.known = Known::default();
        Ok(())
    }

    /// Commits, again where another gateway was first or the database came back.
    async fn commit(&mut self, acts: &[Act]) -> Result<Committed, StoreError> {
        for _ in 0..TRIES {
            match self.try_commit(acts).await {
                Ok(Tried::Committed(committed)) => return Ok(*committed),
                Ok(Tried::HeadMoved) => self.reload().await?,
                Ok(Tried::Unknown(committed)) => {
                    self.reload().await?;
                    if self.holds(&committed).await? {
                        return Ok(*committed);
                    }
                }
                Err(error)
                    if error.is_duplicate_of("log_entry")
                        || error.is_duplicate_of("act_detail") =>
                {
                    self.reload().await?;
                }
                Err(error) if error.is_lost_connection() => {
                    tracing::warn!(%error, "the database was lost; trying again");
                    self.reload().await?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Unchanged { table: "log_head" })
    }

    /// Whether the log holds the entries of a commit whose answer was lost.
    async fn holds(&self, committed: &Committed) -> Result<bool, StoreError> {
        let (base, size) = (committed.head.base, committed.head.size);
        let held = self.head.as_ref().map_or((0, 0), |head| (head.base, head.size));
        if held < (base, size) {
            return Ok(false);
        }
        let mut tx = self.store.read(Rights::Sequencer).await?;
        let entries = log::entries_of(&mut tx, base, committed.first, size).await;
        match entries {
            // Another gateway ended that log without them.
            Err(StoreError::LogDamaged) if held.0 > base => Ok(false),
            entries => Ok(entries? == committed.leaves),
        }
    }

    /// One transaction.
    async fn try_commit(&mut self, acts: &[Act]) -> Result<Tried, StoreError> {
        let mut tx = self.store.transact(Rights::Sequencer).await?;
        if !self.store.is_embedded() {
            let head = log::lock_head(&mut tx).await?;
            if head != self.head {
                self.frontier = log::frontier(&mut tx, head.as_ref()).await?;
                self.head = head;
                self.known = Known::default();
            }
        }
        let time = latest((self.now)(), self.head.as_ref())?;
        let at = time.as_microsecond();
        let signer = self.years.signer(time);
        let known = self.known.clone();
        let mut batch = Batch::new(time, known);
        let (mut base, mut frontier) = match &self.head {
            Some(head) => (head.base, self.frontier.clone()),
            None => (0, Frontier::empty()),
        };
        let mut own = 0;
        if let Some(old) = &self.head
            && old.origin() != signer.name().as_str()
        {
            may_begin(&mut tx, signer.name(), old).await?;
            log::end(&mut tx, old).await?;
            batch.leaves.push(opening(old, time)?);
            (base, frontier, own) = (old.base + log::SPAN, Frontier::empty(), 1);
        }
        let mut results = Vec::with_capacity(acts.len());
        for act in acts {
            results.push(batch.apply(&mut tx, act).await?);
        }
        partners::store_sequences(&mut tx, &batch.new_sequences()).await?;
        let first = frontier.size();
        let hashes: Vec<_> = batch.leaves.iter().map(|leaf| audit::leaf_hash(leaf)).collect();
        let appended = frontier.append(&hashes)?;
        details::insert(&mut tx, time, first, &batch.details).await?;
        let size = appended.frontier.size();
        let checkpoint = signer.sign_checkpoint(size, &appended.root);
        let head = Head { base, size, root: appended.root, checkpoint, at };
        if size > first {
            let (leaves, hashes) = (&*batch.leaves, &*appended.new_hashes);
            let growth = Growth { base, first, leaves, hashes };
            if !log::grow(&mut tx, &growth, self.head.as_ref(), &head).await? {
                return Ok(Tried::HeadMoved);
            }
        }
        let mut placed = (first..).zip(hashes).skip(own);
        let results = results
            .into_iter()
            .map(|result| {
                let (outcome, partner_sequence) = result?;
                let (leaf_index, leaf_hash) = placed.next().ok_or(ActError::Unavailable)?;
                Ok(Done { outcome, leaf_hash, leaf_index, partner_sequence })
            })
            .collect();
        let Batch { known, leaves, .. } = batch;
        let committed = Box::new(Committed { head, appended, known, results, first, leaves });
        match tx.commit().await {
            Ok(()) => Ok(Tried::Committed(committed)),
            Err(error) if error.is_lost_connection() => {
                tracing::warn!(%error, "the database was lost in a commit; asking the log");
                Ok(Tried::Unknown(committed))
            }
            Err(error) => Err(error),
        }
    }
}
