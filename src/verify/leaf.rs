//! Reading an entry as a leaf of the access log, strictly.
//!
//! An entry must be the one canonical spelling (RFC 8785) of a known leaf. Fields are
//! declared in canonical order and are all ASCII without escapes, so that nearly every leaf is
//! read in one quick pass. What that pass does not take, or what is unlawful, is read thoroughly:
//! written out again, it must give the same bytes.

use super::{leaf_scan::Scanner, swar};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Every kind of leaf, as this verifier knows them.
pub const KINDS: &[&str] = &[
    "approval_given",
    "areas_loaded",
    "batch_accepted",
    "blinded_evaluated",
    "calls_shed",
    "card_answered",
    "case_ended",
    "case_opened",
    "case_proved",
    "consent_recorded",
    "consent_withdrawn",
    "data_book_answered",
    "erasures",
    "gateway_started",
    "gateway_stopped",
    "handshakes_failed",
    "intake_stream_closed",
    "intake_stream_opened",
    "intake_stream_undone",
    "journal_overridden",
    "key_added",
    "key_destroyed",
    "key_rotated",
    "log_opened",
    "log_read",
    "log_reviewed",
    "log_stream_closed",
    "log_stream_opened",
    "notices_acknowledged",
    "partner_added",
    "partner_disabled",
    "privacy_notice_recorded",
    "protocol_activated",
    "protocol_expired",
    "protocol_joined",
    "protocol_resumed",
    "protocol_revoked",
    "protocol_submitted",
    "protocol_suspended",
    "query_answered",
    "records_withheld",
    "refused",
    "register_read",
    "release_frozen",
    "release_previewed",
    "release_withdrawn",
    "retention_applied",
    "retention_checked",
    "root_policy_activated",
    "signed_in",
    "signed_out",
    "subject_reported",
    "subject_requested",
    "subjects_relinked",
    "table_asked",
    "table_decided",
    "witness_contradicted",
    "witness_overridden",
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

/// The entries that a review was of: from the first to before the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "named as in the leaf")]
pub struct Reviewed {
    pub from: u64,
    pub until: u64,
}

macro_rules! leaf {
    ($($name:ident: $type:ty $(, $borrow:ident)?;)*) => {
        /// A leaf as it stands in its entry. Times are RFC 3339 in UTC, digests hexadecimal.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(missing_docs, reason = "named as in the leaf")]
        pub struct Leaf<'a> {
            $(
                $(#[serde($borrow)])?
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<$type>,
            )*
        }

        impl<'a> Leaf<'a> {
            /// The leaf, when it is in canonical form and plain; see [`super::leaf_scan`].
            pub(super) fn scan(entry: &'a [u8]) -> Option<Self> {
                let mut scanner = Scanner::open(entry)?;
                $(let $name = scanner.field::<$type>(stringify!($name))?;)*
                scanner.is_done().then_some(Self { $($name,)* })
            }
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
    reviewed: Reviewed;
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
    match Leaf::scan(entry) {
        Some(leaf) if judge(&leaf).is_ok() => Ok(leaf),
        _ => read_thoroughly(entry, scratch),
    }
}

/// Reads an entry by way of general JSON, so that any that is not canonical can be told from
/// any that is no leaf.
pub(super) fn read_thoroughly<'a>(
    entry: &'a [u8],
    scratch: &mut Vec<u8>,
) -> Result<Leaf<'a>, LeafProblem> {
    let leaf: Leaf<'a> = serde_json::from_slice(entry).map_err(|_| LeafProblem::Form)?;
    scratch.clear();
    serde_json::to_writer(&mut *scratch, &leaf).map_err(|_| LeafProblem::Form)?;
    if scratch != entry {
        return Err(LeafProblem::Spelling);
    }
    judge(&leaf).map(|()| leaf)
}

/// Whether what a canonical leaf says is lawful.
fn judge(leaf: &Leaf<'_>) -> Result<(), LeafProblem> {
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
    if has_lawful_values(leaf) { Ok(()) } else { Err(LeafProblem::Value) }
}

/// A moment in UTC to the microsecond, of a day that there is; no leap seconds, which the
/// gateway's clock does not have.
fn is_time(text: &str) -> bool {
    const SHAPE: &[u8; 27] = b"0000-00-00T00:00:00.000000Z";
    let Ok(bytes) = <&[u8; 27]>::try_from(text.as_bytes()) else { return false };
    for (b, shape) in bytes.iter().zip(SHAPE) {
        let fits = if *shape == b'0' { b.is_ascii_digit() } else { b == shape };
        if !fits {
            return false;
        }
    }
    let number = |from: usize, to: usize| {
        bytes[from..to].iter().fold(0_u32, |number, b| number * 10 + u32::from(*b - b'0'))
    };
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day) && number(11, 13) < 24 && number(14, 16) < 60 && number(17, 19) < 60
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
        leaf.reviewed.map(|reviewed| reviewed.until),
        leaf.sequence,
        leaf.stream,
        leaf.previous.as_ref().map(|previous| previous.size),
    ];
    for word in words.into_iter().flatten() {
        if !is_word(word) {
            return false;
        }
    }
    for digest in digests.into_iter().flatten() {
        if !is_hex(digest, 64) {
            return false;
        }
    }
    let in_order = |codes: &Vec<&str>| {
        !codes.is_empty() && codes.is_sorted_by(|a, b| a < b) && codes.iter().copied().all(is_word)
    };
    leaf.accepted.as_ref().is_none_or(in_order)
        && leaf.reviewed.is_none_or(|reviewed| reviewed.from < reviewed.until)
        && leaf.user.is_none_or(|user| is_hex(user, 32))
        && leaf.size_class.is_none_or(|class| SIZE_CLASSES.contains(&class))
        && numbers.into_iter().flatten().all(|number| number <= MAX_EXACT)
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && swar::is_hex(text.as_bytes())
}

/// Short, of the leaf's alphabet, and without a run of digits that could be an identifier.
fn is_word(text: &str) -> bool {
    let longest_run = || text.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
    (1..=64).contains(&text.len())
        && swar::word_digits(text.as_bytes())
            .is_some_and(|digits| digits < 9 || longest_run().is_none_or(|run| run < 9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_moments_of_days_that_there_are() {
        for good in [
            "2026-01-05T09:00:00.000000Z",
            "2024-02-29T23:59:59.999999Z",
            "2000-02-29T00:00:00.000000Z",
            "1970-01-01T00:00:00.000000Z",
        ] {
            assert!(is_time(good), "{good}");
            assert!(good.parse::<jiff::Timestamp>().is_ok());
        }
        for bad in [
            "2026-02-29T09:00:00.000000Z",
            "1900-02-29T09:00:00.000000Z",
            "2026-04-31T09:00:00.000000Z",
            "2026-13-01T09:00:00.000000Z",
            "2026-00-01T09:00:00.000000Z",
            "2026-01-00T09:00:00.000000Z",
            "2026-01-05T24:00:00.000000Z",
            "2026-01-05T09:60:00.000000Z",
            "2026-01-05T23:59:60.000000Z",
            "2026-01-05T09:00:00.00000Z",
            "2026-01-05 09:00:00.000000Z",
            "2026-01-05T09:00:00.000000z",
            "2026-01-05T09:00:00,000000Z",
            "+026-01-05T09:00:00.000000Z",
        ] {
            assert!(!is_time(bad), "{bad}");
        }
    }
}
