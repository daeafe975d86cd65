//! What the log says about one act, and its one canonical encoding.
//!
//! A leaf is a JSON object in RFC 8785 form with `"v":1`, so that an auditor reads it with
//! any JSON tool and its hash has exactly one meaning. Invariants: no free text ([`Code`] and
//! [`Token`] are the only open words), never an identifier of a subject nor an unsalted hash
//! of one, sizes only as classes; decoding refuses unknown fields and any other spelling of
//! the same facts. A field that does not apply is absent, never null.

use super::{
    AuditError, Code, Hash, LogName, Token, UserPseudonym,
    leaf_form::{self, Form},
};
use crate::domain::{AreaCode, IndicatorId, PartnerId, ProtocolId, Quarter, RecordType, TableId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The version of the leaf's form.
pub const LEAF_VERSION: u8 = 1;
/// JSON numbers are exact up to here (RFC 8785 §3.2.2.3).
const MAX_EXACT: u64 = (1 << 53) - 1;

macro_rules! leaf_kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What kind of act a leaf is about. A closed list: the verifier keeps its own copy.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum LeafKind { $($(#[$doc])* #[serde(rename = $name)] $variant,)* }

        impl LeafKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As written in the leaf.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

leaf_kinds! {
    /// The first leaf of a log; from the second year on it names the old log's last checkpoint.
    LogOpened = "log_opened",
    /// A gateway began to serve.
    GatewayStarted = "gateway_started",
    /// A gateway stopped in order.
    GatewayStopped = "gateway_stopped",
    /// A sharing protocol arrived, with some or all signatures.
    ProtocolSubmitted = "protocol_submitted",
    /// Its quorum was complete and it took effect.
    ProtocolActivated = "protocol_activated",
    /// A party suspended its own flows.
    ProtocolSuspended = "protocol_suspended",
    /// A party agreed that a suspension ends; with the last agreement it does.
    ProtocolResumed = "protocol_resumed",
    /// A party revoked its part.
    ProtocolRevoked = "protocol_revoked",
    /// A new party joined by a deed of adherence.
    ProtocolJoined = "protocol_joined",
    /// Its last day had passed.
    ProtocolExpired = "protocol_expired",
    /// A root disclosure policy took effect.
    RootPolicyActivated = "root_policy_activated",
    /// A partner entered the register.
    PartnerAdded = "partner_added",
    /// A partner was shut out.
    PartnerDisabled = "partner_disabled",
    /// A partner's key or certificate entered the register.
    KeyAdded = "key_added",
    /// Keys of the gateway are replaced: begun, in use, or complete, as the cause says.
    KeyRotated = "key_rotated",
    /// A version of the gateway's keys was destroyed, by two people.
    KeyDestroyed = "key_destroyed",
    /// Reach areas and their LSOAs were loaded.
    AreasLoaded = "areas_loaded",
    /// Consent was given or refused.
    ConsentRecorded = "consent_recorded",
    /// Consent was withdrawn.
    ConsentWithdrawn = "consent_withdrawn",
    /// A sender stated that a privacy notice is in force for a record type, or ends.
    PrivacyNoticeRecorded = "privacy_notice_recorded",
    /// A case of a subject's rights was opened; the cause says which right.
    CaseOpened = "case_opened",
    /// Such a case ended.
    CaseEnded = "case_ended",
    /// A party gave its signed word that it has done what notices asked.
    NoticesAcknowledged = "notices_acknowledged",
    /// A case was proved: what the gateway states about it.
    CaseProved = "case_proved",
    /// A subject's wish to see what is held was entered, after proof of identity.
    SubjectRequested = "subject_requested",
    /// A report for a subject was made and sealed to the data protection officer.
    SubjectReported = "subject_reported",
    /// A controller marked what must not be shown to subjects, or took such a mark back.
    RecordsWithheld = "records_withheld",
    /// The day's erasures, as one leaf.
    Erasures = "erasures",
    /// The day's retention was applied: what was let go, as one leaf.
    RetentionApplied = "retention_applied",
    /// Everything that is kept was compared with the limits of the protocols; the cause says
    /// what was found.
    RetentionChecked = "retention_checked",
    /// Every subject is resolved anew by the rules in use: begun or complete, as the cause says.
    SubjectsRelinked = "subjects_relinked",
    /// A stream of batches was let in.
    IntakeStreamOpened = "intake_stream_opened",
    /// A batch was accepted.
    BatchAccepted = "batch_accepted",
    /// The stream ended.
    IntakeStreamClosed = "intake_stream_closed",
    /// Its sender took a whole stream back.
    IntakeStreamUndone = "intake_stream_undone",
    /// Blinded values were evaluated for a partner; how many, in classes.
    BlindedEvaluated = "blinded_evaluated",
    /// A release's structure, errors and budget were shown before its making.
    ReleasePreviewed = "release_previewed",
    /// A quarter was closed and its release frozen.
    ReleaseFrozen = "release_frozen",
    /// A release found wrong was withdrawn; its notice stays.
    ReleaseWithdrawn = "release_withdrawn",
    /// A first person wants an act done that needs two.
    ApprovalGiven = "approval_given",
    /// An area's card was given.
    CardAnswered = "card_answered",
    /// A released figure was given.
    QueryAnswered = "query_answered",
    /// A data book of an area was given: its figures, and those of areas beside it.
    DataBookAnswered = "data_book_answered",
    /// Somebody asked for a table that is not published.
    TableAsked = "table_asked",
    /// A request for a table was decided; the cause says how.
    TableDecided = "table_decided",
    /// A register was read: protocols, partners, areas, keys or releases; or a sender looked at
    /// its own consents or records (which its wanting some of them erased looks like, too).
    RegisterRead = "register_read",
    /// The log itself was read.
    LogRead = "log_read",
    /// An auditor signed off a review of a range of entries; the cause says what was found.
    LogReviewed = "log_reviewed",
    /// A stream of the log's entries to an auditor was let in.
    LogStreamOpened = "log_stream_opened",
    /// The stream ended.
    LogStreamClosed = "log_stream_closed",
    /// A request was refused; the reason says why.
    Refused = "refused",
    /// A person signed in to the pages.
    SignedIn = "signed_in",
    /// And out again, of its own will.
    SignedOut = "signed_out",
    /// Failed TLS handshakes of one minute, as one leaf.
    HandshakesFailed = "handshakes_failed",
    /// Enough witnesses have cosigned the log: figures may be answered, at first or again.
    WitnessQuorumReached = "witness_quorum_reached",
    /// Too few witnesses have cosigned for too long: figures are answered no more.
    WitnessQuorumLost = "witness_quorum_lost",
    /// A witness (by its key) has seen another history of this log, or more of it than there is.
    WitnessContradicted = "witness_contradicted",
    /// The gateway goes on without a witness (by its key), on its operator's responsibility.
    WitnessOverridden = "witness_overridden",
    /// The gateway goes on without the journal of erasures or its end, on its operator's
    /// responsibility.
    JournalOverridden = "journal_overridden",
    /// Calls shed under overload in one minute, as one leaf.
    CallsShed = "calls_shed",
}

/// How many there were, without saying how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each name is its bound")]
pub enum SizeClass {
    #[serde(rename = "<100")]
    Under100,
    #[serde(rename = "<1000")]
    Under1Thousand,
    #[serde(rename = "<10000")]
    Under10Thousand,
    #[serde(rename = "<100000")]
    Under100Thousand,
    #[serde(rename = "<1000000")]
    Under1Million,
    #[serde(rename = "<10000000")]
    Under10Million,
    #[serde(rename = ">=10000000")]
    From10Million,
}

impl SizeClass {
    /// The class a count falls in.
    #[must_use]
    pub const fn of(count: u64) -> Self {
        match count {
            0..100 => Self::Under100,
            100..1_000 => Self::Under1Thousand,
            1_000..10_000 => Self::Under10Thousand,
            10_000..100_000 => Self::Under100Thousand,
            100_000..1_000_000 => Self::Under1Million,
            1_000_000..10_000_000 => Self::Under10Million,
            _ => Self::From10Million,
        }
    }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Decision {
    /// It was done.
    Granted,
    /// It was not; the reason is a code of the room that refused.
    Refused {
        /// Why.
        reason: Code,
    },
}

/// Which version of which protocol an act rested on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtocolReference {
    /// SHA-256 of its canonical payload.
    pub digest: Hash,
    /// Its id.
    pub id: ProtocolId,
    /// Its version, from 1.
    pub version: u32,
}

/// The last checkpoint of the log that this one follows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviousLog {
    /// The old log's name.
    pub origin: LogName,
    /// Its last root.
    pub root: Hash,
    /// Its last size.
    pub size: u64,
}

/// Entries that a review was of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryRange {
    /// The first one's index.
    pub from: u64,
    /// The index behind the last one.
    pub until: u64,
}

/// Additions that only some kinds carry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Notes {
    /// The partner that an administrative act is about (`partner` is who acts).
    pub about: Option<PartnerId>,
    /// The checklist's open warnings that were accepted, in order; never an empty list.
    pub accepted: Option<Vec<Code>>,
    /// The act that needs two people: `close_quarter`, ...
    pub act: Option<Code>,
    /// Digest of what is to be done: the same in the first person's leaf and in the second's.
    pub approval: Option<Hash>,
    /// Digest of an accepted batch, as leaves had it before batches had a private detail: it
    /// was not salted, so it is written no more, and still read.
    pub batch: Option<Hash>,
    /// Why who acted did it: a code of a closed list.
    pub cause: Option<Code>,
    /// Digest of a document that took effect: catalogue, root policy, set of areas, notice.
    pub document: Option<Hash>,
    /// Id of a key.
    pub key: Option<Token>,
    /// Period of a release or figure.
    pub period: Option<Quarter>,
    /// The policy epoch the decision was made under.
    pub policy_epoch: Option<u64>,
    /// The log before this one.
    pub previous: Option<PreviousLog>,
    /// The record type of a stream or batch.
    pub record_type: Option<RecordType>,
    /// Which register was read: `protocols`, `partners`, ...
    pub register: Option<Code>,
    /// Digest of a release.
    pub release: Option<Hash>,
    /// The entries that a review was of.
    pub reviewed: Option<EntryRange>,
    /// The software's version.
    pub software: Option<Token>,
    /// The log index of the stream's "opened" leaf.
    pub stream: Option<u64>,
}

/// One entry of the access log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Leaf {
    /// What kind of act.
    pub kind: LeafKind,
    /// When, by the gateway's clock; encoded to the microsecond, finer parts are cut off.
    pub at: Timestamp,
    /// Who acted.
    pub partner: Option<PartnerId>,
    /// Which of its staff.
    pub user: Option<UserPseudonym>,
    /// For what.
    pub purpose: Option<Code>,
    /// On which legal basis.
    pub legal_basis: Option<Token>,
    /// Under which protocol.
    pub protocol: Option<ProtocolReference>,
    /// The clause that allowed or refused.
    pub clause: Option<Token>,
    /// Which area.
    pub area: Option<AreaCode>,
    /// Which table.
    pub table: Option<TableId>,
    /// Which indicator.
    pub indicator: Option<IndicatorId>,
    /// What was decided.
    pub decision: Decision,
    /// How many records, or how many of what an aggregated leaf stands for.
    pub size_class: Option<SizeClass>,
    /// The partner's own sequence number, from 1 without gaps.
    pub partner_sequence: Option<u64>,
    /// Commitment to the private detail ([`super::Detail`]).
    pub detail: Option<Hash>,
    /// Additions.
    pub notes: Notes,
}

