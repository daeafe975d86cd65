//! A refusal: one reason of a closed list, and the clause that refused. It never holds a submitted value.

use std::fmt;

use super::document::{Digest, ProtocolVersion};
use super::vocabulary::closed;
use crate::domain::ProtocolId;

closed! {
    /// Why the decision said no. The code is stable; the words are for people.
    pub enum Reason {
        UnknownRecordType = "unknown_record_type", "This record type is not known.";
        ProtocolUnknown = "protocol_unknown", "There is no such protocol or version, or you are not a party of it.";
        ProtocolUnreadable = "protocol_unreadable", "The protocol can't be read in full, so it permits nothing.";
        NotAParty = "not_a_party", "The caller's organisation is not a party of this protocol.";
        WrongRole = "wrong_role", "The caller may not do this in its role.";
        ProtocolNotActive = "protocol_not_active", "The protocol is not signed by everyone who must sign it.";
        ProtocolSuperseded = "protocol_superseded", "A newer version has replaced this protocol.";
        ProtocolRevoked = "protocol_revoked", "The protocol, or this party's part of it, has been revoked.";
        ProtocolSuspended = "protocol_suspended", "The protocol, or this party's part of it, is suspended.";
        ProtocolNotYetEffective = "protocol_not_yet_effective", "The protocol is not yet in force.";
        ProtocolExpired = "protocol_expired", "The protocol has expired.";
        FlowNotGranted = "flow_not_granted", "The protocol does not let this party send this record type.";
        FieldNotListed = "field_not_listed", "The protocol does not list a field that was sent.";
        RequiredFieldMissing = "required_field_missing", "A field that the protocol requires was not sent.";
        AreaNotCovered = "area_not_covered", "The protocol does not cover this area.";
        NoticeMissing = "notice_missing", "The protocol asks for a privacy notice, and none of the sender's is in force for this record type.";
        EventDateOutsideTerm = "event_date_outside_term", "The event lies outside the protocol's term.";
        EventTooOld = "event_too_old", "The event lies further back than the protocol allows.";
        ExtractTooLate = "extract_too_late", "The extract is older than the protocol allows.";
        ConsentMissing = "consent_missing", "The protocol requires a consent reference.";
        ConsentNotGiven = "consent_not_given", "The consent is not given, was refused, withdrawn, or has run out.";
        ConsentNotCovering = "consent_not_covering", "The consent does not cover this record type, or not all that it would be used for.";
        TableNotListed = "table_not_listed", "No protocol of the caller lists this table.";
        AudienceNotListed = "audience_not_listed", "The protocol does not list this audience for this table.";
        PurposeNotListed = "purpose_not_listed", "The protocol does not list this purpose for this use.";
        SourceNotGranted = "source_not_granted", "The protocol does not let this data serve this table.";
        RootPolicyMissing = "root_policy_missing", "No root disclosure policy is in force.";
    }
}

impl Reason {
    /// The reason as the caller is told it: whether a protocol exists is not for those who are no party of
    /// it, so both cases look the same from outside.
    #[must_use]
    pub const fn told(self) -> Self {
        match self {
            Self::NotAParty => Self::ProtocolUnknown,
            other => other,
        }
    }
}

/// The part of a protocol that a decision rests on, as a JSON pointer into the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Whole,
    Effective,
    Expires,
    Parties,
    Purposes,
    Flows,
    Flow(usize),
    FlowMember(usize, &'static str),
    FlowField(usize, usize),
    Outputs,
    Output(usize),
    OutputMember(usize, &'static str),
    Audience(usize, usize),
    AudienceAreas(usize, usize),
    Retention(usize),
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Effective => f.write_str("/effective"),
            Self::Expires => f.write_str("/expires"),
            Self::Parties => f.write_str("/parties"),
            Self::Purposes => f.write_str("/purposes"),
            Self::Flows => f.write_str("/flows"),
            Self::Flow(flow) => write!(f, "/flows/{flow}"),
            Self::FlowMember(flow, member) => write!(f, "/flows/{flow}/{member}"),
            Self::FlowField(flow, field) => write!(f, "/flows/{flow}/fields/{field}"),
            Self::Outputs => f.write_str("/outputs"),
            Self::Output(output) => write!(f, "/outputs/{output}"),
            Self::OutputMember(output, member) => write!(f, "/outputs/{output}/{member}"),
            Self::Audience(output, audience) => write!(f, "/outputs/{output}/audiences/{audience}"),
            Self::AudienceAreas(output, audience) => {
                write!(f, "/outputs/{output}/audiences/{audience}/areas")
            }
            Self::Retention(entry) => write!(f, "/retention/{entry}"),
        }
    }
}

/// A place in a version of a protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    protocol: ProtocolId,
    version: ProtocolVersion,
    digest: Digest,
    section: Section,
}

impl Clause {
    pub(super) fn new(
        protocol: &ProtocolId,
        version: ProtocolVersion,
        digest: Digest,
        section: Section,
    ) -> Self {
        Self { protocol: protocol.clone(), version, digest, section }
    }

    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> &ProtocolId {
        &self.protocol
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// The digest of that version.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The flow that it lies in, if it lies in one.
    pub(super) const fn flow(&self) -> Option<usize> {
        match self.section {
            Section::Flow(flow) | Section::FlowMember(flow, _) | Section::FlowField(flow, _) => {
                Some(flow)
            }
            _ => None,
        }
    }

    /// The JSON pointer into the document, such as `/flows/2/fields`; empty for the whole.
    #[must_use]
    pub fn pointer(&self) -> String {
        self.section.to_string()
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} version {} {}", self.protocol, self.version, self.section)
    }
}

/// A decision that said no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .reason.words())]
pub struct Refusal {
    reason: Reason,
    clause: Option<Box<Clause>>,
    column: Option<usize>,
}

impl Refusal {
    pub(super) fn bare(reason: Reason) -> Self {
        Self { reason, clause: None, column: None }
    }

    pub(super) fn by(reason: Reason, clause: Clause) -> Self {
        Self { reason, clause: Some(Box::new(clause)), column: None }
    }

    pub(super) fn in_column(mut self, column: usize) -> Self {
        self.column = Some(column);
        self
    }

    /// Why; for the log. What the caller is told is [`Reason::told`].
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The clause that refused, if a protocol did.
    #[must_use]
    pub fn clause(&self) -> Option<&Clause> {
        self.clause.as_deref()
    }

    /// For `field_not_listed`: the position, from 0, of the column in what was sent.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        self.column
    }
}
