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
mod asked;
mod asking;
mod back_series;
pub(crate) mod bench;
mod blinding;
mod book;
mod book_line;
mod card;
mod checklist;
mod close_plan;
mod close_quarter;
mod close_read;
mod consents;
mod cosigning;
mod decide;
mod destroy_keys;
mod details;
mod erase;
mod feeds_due;
mod figure_text;
mod figures;
mod find_figures;
mod following;
mod forms;
mod geography;
mod history;
mod intake;
mod keys;
mod link;
mod log_stream;
mod numbers;
mod open_detail;
mod partners;
mod privacy_notices;
mod project_tiles;
mod protocols;
mod published;
mod quorum;
mod refused;
pub mod register;
#[cfg(test)]
mod release_tests;
mod released;
mod releases;
mod relink;
mod retention;
mod review;
mod rights;
mod rotate_keys;
mod signing_in;
mod snapshot;
mod subjects;
mod table_requests;
#[cfg(test)]
mod tests;
mod undo_stream;
mod withdraw_consent;
mod withdraw_release;
mod witnessing;

pub use crate::linkage::{BlindedIdentity, Comparison, Lookup, Rung};
pub use crate::protocol::{ConsentGiver, ConsentMeans, ConsentRecord};
pub use access_log::{Consistency, Inclusion, LogPage, LogSearch};
pub use actor::{Actor, CallerName};
pub use approval::Waiting;
pub use areas::{AreasInForce, MOST_POSTCODES, PostcodePlace};
pub use blinding::{EVALUATIONS_A_RECORD, Evaluated, Quotas};
pub use book::{
    Beside, BesideLine, BookAnswer, BookArea, BookLine, BookRequest, ChangeText, PartLine,
    TargetText,
};
pub use card::CARD_PURPOSES;
pub use close_quarter::Closed;
pub use consents::{
    AskedConsent, ConsentRejection, KnownConsent, KnownStatement, MOST_CONSENTS, RecordedConsents,
    StatedConsent,
};
pub use decide::{Page, PageRequest};
pub use destroy_keys::{DestroyReason, Destroyed, DestroyedKeys};
pub use erase::{MOST_RECORDS, NamedRecords};
pub use feeds_due::{FeedLine, FeedState, PartnersAndFeeds};
pub use figure_text::{FigureText, ReleaseNotice};
pub use figures::{CardAnswer, CardLine, CardRequest, QueryAnswer, QueryRequest};
pub use find_figures::FoundFigure;
pub use geography::{AreaEntry, AreaFault, AreaLevel, AreaSet, Neighbourhood};
pub use history::HistoryError;
pub use intake::{
    Accepted, BlindedPerson, BlindedRow, Blinding, Intake, KeyedBatch, MOST_ROWS, OpenStream,
    Rejection, Row, RowReader, StreamTotals,
};
pub use keys::{GatewayKey, RowsLeft};
pub(crate) use link::link as link_identities;
pub use log_stream::{EntryBundle, EntryStream, WantedEntries};
pub use numbers::{Numbers, Watched};
pub use open_detail::{Opened, OpenedItem, Sought};
pub use partners::PartnerLine;
pub use privacy_notices::StatedNotice;
pub use project_tiles::{ProjectionError, Projector};
pub use protocols::{
    Explained, ExplainedAct, ExplainedQuestion, ProtocolDocument, ProtocolFilter, ProtocolLine,
    ReleaseConcerned, RevokedPart, RootPolicyLine,
};
pub use published::{Published, PublishedCheckpoint};
pub use quorum::Quorum;
pub use refused::{Denied, GatewayError, RefusalKind, Refused};
pub use released::{Frozen, Withdrawn};
pub use relink::Relinking;
pub use retention::{RetentionDay, RetentionLine, RetentionProof, Verdict};
pub use review::{LogState, MOST_WALKED, ReviewFinding, Reviewed, Walked};
pub use rights::{
    AcknowledgedNotices, CaseAnswer, CaseState, CaseSubject, FlowEffect, JournalError,
    JournalPlace, NewCase, NoticeLine, OpenedCase, Overdue, Progress, StatedAcknowledgement,
    StatedIdentity,
};
pub use rotate_keys::{Advance, Rotation};
pub use snapshot::{ProtocolRecord, Snapshot};
pub use subjects::{
    AskReport, IdentityProof, MarkedRecords, NamedSubject, Reported, SealedReport, SubjectRequest,
    WithholdReason, report_info,
};
pub use table_requests::{TableRequest, base_of};
pub use undo_stream::{UndoCause, UndoneStream};
pub use withdraw_consent::Withdrawing;
pub use witnessing::{Answering, AskWitness, NoAnswer, Reply, Witness, Witnesses};

use crate::{
    audit::{Decision, Leaf, LeafKind, LogSigner},
    disclosure::Catalogue,
    keys::{KeyVersion, KeysInUse, MasterFile, MasterKeys, Release, SigningKey},
    meters::IntakeMeters,
    store::{
        Act, ActError, Effect, Logged, Outcome, Rights, Sequencer, Store, calendar_year, cases,
        details::Kept, feeds, key_versions,
    },
};
use arc_swap::ArcSwap;
use following::PostcodeLookup;
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use rand::{SeedableRng, rngs::StdRng};
use std::sync::{Arc, Mutex, PoisonError, atomic::AtomicU64};
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
    /// Their file, to be read again when the store asks for another version, and written when
    /// one is destroyed.
    pub key_file: Option<MasterFile>,
    /// Signs releases.
    pub release_key: SigningKey<Release>,
    /// What is counted.
    pub catalogue: Catalogue,
    /// Who cosigns the log.
    pub witnesses: Arc<Witnesses>,
    /// How many blinded values a partner may have evaluated.
    pub quotas: Quotas,
    /// The time.
    pub now: Now,
    /// Randomness for nonces and noise.
    pub rng: StdRng,
}

