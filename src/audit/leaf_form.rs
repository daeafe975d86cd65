//! A leaf as the flat JSON object that is written; absent fields are left out.
//!
//! Fields are declared in the order of RFC 8785 §3.2.3, so that they are written in it.

use super::{
    AuditError, Code, Hash, Token, UserPseudonym,
    leaf::{
        Decision, EntryRange, LEAF_VERSION, Leaf, LeafKind, Notes, PreviousLog, ProtocolReference,
        SizeClass,
    },
};
use crate::domain::{AreaCode, IndicatorId, PartnerId, Quarter, RecordType, TableId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FormDecision {
    Granted,
    Refused,
}

macro_rules! form {
    ($($name:ident: $type:ty,)*) => {
        /// As read.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct Form {
            $($name: Option<$type>,)*
        }

        /// As written: borrowed, since a leaf is written by whoever else waits for it.
        #[derive(Serialize)]
        pub(super) struct Written<'a> {
            $(#[serde(skip_serializing_if = "Option::is_none")] $name: Option<&'a $type>,)*
        }
    };
}

form! {
    about: PartnerId,
    accepted: Vec<Code>,
    act: Code,
    approval: Hash,
    area: AreaCode,
    at: String,
    batch: Hash,
    cause: Code,
    clause: Token,
    decision: FormDecision,
    detail: Hash,
    document: Hash,
    indicator: IndicatorId,
    key: Token,
    kind: LeafKind,
    legal_basis: Token,
    partner: PartnerId,
    period: Quarter,
    policy_epoch: u64,
    previous: PreviousLog,
    protocol: ProtocolReference,
    purpose: Code,
    reason: Code,
    record_type: RecordType,
    register: Code,
    release: Hash,
    reviewed: EntryRange,
    sequence: u64,
    size_class: SizeClass,
    software: Token,
    stream: u64,
    table: TableId,
    user: UserPseudonym,
    v: u8,
}

/// A leaf's canonical bytes, with another time and counter than its own.
pub(super) fn write(
    leaf: &Leaf,
    at: Timestamp,
    sequence: Option<u64>,
) -> Result<Vec<u8>, serde_json::Error> {
    let notes = &leaf.notes;
    let (decision, reason) = match &leaf.decision {
        Decision::Granted => (FormDecision::Granted, None),
        Decision::Refused { reason } => (FormDecision::Refused, Some(reason)),
    };
    let at = format!("{at:.6}");
    serde_json::to_vec(&Written {
        about: notes.about.as_ref(),
        accepted: notes.accepted.as_ref(),
        act: notes.act.as_ref(),
        approval: notes.approval.as_ref(),
        area: leaf.area.as_ref(),
        at: Some(&at),
        batch: notes.batch.as_ref(),
        cause: notes.cause.as_ref(),
        clause: leaf.clause.as_ref(),
        decision: Some(&decision),
        detail: leaf.detail.as_ref(),
        document: notes.document.as_ref(),
        indicator: leaf.indicator.as_ref(),
        key: notes.key.as_ref(),
        kind: Some(&leaf.kind),
        legal_basis: leaf.legal_basis.as_ref(),
        partner: leaf.partner.as_ref(),
        period: notes.period.as_ref(),
        policy_epoch: notes.policy_epoch.as_ref(),
        previous: notes.previous.as_ref(),
        protocol: leaf.protocol.as_ref(),
        purpose: leaf.purpose.as_ref(),
        reason,
        record_type: notes.record_type.as_ref(),
        register: notes.register.as_ref(),
        release: notes.release.as_ref(),
        reviewed: notes.reviewed.as_ref(),
        sequence: sequence.as_ref(),
        size_class: leaf.size_class.as_ref(),
        software: notes.software.as_ref(),
        stream: notes.stream.as_ref(),
        table: leaf.table.as_ref(),
        user: leaf.user.as_ref(),
        v: Some(&LEAF_VERSION),
    })
}

impl TryFrom<Form> for Leaf {
    type Error = AuditError;

    fn try_from(form: Form) -> Result<Self, AuditError> {
        if form.v != Some(LEAF_VERSION) {
            return Err(AuditError::NotALeaf);
        }
        let decision = match (form.decision, form.reason) {
            (Some(FormDecision::Granted), None) => Decision::Granted,
            (Some(FormDecision::Refused), Some(reason)) => Decision::Refused { reason },
            _ => return Err(AuditError::NotALeaf),
        };
        if form.reviewed.is_some_and(|range| range.from >= range.until) {
            return Err(AuditError::NotALeaf);
        }
        // Nothing accepted is said by leaving the list out; its order is the words' own.
        let in_order = |codes: &Vec<Code>| !codes.is_empty() && codes.is_sorted_by(|a, b| a < b);
        if !form.accepted.as_ref().is_none_or(in_order) {
            return Err(AuditError::NotALeaf);
        }
        let at = form.at.ok_or(AuditError::NotALeaf)?;
        let at: Timestamp = at.parse().map_err(|_| AuditError::NotALeaf)?;
        let notes = Notes {
            about: form.about,
            accepted: form.accepted,
            act: form.act,
            approval: form.approval,
            batch: form.batch,
            cause: form.cause,
            document: form.document,
            key: form.key,
            period: form.period,
            policy_epoch: form.policy_epoch,
            previous: form.previous,
            record_type: form.record_type,
            register: form.register,
            release: form.release,
            reviewed: form.reviewed,
            software: form.software,
            stream: form.stream,
        };
        Ok(Self {
            area: form.area,
            at,
            clause: form.clause,
            decision,
            detail: form.detail,
            indicator: form.indicator,
            kind: form.kind.ok_or(AuditError::NotALeaf)?,
            legal_basis: form.legal_basis,
            partner: form.partner,
            protocol: form.protocol,
            purpose: form.purpose,
            partner_sequence: form.sequence,
            size_class: form.size_class,
            table: form.table,
            user: form.user,
            notes,
        })
    }
}
