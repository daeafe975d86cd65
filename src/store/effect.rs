//! The small effects that are committed together with a leaf.

use super::{
    StoreError, Tx, access, approvals, births, cases, consents, details, erasures, evaluations,
    feeds, geography, key_versions, papers, partners, privacy_notices, protocols, releases,
    relinking, retention, table_requests, tx::on, undo,
};
use crate::{
    domain::{BatchId, Quarter, SubjectId},
    protocol::notices::PrivacyNotice,
};
use jiff::Timestamp;

/// What changes when an act is logged.
#[derive(Debug)]
pub enum Effect {
    /// Nothing: a question, or a refusal.
    None,
    /// A staged batch counts from now on.
    AcceptBatch(BatchId),
    /// A partner enters the register, or its entry is replaced.
    PutPartner(partners::Entry),
    /// A partner is barred.
    DisablePartner(crate::domain::PartnerId),
    /// A protocol's line in the register changes.
    PutProtocol(Box<protocols::Change>),
    /// The same with a signed paper (a deed, a revocation), or with a say about records.
    TurnProtocol(Box<papers::Turn>),
    /// A root disclosure policy takes effect.
    PutRootPolicy(protocols::RootPolicyEntry),
    /// A geography is loaded.
    PutGeography(geography::Entry),
    /// Part of the postcode lookup is loaded.
    PutPostcodes(geography::PostcodeRows),
    /// Statements about consents are recorded.
    PutConsents(Vec<consents::Stated>),
    /// A sender states that a privacy notice is in force.
    PutNotice(Box<PrivacyNotice>),
    /// A release is frozen, and with it by whose dates of birth it went.
    Freeze(Box<(releases::Entry, Vec<SubjectId>)>),
    /// A release found wrong is withdrawn; the release itself stays as it is.
    WithdrawRelease(Box<releases::Withdrawal>),
    /// Every accepted batch of a stream counts no more.
    UndoStream(undo::Undo),
    /// A first person's word for an act that needs two, in place of one that does not
    /// count any more.
    Approve(Box<(approvals::Approval, Option<approvals::Approval>)>),
    /// A version of the keys passes into another state.
    ChangeKeys(key_versions::Change),
    /// What a second person does upon a first one's word, which is used up by it.
    Approved(Box<(approvals::Approval, Effect)>),
    /// A controller keeps records of its own from reports to subjects, or lets them be shown.
    Withhold(Box<access::Marks>),
    /// A subject's wish to see what is held is entered.
    AskReport(Box<access::NewRequest>),
    /// A subject's report is made.
    FinishReport(i64),
    /// Records are to be erased.
    AskErasure(Vec<erasures::Asked>),
    /// A day's erasures are named.
    NameErasures(erasures::Named),
    /// A staged case of a subject's rights counts from now on.
    OpenCase(i64),
    /// A case binds no more.
    EndCase(i64),
    /// A party acknowledges notices.
    Acknowledge(Box<cases::Acknowledged>),
    /// A day's retention was applied, and is named.
    NameRetention(retention::Named),
    /// Blinded values are evaluated for a partner, within its quota.
    Evaluate(Box<evaluations::Spending>),
    /// Every subject is to be resolved anew by rules of a version.
    BeginRelinking {
        /// The version.
        rules: u16,
    },
    /// A run through the subjects has come to its end.
    EndRelinking(i64),
    /// A request for a table that is not published is entered.
    AskTable(Box<table_requests::NewRequest>),
    /// Such a request is decided.
    DecideTable(Box<table_requests::Decided>),
    /// What changes with a leaf that commits to a private detail, which is kept with it. It
    /// stands outermost: the sequencer keeps it where it writes the leaf.
    Keep(Box<(details::Kept, Effect)>),
}

impl Effect {
    /// The private detail to keep, and what changes.
    pub(super) const fn parts(&self) -> (Option<&details::Kept>, &Self) {
        match self {
            Self::Keep(parts) => (Some(&parts.0), &parts.1),
            effect => (None, effect),
        }
    }
}

/// What an effect has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing more.
    None,
    /// The version that a geography got.
    Version(u32),
    /// How many there are now.
    Total(u64),
    /// The quarter that was frozen.
    Frozen(Quarter),
    /// When it was done.
    At(Timestamp),
}

/// The number of the policy in force; every change of register, protocols, policy,
/// geography or releases raises it, so that a decision made before is seen to be stale.
///
/// # Errors
/// When it can't be read.
pub async fn policy_epoch(tx: &mut Tx) -> Result<u64, StoreError> {
    let (epoch,): (i64,) = on!(tx, c => sqlx::query_as(
        "SELECT next FROM counter WHERE name = 'policy_epoch'").fetch_one(c).await)?;
    super::error::counted(epoch)
}

