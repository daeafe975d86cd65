//! What a use case answers when it does not do what was asked.
//!
//! A refusal names a fixed reason and a fixed sentence, never a submitted value, and is
//! itself logged before it is told.

use super::ProjectionError;
use crate::{
    audit::{AuditError, Code},
    disclosure::DisclosureError,
    keys::KeyError,
    protocol::Refusal,
    store::{ActError, Logged, StoreError},
};
use jiff::civil::Date;

/// What kind of no; the transports map it to their status codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The caller is not recognised.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// What was sent is malformed.
    Invalid,
    /// It is not there, or not the caller's to know.
    NotFound,
    /// It is there already, or not in a state that allows this.
    Conflict,
    /// Too much at once.
    Exhausted,
}

/// A refusal, told to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    kind: RefusalKind,
    reason: &'static str,
    sentence: &'static str,
    clause: Option<String>,
    fields: Vec<(String, String)>,
}

impl Refused {
    /// A refusal for a fixed reason.
    #[must_use]
    pub const fn new(kind: RefusalKind, reason: &'static str, sentence: &'static str) -> Self {
        Self { kind, reason, sentence, clause: None, fields: Vec::new() }
    }

    /// A malformed field: its name and the rule it broke, both the program's own words.
    #[must_use]
    pub fn invalid(field: impl Into<String>, rule: impl Into<String>) -> Self {
        let mut refused = Self::new(
            RefusalKind::Invalid,
            "invalid_argument",
            "a field of the request is malformed",
        );
        refused.fields.push((field.into(), rule.into()));
        refused
    }

    /// Something that is not there, or not the caller's to know: both look the same.
    #[must_use]
    pub const fn not_found() -> Self {
        Self::new(
            RefusalKind::NotFound,
            "not_found",
            "there is no such thing, or it is not yours to know",
        )
    }

    /// A decision's refusal. `column` names the column at fault, if one is and it may be
    /// told (it is the caller's own heading).
    #[must_use]
    pub fn by(refusal: &Refusal) -> Self {
        let told = refusal.reason().told();
        Self {
            kind: RefusalKind::Forbidden,
            reason: told.code(),
            sentence: told.words(),
            clause: refusal.clause().map(|clause| {
                format!("{}/{}#{}", clause.protocol(), clause.version().number(), clause.pointer())
            }),
            fields: Vec::new(),
        }
    }

    /// The same refusal with a field at fault.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>, rule: impl Into<String>) -> Self {
        self.fields.push((field.into(), rule.into()));
        self
    }

    /// What kind of no.
    #[must_use]
    pub const fn kind(&self) -> RefusalKind {
        self.kind
    }

    /// The reason's stable code.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.reason
    }

    /// The reason in words.
    #[must_use]
    pub const fn sentence(&self) -> &'static str {
        self.sentence
    }

    /// The clause that refused: protocol/version#pointer.
    #[must_use]
    pub fn clause(&self) -> Option<&str> {
        self.clause.as_deref()
    }

    /// Malformed fields and the rules they broke.
    #[must_use]
    pub fn fields(&self) -> &[(String, String)] {
        &self.fields
    }
}

/// A reason as a word of the log.
pub(super) fn word(reason: &'static str) -> Code {
    reason.parse().expect("a reason is a literal of this program in the log's alphabet")
}

/// Why a use case did not answer.
#[derive(Debug)]
pub enum Denied {
    /// It refused, and the refusal is logged.
    Refused(Box<Logged<Refused>>),
    /// It could not; nothing may be answered.
    Failed(GatewayError),
}

impl<E: Into<GatewayError>> From<E> for Denied {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What went wrong inside; told to the operator, never to a client.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log can't be written, so nothing is answered.
    #[error("the access log can't be written")]
    LogUnavailable,
    /// A witness has seen another log than this one, or more of it.
    #[error("a witness contradicts the access log")]
    Contradicted,
    /// The clock is further ahead of the last day whose retention was applied than it is believed by
    /// itself: what is let go is gone for good.
    #[error(
        "retention was applied last for {last} and the clock says {today}: check the clock; where it \
         is right, start the gateway with --today {today}"
    )]
    ClockJumped {
        /// The last day whose retention was applied.
        last: Date,
        /// What the clock says.
        today: Date,
    },
    /// The policy kept changing while this was decided.
    #[error("the policy kept changing; try again")]
    Unsettled,
    /// Another act was first; look again and repeat.
    #[error("another act was first; look again and repeat")]
    Conflict,
    /// The store asks for keys that this gateway does not hold, or has not looked at yet.
    #[error(
        "the database is written under keys that this gateway's key file does not hold; give it \
         the file that the other gateways have"
    )]
    KeysBehind,
    /// A key failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Disclosure control failed.
    #[error(transparent)]
    Disclosure(#[from] DisclosureError),
    /// The log's forms failed.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The journal of erasures can't be used.
    #[error(transparent)]
    Journal(#[from] super::JournalError),
    /// A restored backup still holds the bytes of what was erased since.
    #[error(
        "this database was restored from a backup that held what was erased since; it is erased \
         again, and its bytes are still in the database's files: run `tallygate scrub --config \
         FILE` (on PostgreSQL as the tables' owner), then start again"
    )]
    ScrubOwed,
    /// The published log can't be read.
    #[error(transparent)]
    Published(#[from] ProjectionError),
}

impl From<ActError> for GatewayError {
    fn from(error: ActError) -> Self {
        match error {
            ActError::PolicyChanged => Self::Unsettled,
            ActError::Conflict => Self::Conflict,
            ActError::Unavailable => Self::LogUnavailable,
            ActError::Withheld => Self::Contradicted,
        }
    }
}
