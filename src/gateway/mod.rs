//! The use cases, one a file: accept a protocol, take a batch, close a quarter, answer a
//! query. Transports stand above and only translate.
//!
//! Every use case has the same shape: look at one [`Snapshot`] of the policy, decide, and
//! hand the effect with its leaf to the sequencer. What comes back is [`Logged`], or a
//! [`Denied`] whose refusal is logged as well. Where the policy changed between decision
//! and commit, the sequencer says so and the use case decides anew.

mod access_log;
mod actor;
mod approval;
mod areas;
mod checklist;
mod close_plan;
mod close_quarter;
mod consents;
mod cosigning;
mod decide;
mod figure_text;
mod figures;
mod geography;
mod intake;
mod keys;
mod link;
mod partners;
mod project_tiles;
mod protocols;
mod refused;
pub mod register;
#[cfg(test)]
mod release_tests;
mod released;
mod releases;
mod snapshot;
#[cfg(test)]
mod tests;
mod undo_stream;
mod withdraw_release;
mod witnessing;

pub use access_log::{Consistency, Inclusion, LogPage, LogSearch};
pub use actor::Actor;
pub use approval::Waiting;
pub use areas::{AreasInForce, MOST_POSTCODES, PostcodePlace};
pub use close_quarter::Closed;
pub use consents::{
    ConsentGiver, ConsentRecord, ConsentRejection, MOST_CONSENTS, RecordedConsents, StatedConsent,
};
pub use cosigning::HistoryError;
pub use decide::{Page, PageRequest};
pub use figure_text::{FigureText, ReleaseNotice};
pub use figures::{CardAnswer, CardLine, CardRequest, QueryAnswer, QueryRequest};
pub use geography::{AreaEntry, AreaFault, AreaLevel, AreaSet};
pub use intake::{
    Accepted, Intake, KeyedBatch, MOST_ROWS, OpenStream, Rejection, Row, RowReader, StreamTotals,
};
pub use keys::GatewayKey;
pub use partners::PartnerLine;
pub use project_tiles::{ProjectionError, Projector};
pub use protocols::{
    Explained, ExplainedAct, ExplainedQuestion, ProtocolDocument, ProtocolLine, RootPolicyLine,
};
pub use refused::{Denied, GatewayError, RefusalKind, Refused};
pub use released::{Frozen, Withdrawn};
pub use snapshot::{ProtocolRecord, Snapshot};
pub use undo_stream::{UndoCause, UndoneStream};
pub use witnessing::{Answering, AskWitness, NoAnswer, Quorum, Reply, Witness, Witnesses};

use crate::{
    audit::{Decision, Leaf, LeafKind, LogSigner},
    disclosure::Catalogue,
    domain::Lsoa,
    keys::{MasterKeys, Pseudonymiser, Release, Sealer, SigningKey},
    store::{
        Act, ActError, Effect, Logged, Outcome, Rights, Sequencer, Store, StoreError, Tx,
        calendar_year, effect, feeds, geography as places,
    },
};
use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use rand::{SeedableRng, rngs::StdRng};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::task::JoinHandle;

/// Where the gateway takes its time from.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How often a use case decides anew when the policy changes under it.
const DECISIONS: usize = 4;

/// What was staged so long ago was left behind by a gateway that is gone: a batch is
/// accepted within seconds of being staged, or never.
const LEFT_BEHIND: SignedDuration = SignedDuration::from_hours(1);

/// What a gateway is made of.
pub struct Setup {
    /// The open and migrated store.
    pub store: Store,
    /// Signs the log's checkpoints.
    pub log: LogSigner,
    /// Pseudonym, wrapping and sealing keys.
    pub keys: MasterKeys,
    /// Signs releases.
    pub release_key: SigningKey<Release>,
    /// What is counted.
    pub catalogue: Catalogue,
    /// Who cosigns the log.
    pub witnesses: Arc<Witnesses>,
    /// The time.
    pub now: Now,
    /// Randomness for nonces and noise.
    pub rng: StdRng,
}

