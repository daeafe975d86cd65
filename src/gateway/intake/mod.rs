//! Taking records in: open a stream under a permit, take batches, close it.
//!
//! A record's way: row of texts -> checked row ([`RowLayout`]), beside it the values of what its
//! sender blinded -> keyed record (no raw identifier, name or address is left) -> admitted by the
//! permit -> linked and staged -> accepted together with its leaf -> acknowledged.
//! Acknowledgements say what was wrong with the sender's own rows and nothing about what others
//! hold or what linked.
//!
//! Records that state something about a consent go another way ([`statements`]): they are what the
//! consent service's calls are, and are neither staged nor linked.

mod keyed;
mod open;
mod stage;
mod statements;
mod supersede;

use super::{
    Actor, DECISIONS, Denied, Gateway, GatewayError, RefusalKind, Refused, protocols::warnings,
};
use crate::{
    audit::{Hash, Leaf, LeafKind, ProtocolReference, SizeClass, Token},
    domain::{BatchId, FeedId, PartnerId, RecordType, row::RowLayout},
    meters::IntakeMeters,
    protocol::{CallerRole, IntakePermit},
    store::{ActError, Effect, Logged, Rights, StoreError, undo},
};
use jiff::civil::Date;
pub(super) use keyed::keyed_identity;
pub use keyed::{BlindedPerson, BlindedRow, KeyedBatch};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::OwnedMutexGuard;

/// The most rows a batch may have.
pub const MOST_ROWS: usize = 2_000;

/// One record as it came, a value a column. No Debug: it holds identities.
pub type Row = Vec<String>;

/// How a stream's rows were blinded, as its sender says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blinding {
    /// The key that the gateway's proofs were verified under.
    pub public_key: Vec<u8>,
    /// The version of the rules for names and addresses.
    pub rules: u32,
    /// The version of the rules for identifiers.
    pub identifier_rules: u32,
    /// The version of the rules for what persons are compared by.
    pub comparison_rules: u32,
}

/// What a sender asks when it opens a stream.
#[derive(Debug, Clone)]
pub struct OpenStream {
    /// The protocol relied on.
    pub protocol: String,
    /// Its version; 0 for the one in force.
    pub version: u32,
    /// The type of every record.
    pub record_type: String,
    /// The purpose claimed; empty for whatever the flow is for.
    pub purpose: String,
    /// The columns of every row.
    pub columns: Vec<String>,
    /// The day the extract stands for, `YYYY-MM-DD`.
    pub extract_day: String,
    /// Check everything, store nothing.
    pub dry_run: bool,
    /// How the rows were blinded; nothing where they come in clear.
    pub blinding: Option<Blinding>,
}

/// Why a row was not taken; never its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Zero-based place in the batch.
    pub row: usize,
    /// The column, or empty for the row as a whole.
    pub field: &'static str,
    /// Stable code of the rule or clause.
    pub rule: &'static str,
    /// What a good value looks like.
    pub sentence: &'static str,
    /// Whether the protocol refused it, rather than a rule of form.
    pub by_protocol: bool,
}

/// What became of a batch, as its sender may know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Well-formed rows, those sent before included.
    pub well_formed: usize,
    /// Rows sent before.
    pub sent_before: usize,
    /// Rows that were not taken.
    pub rejections: Vec<Rejection>,
}

impl Accepted {
    /// Rows that were not taken; one may break several rules.
    fn rejected(&self) -> u64 {
        self.rejections.iter().map(|rejection| rejection.row).collect::<BTreeSet<_>>().len() as u64
    }

    /// Counts its rows, which are stored, for those who watch the gateway.
    fn count(&self, record_type: RecordType, meters: &IntakeMeters) {
        let new = self.well_formed.saturating_sub(self.sent_before) as u64;
        let rows = (new, self.sent_before as u64, self.rejected());
        meters.took(record_type, rows, self.rejections.iter().map(|rejection| rejection.rule));
    }
}

/// What a stream came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamTotals {
    /// Batches acknowledged.
    pub batches: u64,
    /// Rows well-formed.
    pub well_formed: u64,
    /// Rows sent before.
    pub sent_before: u64,
    /// Rows rejected.
    pub rejected: u64,
}

/// One lock a feed.
#[derive(Default)]
pub(super) struct FeedLocks(Mutex<HashMap<FeedId, Arc<tokio::sync::Mutex<()>>>>);

impl FeedLocks {
    async fn lock(&self, feed: FeedId) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(locks.entry(feed).or_default())
        };
        lock.lock_owned().await
    }
}

/// Reads a stream's rows: apart from the stream itself, so that one batch can be checked
/// and keyed while the one before it is being stored.
pub struct RowReader {
    gateway: Arc<Gateway>,
    partner: PartnerId,
    layout: RowLayout,
    record_type: RecordType,
    blinded: bool,
}

