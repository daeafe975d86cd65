//! Reading an entry as a leaf of the access log, strictly.
//!
//! An entry must be the one canonical spelling (RFC 8785) of a known leaf. Fields are
//! declared in canonical order and are all ASCII without escapes, so writing them out again
//! must give the same bytes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Every kind of leaf, as this verifier knows them.
pub const KINDS: [&str; 35] = [
    "approval_given",
    "areas_loaded",
    "batch_accepted",
    "calls_shed",
    "card_answered",
    "consent_recorded",
    "consent_withdrawn",
    "erasures",
    "gateway_started",
    "gateway_stopped",
    "handshakes_failed",
    "intake_stream_closed",
    "intake_stream_opened",
    "intake_stream_undone",
    "key_added",
    "key_rotated",
    "log_opened",
    "log_read",
    "partner_added",
    "partner_disabled",
    "protocol_activated",
    "protocol_resumed",
    "protocol_revoked",
    "protocol_submitted",
    "protocol_suspended",
    "query_answered",
    "refused",
    "register_read",
    "release_frozen",
    "release_previewed",
    "release_withdrawn",
    "root_policy_activated",
    "witness_contradicted",
    "witness_quorum_lost",
    "witness_quorum_reached",
];

/// Every class of sizes.
pub const SIZE_CLASSES: [&str; 7] =
    ["<100", "<1000", "<10000", "<100000", "<1000000", "<10000000", ">=10000000"];

/// JSON numbers are exact up to here.
const MAX_EXACT: u64 = 9_007_199_254_740_991;

/// Why an entry is not a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeafProblem {
    /// Not JSON, or a field is unknown, missing or of another type.
    Form,
    /// Not canonical JSON.
    Spelling,
    /// A version this verifier does not know.
    Version,
    /// A kind this verifier does not know.
    Kind,
    /// A time that is not UTC to the microsecond.
    Time,
    /// Granted with a reason, or refused without one.
    Decision,
    /// A word, digest, class or number that breaks its rule.
    Value,
}

impl fmt::Display for LeafProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "it is not an object with the known fields",
            Self::Spelling => "it is not in canonical form (RFC 8785)",
            Self::Version => "its version is unknown",
            Self::Kind => "its kind is unknown",
            Self::Time => "its time is not UTC to the microsecond",
            Self::Decision => "its decision and reason don't fit together",
            Self::Value => "one of its values breaks its rule",
        })
    }
}

/// The protocol an act rested on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "named as in the leaf")]
pub struct Protocol<'a> {
    pub digest: &'a str,
    pub id: &'a str,
    pub version: u32,
}

/// The log before this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "named as in the leaf")]
pub struct Previous<'a> {
    pub origin: &'a str,
    pub root: &'a str,
    pub size: u64,
}

macro_rules! leaf {
    ($($name:ident: $type:ty $(, $borrow:ident)?;)*) => {
        /// A leaf as it stands in its entry. Times are RFC 3339 in UTC, digests hexadecimal.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(missing_docs, reason = "named as in the leaf")]
        pub struct Leaf<'a> {
            $(
                $(#[serde($borrow)])?
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<$type>,
            )*
        }
    };
}

leaf! {
    about: &'a str, borrow;
    accepted: Vec<&'a str>, borrow;
    act: &'a str, borrow;
    approval: &'a str, borrow;
    area: &'a str, borrow;
    at: &'a str, borrow;
    batch: &'a str, borrow;
    cause: &'a str, borrow;
    clause: &'a str, borrow;
    decision: &'a str, borrow;
    detail: &'a str, borrow;
    document: &'a str, borrow;
    indicator: &'a str, borrow;
    key: &'a str, borrow;
    kind: &'a str, borrow;
    legal_basis: &'a str, borrow;
    partner: &'a str, borrow;
    period: &'a str, borrow;
    policy_epoch: u64;
    previous: Previous<'a>, borrow;
    protocol: Protocol<'a>, borrow;
    purpose: &'a str, borrow;
    reason: &'a str, borrow;
    record_type: &'a str, borrow;
    register: &'a str, borrow;
    release: &'a str, borrow;
    sequence: u64;
    size_class: &'a str, borrow;
    software: &'a str, borrow;
    stream: u64;
    table: &'a str, borrow;
    user: &'a str, borrow;
    v: u64;
}