impl Leaf {
    /// A leaf of an act that was done, with nothing else said yet.
    #[must_use]
    pub fn new(kind: LeafKind, at: Timestamp) -> Self {
        Self {
            kind,
            at,
            partner: None,
            user: None,
            purpose: None,
            legal_basis: None,
            protocol: None,
            clause: None,
            area: None,
            table: None,
            indicator: None,
            decision: Decision::Granted,
            size_class: None,
            partner_sequence: None,
            detail: None,
            notes: Notes::default(),
        }
    }

    /// A leaf of a refusal.
    #[must_use]
    pub fn refused(at: Timestamp, reason: Code) -> Self {
        Self { decision: Decision::Refused { reason }, ..Self::new(LeafKind::Refused, at) }
    }

    /// The canonical bytes, which are the log's entry.
    ///
    /// # Errors
    /// `NumberTooLarge` for a number JSON can't carry exactly; `EntryTooLong` and
    /// `NotEncodable` cannot occur for leaves made of this module's words.
    pub fn encode(&self) -> Result<Vec<u8>, AuditError> {
        self.encode_as(self.at, self.partner_sequence)
    }

    /// The same with another time and counter: what the sequencer alone knows.
    ///
    /// # Errors
    /// As [`Leaf::encode`].
    pub fn encode_as(
        &self,
        at: Timestamp,
        partner_sequence: Option<u64>,
    ) -> Result<Vec<u8>, AuditError> {
        let notes = &self.notes;
        for (field, number) in [
            ("policy_epoch", notes.policy_epoch),
            ("previous", notes.previous.as_ref().map(|previous| previous.size)),
            ("reviewed", notes.reviewed.map(|range| range.from.max(range.until))),
            ("sequence", partner_sequence),
            ("stream", notes.stream),
        ] {
            if number.is_some_and(|number| number > MAX_EXACT) {
                return Err(AuditError::NumberTooLarge { field });
            }
        }
        // The form's fields are declared in canonical order, its words need no escapes and its
        // numbers are exact integers, so plain JSON is RFC 8785 already (and cheaper
        // than sorting it; a test compares the two).
        let bytes =
            leaf_form::write(self, at, partner_sequence).map_err(|_| AuditError::NotEncodable)?;
        if bytes.len() > usize::from(u16::MAX) {
            return Err(AuditError::EntryTooLong);
        }
        Ok(bytes)
    }

