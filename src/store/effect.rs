//! The small effects that are committed together with a leaf.

use super::{
    StoreError, Tx, access, approvals, cases, consents, details, erasures, feeds, geography,
    key_versions, papers, partners, protocols, releases, retention, tx::on, undo,
};
use crate::domain::{BatchId, Quarter};
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
    /// A release is frozen.
    Freeze(Box<releases::Entry>),
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

/// Applies an effect inside the sequencer's transaction.
pub(super) async fn apply(
    tx: &mut Tx,
    effect: &Effect,
    at: Timestamp,
) -> Result<Outcome, StoreError> {
    match effect {
        Effect::None => Ok(Outcome::None),
        Effect::AcceptBatch(batch) => feeds::accept(tx, *batch).await.map(|()| Outcome::None),
        Effect::PutPartner(entry) => {
            partners::put(tx, entry).await?;
            raise_epoch(tx).await
        }
        Effect::DisablePartner(partner) => {
            partners::disable(tx, partner).await?;
            raise_epoch(tx).await
        }
        Effect::PutProtocol(change) => {
            protocols::put(tx, change).await?;
            raise_epoch(tx).await
        }
        Effect::TurnProtocol(turn) => {
            papers::turn(tx, turn).await?;
            raise_epoch(tx).await
        }
        Effect::PutRootPolicy(entry) => {
            protocols::put_root_policy(tx, entry).await?;
            raise_epoch(tx).await
        }
        Effect::PutGeography(entry) => {
            let version = geography::put(tx, entry).await?;
            raise_epoch(tx).await?;
            Ok(Outcome::Version(version))
        }
        Effect::PutPostcodes(lookup) => {
            let total = geography::put_postcodes(tx, lookup).await?;
            raise_epoch(tx).await?;
            Ok(Outcome::Total(total))
        }
        Effect::PutConsents(stated) => put_consents(tx, stated, at).await,
        Effect::Freeze(entry) => {
            releases::freeze(tx, entry, at).await?;
            // What "the latest quarter" means has changed, also for other gateways.
            raise_epoch(tx).await?;
            Ok(Outcome::Frozen(entry.quarter))
        }
        Effect::WithdrawRelease(withdrawal) => {
            releases::withdraw(tx, withdrawal, at).await?;
            raise_epoch(tx).await?;
            Ok(Outcome::At(at))
        }
        Effect::UndoStream(stream) => {
            undo::apply(tx, stream, at).await?;
            // A batch that was told "sent before" of a record undone here is decided anew.
            raise_epoch(tx).await?;
            Ok(Outcome::At(at))
        }
        Effect::Approve(words) => {
            let (new, replaced) = &**words;
            approvals::give(tx, new, replaced.as_ref(), at).await?;
            Ok(Outcome::At(at))
        }
        Effect::ChangeKeys(change) => {
            key_versions::apply(tx, change).await?;
            // What was decided, keyed or staged before is keyed anew.
            raise_epoch(tx).await
        }
        Effect::Approved(act) => {
            let (approval, effect) = &**act;
            approvals::spend(tx, approval).await?;
            Box::pin(apply(tx, effect, at)).await
        }
        Effect::Withhold(marks) => access::mark(tx, marks, at).await.map(|()| Outcome::None),
        Effect::AskReport(request) => access::ask(tx, request, at).await,
        Effect::FinishReport(number) => {
            access::finish(tx, *number, at).await.map(|()| Outcome::At(at))
        }
        Effect::AskErasure(asked) => erasures::ask(tx, asked, at).await.map(|()| Outcome::None),
        Effect::NameErasures(named) => erasures::name(tx, named).await.map(|()| Outcome::None),
        Effect::OpenCase(id) => open_case(tx, *id, at).await,
        Effect::EndCase(id) => end_case(tx, *id, at).await,
        Effect::Acknowledge(acknowledged) => {
            cases::acknowledge(tx, acknowledged, at).await.map(|()| Outcome::At(at))
        }
        Effect::NameRetention(named) => retention::name(tx, named).await.map(|()| Outcome::None),
        // A detail inside another effect would be lost: it is refused, never dropped.
        Effect::Keep(_) => Err(StoreError::Unchanged { table: "act_detail" }),
    }
}

async fn put_consents(
    tx: &mut Tx,
    stated: &[consents::Stated],
    at: Timestamp,
) -> Result<Outcome, StoreError> {
    consents::put(tx, stated, at).await?;
    if !stated.iter().any(consents::Stated::ends_a_consent) {
        return Ok(Outcome::None);
    }
    // A quarter that is being counted is counted anew, without what this stops.
    raise_epoch(tx).await
}

async fn open_case(tx: &mut Tx, id: i64, at: Timestamp) -> Result<Outcome, StoreError> {
    cases::open(tx, id, at).await?;
    // As with a consent that is taken back.
    raise_epoch(tx).await?;
    Ok(Outcome::At(at))
}

async fn end_case(tx: &mut Tx, id: i64, at: Timestamp) -> Result<Outcome, StoreError> {
    cases::end(tx, id, at).await?;
    raise_epoch(tx).await?;
    Ok(Outcome::At(at))
}

async fn raise_epoch(tx: &mut Tx) -> Result<Outcome, StoreError> {
    tx.take_numbers("policy_epoch", 1).await.map(|_| Outcome::None)
}