impl Effect {
    /// Whether it changes what decisions, snapshots or counts rest on, so that those made before
    /// are made anew, on every gateway.
    fn raises_epoch(&self) -> bool {
        match self {
            Self::PutPartner(_)
            | Self::DisablePartner(_)
            | Self::PutProtocol(_)
            | Self::TurnProtocol(_)
            | Self::PutRootPolicy(_)
            | Self::PutGeography(_)
            | Self::PutPostcodes(_)
            | Self::PutNotice(_)
            // What "the latest quarter" means has changed, also for other gateways.
            | Self::Freeze(_)
            | Self::WithdrawRelease(_)
            // A batch that was told "sent before" of a record undone here is decided anew.
            | Self::UndoStream(_)
            // What was decided, keyed or staged before is keyed anew.
            | Self::ChangeKeys(_)
            // A quarter that is being counted is counted anew, without what this stops.
            | Self::OpenCase(_)
            | Self::EndCase(_) => true,
            Self::PutConsents(stated) => stated.iter().any(consents::Stated::ends_a_consent),
            // The act that was approved raises it by itself.
            Self::Approved(_)
            | Self::None
            | Self::Keep(_)
            | Self::AcceptBatch(_)
            | Self::Approve(_)
            | Self::Withhold(_)
            | Self::AskReport(_)
            | Self::FinishReport(_)
            | Self::AskErasure(_)
            | Self::NameErasures(_)
            | Self::Acknowledge(_)
            | Self::NameRetention(_)
            | Self::Evaluate(_)
            // A request changes no catalogue: controllers sign that.
            | Self::AskTable(_)
            | Self::DecideTable(_)
            // Nothing rests on it: intake and counts read who is who as it stands.
            | Self::BeginRelinking { .. }
            | Self::EndRelinking(_) => false,
        }
    }
}

/// Applies an effect inside the sequencer's transaction.
pub(super) async fn apply(
    tx: &mut Tx,
    effect: &Effect,
    at: Timestamp,
) -> Result<Outcome, StoreError> {
    let outcome = change(tx, effect, at).await?;
    if effect.raises_epoch() {
        tx.take_numbers("policy_epoch", 1).await?;
    }
    Ok(outcome)
}

async fn change(tx: &mut Tx, effect: &Effect, at: Timestamp) -> Result<Outcome, StoreError> {
    let (done, when) = (|()| Outcome::None, |()| Outcome::At(at));
    match effect {
        Effect::None => Ok(Outcome::None),
        Effect::AcceptBatch(batch) => feeds::accept(tx, *batch).await.map(done),
        Effect::PutPartner(entry) => partners::put(tx, entry).await.map(done),
        Effect::DisablePartner(partner) => partners::disable(tx, partner).await.map(done),
        Effect::PutProtocol(change) => protocols::put(tx, change).await.map(done),
        Effect::TurnProtocol(turn) => papers::turn(tx, turn).await.map(done),
        Effect::PutRootPolicy(entry) => protocols::put_root_policy(tx, entry).await.map(done),
        Effect::PutGeography(entry) => geography::put(tx, entry).await.map(Outcome::Version),
        Effect::PutPostcodes(lookup) => {
            geography::put_postcodes(tx, lookup).await.map(Outcome::Total)
        }
        Effect::PutConsents(stated) => consents::put(tx, stated, at).await.map(done),
        Effect::PutNotice(notice) => privacy_notices::put(tx, notice, at).await.map(done),
        Effect::Freeze(frozen) => {
            let (entry, births) = &**frozen;
            releases::freeze(tx, entry, at).await?;
            births::keep(tx, entry.quarter, births).await?;
            Ok(Outcome::Frozen(entry.quarter))
        }
        Effect::WithdrawRelease(withdrawal) => {
            releases::withdraw(tx, withdrawal, at).await.map(when)
        }
        Effect::UndoStream(stream) => undo::apply(tx, stream, at).await.map(when),
        Effect::Approve(words) => {
            approvals::give(tx, &words.0, words.1.as_ref(), at).await.map(when)
        }
        Effect::ChangeKeys(change) => key_versions::apply(tx, change).await.map(done),
        Effect::Approved(act) => {
            approvals::spend(tx, &act.0).await?;
            Box::pin(apply(tx, &act.1, at)).await
        }
        Effect::Withhold(marks) => access::mark(tx, marks, at).await.map(done),
        Effect::AskReport(request) => access::ask(tx, request, at).await,
        Effect::FinishReport(number) => access::finish(tx, *number, at).await.map(when),
        Effect::AskErasure(asked) => erasures::ask(tx, asked, at).await.map(done),
        Effect::NameErasures(named) => erasures::name(tx, named).await.map(done),
        Effect::OpenCase(id) => cases::open(tx, *id, at).await.map(when),
        Effect::EndCase(id) => cases::end(tx, *id, at).await.map(when),
        Effect::Acknowledge(words) => cases::acknowledge(tx, words, at).await.map(when),
        Effect::NameRetention(named) => retention::name(tx, named).await.map(done),
        Effect::Evaluate(spending) => evaluations::spend(tx, spending).await,
        Effect::BeginRelinking { rules } => relinking::begin(tx, *rules, at).await.map(done),
        Effect::EndRelinking(number) => relinking::end(tx, *number, at).await.map(done),
        Effect::AskTable(new) => table_requests::ask(tx, new, at).await,
        Effect::DecideTable(decided) => table_requests::decide(tx, decided, at).await.map(done),
        // A detail inside another effect would be lost: it is refused, never dropped.
        Effect::Keep(_) => Err(StoreError::Unchanged { table: "act_detail" }),
    }
}