impl std::fmt::Debug for RowReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowReader").field("record_type", &self.record_type).finish_non_exhaustive()
    }
}

impl RowReader {
    /// Checks and keys a batch's rows: after this, nobody can be named.
    ///
    /// # Errors
    /// When a key fails.
    pub fn read(&self, rows: Vec<Row>) -> Result<KeyedBatch, GatewayError> {
        KeyedBatch::read(self, rows)
    }

    /// The same for rows of a blinded stream: what a row stands for came beside it, or nothing
    /// where that was malformed.
    ///
    /// # Errors
    /// When a key fails.
    pub fn read_blinded(
        &self,
        rows: Vec<(Row, Option<BlindedRow>)>,
    ) -> Result<KeyedBatch, GatewayError> {
        KeyedBatch::read_blinded(self, rows)
    }

    /// Whether the stream was opened for blinded rows.
    #[must_use]
    pub const fn is_blinded(&self) -> bool {
        self.blinded
    }
}

/// An open stream. It holds the permit: no batch is taken without one.
pub struct Intake {
    gateway: Arc<Gateway>,
    actor: Actor,
    permit: IntakePermit,
    reader: Arc<RowReader>,
    record_type: RecordType,
    feed: FeedId,
    extract_day: Date,
    dry_run: bool,
    opened: u64,
    /// Its place among those of all years.
    stream: u64,
    decided_on: Date,
    totals: StreamTotals,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").field("record_type", &self.record_type).finish_non_exhaustive()
    }
}

/// A leaf of an act that a permit allowed.
pub(super) fn permit_leaf(
    kind: LeafKind,
    actor: &Actor,
    permit: &IntakePermit,
    gateway: &Gateway,
) -> Leaf {
    let mut leaf = actor.leaf(kind, gateway);
    leaf.purpose = permit.purpose().code().parse().ok();
    leaf.legal_basis = permit.legal_basis().gateway.code().parse::<Token>().ok();
    leaf.protocol = Some(ProtocolReference {
        digest: Hash::new(*permit.digest().as_bytes()),
        id: permit.protocol().clone(),
        version: permit.version().number(),
    });
    leaf.clause = permit.clause().pointer().parse().ok();
    leaf.notes.policy_epoch = Some(permit.epoch());
    leaf
}

impl Intake {
    /// The version of the protocol that the stream runs under.
    #[must_use]
    pub fn protocol_version(&self) -> u32 {
        self.permit.version().number()
    }

    /// What somebody should see to about that protocol, in words.
    #[must_use]
    pub fn protocol_warnings(&self) -> Vec<String> {
        let snapshot = self.gateway.snapshot();
        let record = snapshot.protocol(self.permit.protocol(), self.permit.version().number());
        let agreed = record.and_then(super::ProtocolRecord::agreed);
        let today = self.gateway.today();
        agreed.map_or_else(Vec::new, |(known, life)| warnings(known, life, today))
    }

    /// What reads the stream's rows.
    #[must_use]
    pub fn reader(&self) -> Arc<RowReader> {
        Arc::clone(&self.reader)
    }