/// The gateway's use cases over one store.
pub struct Gateway {
    store: Store,
    sequencer: Sequencer,
    pseudonymiser: Pseudonymiser,
    sealer: Sealer,
    release_key: SigningKey<Release>,
    log: LogSigner,
    catalogue: Catalogue,
    witnesses: Arc<Witnesses>,
    now: Now,
    rng: Mutex<StdRng>,
    snapshot: ArcSwap<Snapshot>,
    postcodes: ArcSwap<PostcodeLookup>,
    /// The releases, opened.
    released: ArcSwap<released::Releases>,
    /// One quarter is closed at a time: a second count would only be thrown away.
    closing: tokio::sync::Mutex<()>,
    /// Looks at the policy epoch: how many were begun, and the last that ended.
    looks_begun: AtomicU64,
    looks_ended: tokio::sync::Mutex<u64>,
    /// One stream at a time stages into a feed, so that a record can't be staged twice.
    feeds: intake::FeedLocks,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gateway")
    }
}

impl Gateway {
    /// Starts the gateway on its store: clears what was staged and never accepted, starts
    /// the sequencer and logs the start. The task ends once the gateway is dropped.
    ///
    /// # Errors
    /// When the store, the log or the keys can't be used.
    pub async fn start(setup: Setup) -> Result<(Arc<Self>, JoinHandle<()>), GatewayError> {
        let Setup { store, log, keys, release_key, catalogue, witnesses, now, rng } = setup;
        let left_before = if store.is_embedded() { Timestamp::MAX } else { now() - LEFT_BEHIND };
        let mut tx = store.transact(Rights::Intake).await?;
        feeds::clear_unaccepted(&mut tx, left_before).await?;
        tx.commit().await?;
        let (sequencer, task) =
            Sequencer::start(store.clone(), log.clone(), Arc::clone(&now)).await?;
        let mut tx = store.read(Rights::Figures).await?;
        let snapshot = Snapshot::load(&mut tx).await?;
        let postcodes = PostcodeLookup::load(&mut tx).await?;
        drop(tx);
        let gateway = Self {
            store,
            sequencer,
            pseudonymiser: Pseudonymiser::new(&keys)?,
            sealer: Sealer::new(&keys)?,
            release_key,
            log,
            catalogue,
            witnesses,
            now,
            rng: Mutex::new(rng),
            snapshot: ArcSwap::from_pointee(snapshot),
            postcodes: ArcSwap::from_pointee(postcodes),
            released: ArcSwap::default(),
            closing: tokio::sync::Mutex::default(),
            looks_begun: AtomicU64::new(0),
            looks_ended: tokio::sync::Mutex::default(),
            feeds: intake::FeedLocks::default(),
        };
        let mut leaf = Leaf::new(LeafKind::GatewayStarted, gateway.now());
        leaf.notes.software = env!("CARGO_PKG_VERSION").parse().ok();
        gateway.log_of_its_own(leaf).await?;
        Ok((Arc::new(gateway), task))
    }

    /// Logs the end of the gateway's service.
    ///
    /// # Errors
    /// When the log can't be written.
    pub async fn stop(&self) -> Result<(), GatewayError> {
        self.log_of_its_own(Leaf::new(LeafKind::GatewayStopped, self.now())).await
    }

    /// Logs something nobody asked for: a start, an aggregate of failed handshakes.
    ///
    /// # Errors
    /// When the log can't be written.
    pub async fn log_of_its_own(&self, leaf: Leaf) -> Result<(), GatewayError> {
        self.sequencer.commit(Act { leaf, effect: Effect::None, epoch: None }).await?;
        Ok(())
    }

    /// The policy, register and geography in force, as this gateway last saw them.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The catalogue in use.
    #[must_use]
    pub const fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The verifier key of this year's log, which auditors should hold from elsewhere.
    #[must_use]
    pub fn log_vkey(&self) -> String {
        self.log.in_year(calendar_year(self.now())).vkey()
    }

    /// The store, for what serves it as a whole: projecting tiles, closing.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Where acts are logged.
    #[must_use]
    pub const fn sequencer(&self) -> &Sequencer {
        &self.sequencer
    }