    /// The leaf that these bytes are.
    ///
    /// # Errors
    /// `NotALeaf` for anything else than a leaf of a known form, `NotCanonical` for one in
    /// another spelling.
    pub fn decode(bytes: &[u8]) -> Result<Self, AuditError> {
        let form: Form = serde_json::from_slice(bytes).map_err(|_| AuditError::NotALeaf)?;
        let leaf = Self::try_from(form)?;
        if leaf.encode()? == bytes { Ok(leaf) } else { Err(AuditError::NotCanonical) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_classes_hide_the_count() {
        let written = |count| serde_json::to_string(&SizeClass::of(count)).unwrap();
        assert_eq!(written(0), "\"<100\"");
        assert_eq!(written(99), "\"<100\"");
        assert_eq!(written(100), "\"<1000\"");
        assert_eq!(written(9_999_999), "\"<10000000\"");
        assert_eq!(written(u64::MAX), "\">=10000000\"");
    }

    #[test]
    fn names_of_kinds_are_those_serialised() {
        for kind in LeafKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }

    #[test]
    fn a_number_json_cannot_carry_is_refused() {
        let mut leaf = Leaf::new(LeafKind::LogRead, Timestamp::UNIX_EPOCH);
        leaf.partner_sequence = Some(MAX_EXACT);
        assert!(leaf.encode().is_ok());
        leaf.partner_sequence = Some(MAX_EXACT + 1);
        assert_eq!(leaf.encode(), Err(AuditError::NumberTooLarge { field: "sequence" }));
    }

    #[test]
    fn only_the_canonical_spelling_of_a_known_leaf_decodes() {
        let mut leaf = Leaf::refused(Timestamp::UNIX_EPOCH, "area_not_covered".parse().unwrap());
        leaf.partner = Some("centres".parse().unwrap());
        let bytes = leaf.encode().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!(
            text,
            r#"{"at":"1970-01-01T00:00:00.000000Z","decision":"refused","kind":"refused","partner":"centres","reason":"area_not_covered","v":1}"#
        );
        assert_eq!(Leaf::decode(&bytes), Ok(leaf));
        for (from, to, error) in [
            (r#""v":1"#, r#""v": 1"#, AuditError::NotCanonical),
            (r#""v":1"#, r#""table":null,"v":1"#, AuditError::NotCanonical),
            ("00.000000Z", "00Z", AuditError::NotCanonical),
            (
                "1970-01-01T00:00:00.000000Z",
                "1970-01-01T01:00:00.000000+01:00",
                AuditError::NotCanonical,
            ),
            (r#""v":1"#, r#""v":2"#, AuditError::NotALeaf),
            (r#""v":1"#, r#""v":1,"x":1"#, AuditError::NotALeaf),
            (r#""kind":"refused""#, r#""kind":"unknown""#, AuditError::NotALeaf),
            (r#""decision":"refused""#, r#""decision":"granted""#, AuditError::NotALeaf),
            (r#","reason":"area_not_covered""#, "", AuditError::NotALeaf),
            ("centres", "Centres", AuditError::NotALeaf),
        ] {
            let other = text.replace(from, to);
            assert_ne!(other, text, "{from}");
            assert_eq!(Leaf::decode(other.as_bytes()), Err(error), "{other}");
        }
        assert_eq!(Leaf::decode(b""), Err(AuditError::NotALeaf));
        assert_eq!(Leaf::decode(&bytes[1..]), Err(AuditError::NotALeaf));
    }
}