    /// Takes a batch that was read: admits, links, stages, and accepts it with its leaf. In a
    /// dry run it stops before it would store, and there is no receipt.
    ///
    /// # Errors
    /// When the batch is too large, the permit no longer holds, or it can't be stored.
    pub async fn take_batch(
        &mut self,
        mut batch: KeyedBatch,
    ) -> Result<(Accepted, Option<Logged<()>>), Denied> {
        let gateway = Arc::clone(&self.gateway);
        if batch.rows() > MOST_ROWS {
            let leaf = self.actor.leaf(LeafKind::Refused, &gateway);
            return Err(gateway.refuse(leaf, Refused::invalid("rows", "at most 2,000 rows")).await);
        }
        if self.record_type.definition().statement {
            return self.take_statements(batch).await;
        }
        for attempt in 0..DECISIONS {
            gateway.catch_up().await?;
            self.renew_permit().await?;
            let keys = gateway.writing_keys().await?;
            batch.renew(&keys).map_err(GatewayError::Key)?;
            let mut accepted = batch.admit(self).await?;
            if attempt == 0 {
                self.log_refused_rows(&accepted).await?;
            }
            if self.dry_run {
                self.totals.add(&accepted);
                return Ok((accepted, None));
            }
            let _one_stream = gateway.feeds.lock(self.feed).await;
            let staged = match stage::stage(self, &mut batch, &keys, &mut accepted).await {
                Ok(staged) => staged,
                // Another version of the keys came into use since: nothing was staged.
                Err(GatewayError::KeysBehind) => {
                    gateway.reload().await?;
                    continue;
                }
                // Whatever of it persisted was never accepted; it is taken over.
                Err(GatewayError::Store(error)) if error.is_lost_connection() => continue,
                // What was to be taken over was accepted meanwhile, through another gateway: the
                // next look finds it sent.
                Err(GatewayError::Store(StoreError::Unchanged { table: "batch" })) => continue,
                Err(error) => return Err(error.into()),
            };
            let mut leaf =
                permit_leaf(LeafKind::BatchAccepted, &self.actor, &self.permit, &gateway);
            leaf.size_class = Some(SizeClass::of(accepted.well_formed as u64));
            leaf.notes.record_type = Some(self.record_type);
            leaf.notes.stream = Some(self.opened);
            leaf.detail = Some(staged.commitment);
            let effect = Effect::AcceptBatch(staged.batch);
            match gateway.commit(leaf, effect, Some(self.permit.epoch())).await {
                Ok(logged) => {
                    self.totals.add(&accepted);
                    accepted.count(self.record_type, &gateway.meters);
                    return Ok((accepted, Some(logged.map(|_| ()))));
                }
                Err(ActError::PolicyChanged) => {
                    stage::abandon(self, staged.batch).await?;
                    gateway.policy_moved(&self.actor).await?;
                }
                // Another gateway's stream of this feed took the staged rows over, or the
                // sender took this stream back while it was still sending.
                Err(ActError::Conflict) => self.must_not_be_undone(staged.batch).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(GatewayError::Unsettled.into())
    }

    /// A stream that was undone takes no more batches.
    async fn must_not_be_undone(&self, batch: BatchId) -> Result<(), Denied> {
        let mut tx = self.gateway.store.read(Rights::Intake).await?;
        let undone = undo::undone(&mut tx, self.stream).await?;
        drop(tx);
        if undone.is_none() {
            return Ok(());
        }
        stage::abandon(self, batch).await?;
        let mut leaf = permit_leaf(LeafKind::Refused, &self.actor, &self.permit, &self.gateway);
        leaf.notes.record_type = Some(self.record_type);
        leaf.notes.stream = Some(self.opened);
        let sentence = "this stream was undone by its sender; open another one";
        let refused = Refused::new(RefusalKind::Conflict, "stream_undone", sentence);
        Err(self.gateway.refuse(leaf, refused).await)
    }

    /// One leaf for each clause that refused rows of a batch, with how many in size classes.
    async fn log_refused_rows(&self, accepted: &Accepted) -> Result<(), Denied> {
        let mut reasons: BTreeMap<&'static str, u64> = BTreeMap::new();
        for rejection in accepted.rejections.iter().filter(|rejection| rejection.by_protocol) {
            *reasons.entry(rejection.rule).or_default() += 1;
        }
        for (reason, rows) in reasons {
            let mut leaf = permit_leaf(LeafKind::Refused, &self.actor, &self.permit, &self.gateway);
            leaf.size_class = Some(SizeClass::of(rows));
            leaf.notes.record_type = Some(self.record_type);
            leaf.notes.stream = Some(self.opened);
            self.gateway.log_refusal(leaf, reason).await?;
        }
        Ok(())
    }

    /// Decides anew where the policy or the day has changed.
    async fn renew_permit(&mut self) -> Result<(), Denied> {
        let snapshot = self.gateway.snapshot();
        let today = self.gateway.today();
        if snapshot.epoch() == self.permit.epoch() && today == self.decided_on {
            return Ok(());
        }
        self.gateway.still_registered(&self.actor, &snapshot, &[CallerRole::Provider]).await?;
        match self.permit.decide_anew(snapshot.policy(), today) {
            Ok(permit) => {
                self.permit = permit;
                self.decided_on = today;
                Ok(())
            }
            Err(refusal) => {
                let mut leaf =
                    permit_leaf(LeafKind::Refused, &self.actor, &self.permit, &self.gateway);
                leaf.clause = refusal.clause().and_then(|clause| clause.pointer().parse().ok());
                leaf.notes.policy_epoch = Some(snapshot.epoch());
                Err(self.gateway.refuse(leaf, Refused::by(&refusal)).await)
            }
        }
    }

    /// Closes the stream.
    ///
    /// # Errors
    /// When the closing can't be logged.
    pub async fn close(self) -> Result<Logged<StreamTotals>, Denied> {
        let mut leaf =
            permit_leaf(LeafKind::IntakeStreamClosed, &self.actor, &self.permit, &self.gateway);
        leaf.size_class = Some(SizeClass::of(self.totals.well_formed));
        leaf.notes.record_type = Some(self.record_type);
        leaf.notes.stream = Some(self.opened);
        let logged = self.gateway.commit(leaf, Effect::None, None).await?;
        Ok(logged.map(|_| self.totals))
    }
}

impl StreamTotals {
    fn add(&mut self, accepted: &Accepted) {
        self.batches += 1;
        self.well_formed += accepted.well_formed as u64;
        self.sent_before += accepted.sent_before as u64;
        self.rejected += accepted.rejected();
    }
}