    /// Looks at the store's policy again.
    ///
    /// # Errors
    /// When it can't be read; a policy that can't be read denies.
    pub async fn reload(&self) -> Result<Arc<Snapshot>, GatewayError> {
        let mut tx = self.store.read(Rights::Figures).await?;
        let loaded = Arc::new(Snapshot::load(&mut tx).await?);
        if places::postcodes_version(&mut tx).await? > self.postcodes.load().version {
            let lookup = Arc::new(PostcodeLookup::load(&mut tx).await?);
            self.postcodes.rcu(|held| {
                if held.version > lookup.version { Arc::clone(held) } else { Arc::clone(&lookup) }
            });
        }
        // Two reloads may race; the newer epoch stays.
        self.snapshot.rcu(|held| {
            if held.epoch() > loaded.epoch() { Arc::clone(held) } else { Arc::clone(&loaded) }
        });
        Ok(self.snapshot())
    }

    /// Makes sure that the snapshot is no older than this call: whatever another gateway on
    /// the same database was told before is seen. Calls that wait share one look. (The commit
    /// compares the epoch again; this is for what is refused, and for who is calling.)
    ///
    /// # Errors
    /// When the epoch can't be read; a policy that can't be read denies.
    pub async fn catch_up(&self) -> Result<(), GatewayError> {
        if self.store.is_embedded() {
            return Ok(());
        }
        let begun = self.looks_begun.load(Ordering::Acquire);
        let mut ended = self.looks_ended.lock().await;
        if *ended > begun {
            return Ok(());
        }
        let number = self.looks_begun.fetch_add(1, Ordering::AcqRel) + 1;
        let mut tx = self.store.read(Rights::Figures).await?;
        let epoch = effect::policy_epoch(&mut tx).await?;
        drop(tx);
        if epoch > self.snapshot.load().epoch() {
            self.reload().await?;
        }
        *ended = number;
        Ok(())
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// The day in Europe/London.
    #[must_use]
    pub fn today(&self) -> Date {
        let london = TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC);
        self.now().to_zoned(london).date()
    }

    /// A generator of its own for one task, seeded from the gateway's.
    fn rng(&self) -> StdRng {
        StdRng::from_rng(&mut *self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Commits an act of an actor.
    async fn commit(
        &self,
        leaf: Leaf,
        effect: Effect,
        epoch: Option<u64>,
    ) -> Result<Logged<Outcome>, ActError> {
        self.sequencer.commit(Act { leaf, effect, epoch }).await
    }

    /// Logs a refusal that is told within another answer: of some rows of a batch.
    async fn log_refusal(&self, mut leaf: Leaf, reason: &'static str) -> Result<(), ActError> {
        leaf.kind = LeafKind::Refused;
        leaf.decision = Decision::Refused { reason: refused::word(reason) };
        self.commit(leaf, Effect::None, None).await.map(drop)
    }

    /// Logs a refusal and hands it over as the answer.
    pub async fn refuse(&self, mut leaf: Leaf, refused: Refused) -> Denied {
        leaf.kind = LeafKind::Refused;
        leaf.decision = Decision::Refused { reason: refused::word(refused.reason()) };
        match self.commit(leaf, Effect::None, None).await {
            Ok(logged) => Denied::Refused(Box::new(logged.map(|_| refused))),
            Err(_) => Denied::Failed(GatewayError::LogUnavailable),
        }
    }
}

/// The postcode lookup in memory, as of a version of it.
struct PostcodeLookup {
    version: u64,
    places: HashMap<[u8; 16], Lsoa>,
}

impl PostcodeLookup {
    async fn load(tx: &mut Tx) -> Result<Self, StoreError> {
        let version = places::postcodes_version(tx).await?;
        let corrupt = |_| StoreError::Corrupt { table: "postcode", column: "lsoa", row: 0 };
        let places = places::postcodes(tx)
            .await?
            .into_iter()
            .map(|(key, number)| Ok((key, Lsoa::from_number(number).map_err(corrupt)?)))
            .collect::<Result<_, StoreError>>()?;
        Ok(Self { version, places })
    }
}