/// The gateway's use cases over one store.
pub struct Gateway {
    store: Store,
    sequencer: Sequencer,
    /// The keys as the store says they are used.
    keys: ArcSwap<KeysInUse>,
    key_file: Option<MasterFile>,
    /// Wakes who wraps stored values anew.
    rotating: tokio::sync::Notify,
    /// Told when somebody begins to relink.
    relinking: tokio::sync::Notify,
    release_key: SigningKey<Release>,
    log: LogSigner,
    catalogue: Catalogue,
    witnesses: Arc<Witnesses>,
    evaluations: blinding::Evaluations,
    now: Now,
    rng: Mutex<StdRng>,
    snapshot: ArcSwap<Snapshot>,
    postcodes: ArcSwap<PostcodeLookup>,
    /// Whom a choice of its own keeps out at intake.
    suppressions: ArcSwap<rights::Suppressions>,
    /// What binds and what is gone, apart from the database.
    journal: tokio::sync::Mutex<Option<rights::Journal>>,
    /// The releases, opened.
    released: ArcSwap<released::Releases>,
    /// Everything that is kept is looked at by one call at a time.
    looking: tokio::sync::Mutex<()>,
    /// One quarter is closed at a time: a second count would only be thrown away.
    closing: tokio::sync::Mutex<()>,
    /// Looks at the policy epoch: how many were begun, and the last that ended.
    looks_begun: AtomicU64,
    looks_ended: tokio::sync::Mutex<u64>,
    /// One stream at a time stages into a feed, so that a record can't be staged twice.
    feeds: intake::FeedLocks,
    /// Rows that came in, for those who watch the gateway.
    meters: IntakeMeters,
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
        let Setup { store, log, keys, key_file, release_key, catalogue, witnesses, .. } = setup;
        let (quotas, now, rng) = (setup.quotas, setup.now, setup.rng);
        let left_before = if store.is_embedded() { Timestamp::MAX } else { now() - LEFT_BEHIND };
        let mut tx = store.transact(Rights::Intake).await?;
        feeds::clear_unaccepted(&mut tx, left_before).await?;
        cases::clear_staged(&mut tx, left_before).await?;
        tx.commit().await?;
        let mut tx = store.transact(Rights::Keys).await?;
        if key_versions::all(&mut tx).await?.all.is_empty() {
            let check = keys.check_value(KeyVersion::FIRST)?;
            key_versions::enter_first(&mut tx, keys.prf(), check).await?;
        }
        tx.commit().await?;
        let (sequencer, task) =
            Sequencer::start(store.clone(), log.clone(), Arc::clone(&now)).await?;
        let mut tx = store.read(Rights::Figures).await?;
        let snapshot = Snapshot::load(&mut tx, None).await?;
        let keys = KeysInUse::new(keys, snapshot.versions().clone())?;
        let postcodes = PostcodeLookup::load(&mut tx, &keys).await?;
        drop(tx);
        let gateway = Self {
            store,
            sequencer,
            keys: ArcSwap::from_pointee(keys),
            key_file,
            rotating: tokio::sync::Notify::new(),
            relinking: tokio::sync::Notify::new(),
            release_key,
            log,
            catalogue,
            witnesses,
            evaluations: blinding::Evaluations::within(quotas),
            now,
            rng: Mutex::new(rng),
            snapshot: ArcSwap::from_pointee(snapshot),
            postcodes: ArcSwap::from_pointee(postcodes),
            suppressions: ArcSwap::default(),
            journal: tokio::sync::Mutex::default(),
            released: ArcSwap::default(),
            looking: tokio::sync::Mutex::default(),
            closing: tokio::sync::Mutex::default(),
            looks_begun: AtomicU64::new(0),
            looks_ended: tokio::sync::Mutex::default(),
            feeds: intake::FeedLocks::default(),
            meters: IntakeMeters::default(),
        };
        let mut leaf = Leaf::new(LeafKind::GatewayStarted, gateway.now());
        leaf.notes.software = env!("CARGO_PKG_VERSION").parse().ok();
        gateway.log_of_its_own(leaf).await?;
        gateway.forget_destroyed(gateway.keys().versions()).await;
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
        if !self.may_act(&leaf).await {
            return Err(ActError::Withheld);
        }
        self.sequencer.commit(Act { leaf, effect, epoch }).await
    }

    /// Logs a refusal that is told within another answer: of some rows of a batch.
    async fn log_refusal(&self, mut leaf: Leaf, reason: &'static str) -> Result<(), ActError> {
        leaf.kind = LeafKind::Refused;
        leaf.decision = Decision::Refused { reason: refused::word(reason) };
        self.commit(leaf, Effect::None, None).await.map(drop)
    }

    /// Logs a refusal and hands it over as the answer.
    pub async fn refuse(&self, leaf: Leaf, refused: Refused) -> Denied {
        self.refuse_with(leaf, refused, Effect::None).await
    }

    /// The same for a leaf that commits to a private detail.
    async fn refuse_keeping(&self, leaf: Leaf, refused: Refused, kept: Kept) -> Denied {
        self.refuse_with(leaf, refused, kept.with(Effect::None)).await
    }

    async fn refuse_with(&self, mut leaf: Leaf, refused: Refused, effect: Effect) -> Denied {
        leaf.kind = LeafKind::Refused;
        leaf.decision = Decision::Refused { reason: refused::word(refused.reason()) };
        match self.commit(leaf, effect, None).await {
            Ok(logged) => Denied::Refused(Box::new(logged.map(|_| refused))),
            Err(_) => Denied::Failed(GatewayError::LogUnavailable),
        }
    }
}