/// Reads an entry. `scratch` is working space, to be used again for the next entry.
///
/// # Errors
/// Why it is not a leaf.
pub fn read<'a>(entry: &'a [u8], scratch: &mut Vec<u8>) -> Result<Leaf<'a>, LeafProblem> {
    let leaf: Leaf<'a> = serde_json::from_slice(entry).map_err(|_| LeafProblem::Form)?;
    scratch.clear();
    serde_json::to_writer(&mut *scratch, &leaf).map_err(|_| LeafProblem::Form)?;
    if scratch != entry {
        return Err(LeafProblem::Spelling);
    }
    if leaf.v != Some(1) {
        return Err(LeafProblem::Version);
    }
    if leaf.kind.is_none_or(|kind| KINDS.binary_search(&kind).is_err()) {
        return Err(LeafProblem::Kind);
    }
    if !leaf.at.is_some_and(is_time) {
        return Err(LeafProblem::Time);
    }
    if !matches!((leaf.decision, leaf.reason), (Some("granted"), None) | (Some("refused"), Some(_)))
    {
        return Err(LeafProblem::Decision);
    }
    if has_lawful_values(&leaf) { Ok(leaf) } else { Err(LeafProblem::Value) }
}

fn is_time(text: &str) -> bool {
    const SHAPE: &[u8; 27] = b"0000-00-00T00:00:00.000000Z";
    let shaped = text.len() == SHAPE.len()
        && text.bytes().zip(SHAPE).all(|(b, shape)| match shape {
            b'0' => b.is_ascii_digit(),
            mark => b == *mark,
        });
    shaped && text.parse::<Timestamp>().is_ok()
}

fn has_lawful_values(leaf: &Leaf<'_>) -> bool {
    let words = [
        leaf.about,
        leaf.act,
        leaf.area,
        leaf.cause,
        leaf.clause,
        leaf.indicator,
        leaf.key,
        leaf.legal_basis,
        leaf.partner,
        leaf.period,
        leaf.purpose,
        leaf.reason,
        leaf.record_type,
        leaf.register,
        leaf.software,
        leaf.table,
        leaf.protocol.as_ref().map(|protocol| protocol.id),
    ];
    let digests = [
        leaf.approval,
        leaf.batch,
        leaf.detail,
        leaf.document,
        leaf.release,
        leaf.protocol.as_ref().map(|protocol| protocol.digest),
        leaf.previous.as_ref().map(|previous| previous.root),
    ];
    let numbers = [
        leaf.policy_epoch,
        leaf.sequence,
        leaf.stream,
        leaf.previous.as_ref().map(|previous| previous.size),
    ];
    let accepted = leaf.accepted.as_ref();
    let in_order = |codes: &Vec<&str>| !codes.is_empty() && codes.is_sorted_by(|a, b| a < b);
    words
        .into_iter()
        .chain(accepted.into_iter().flatten().copied().map(Some))
        .flatten()
        .all(is_word)
        && accepted.is_none_or(in_order)
        && digests.into_iter().flatten().all(|digest| is_hex(digest, 64))
        && leaf.user.is_none_or(|user| is_hex(user, 32))
        && leaf.size_class.is_none_or(|class| SIZE_CLASSES.contains(&class))
        && numbers.into_iter().flatten().all(|number| number <= MAX_EXACT)
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Short, of the leaf's alphabet, and without a run of digits that could be an identifier.
fn is_word(text: &str) -> bool {
    let mut run = 0;
    let lawful = text.bytes().all(|b| {
        run = if b.is_ascii_digit() { run + 1 } else { 0 };
        run < 9 && (b.is_ascii_alphanumeric() || b"._:/-[]()".contains(&b))
    });
    lawful && (1..=64).contains(&text.len())
}
