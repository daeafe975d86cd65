//! What an identifier is, and whose: its domain and its scope in the keyed function's input.

use super::{PrfInput, PseudonymDomain};
use crate::domain::PartnerId;

/// The version of the rules for identifiers, which are hashed in their canonical form.
pub const IDENTIFIER_RULES: u16 = 1;

/// What an identifier is and, where two partners may use one value for different things, whose.
#[derive(Debug, Clone, Copy)]
pub enum IdentifierKind<'a> {
    /// An NHS number.
    Nhs,
    /// A unique learner number.
    Uln,
    /// A unique pupil number.
    Upn,
    /// A National Insurance number.
    Nino,
    /// An early-years provider's number.
    Provider,
    /// A partner's own id for a person.
    Local {
        /// Whose.
        partner: &'a PartnerId,
    },
    /// A record's id within its feed.
    Record {
        /// Who sends the feed.
        partner: &'a PartnerId,
        /// What it consists of: `live_birth`.
        record_type: &'a str,
    },
    /// A consent reference.
    Consent {
        /// Whose.
        partner: &'a PartnerId,
    },
    /// A partner's own reference of who gave a consent, under one consent reference alone: no
    /// two consents show that one person gave both.
    Giver {
        /// Whose.
        partner: &'a PartnerId,
        /// Of which consent.
        consent: &'a str,
    },
    /// A partner's own reference of what proves a consent.
    Evidence {
        /// Whose.
        partner: &'a PartnerId,
        /// Of which consent.
        consent: &'a str,
    },
    /// A family's case.
    Case {
        /// Whose.
        partner: &'a PartnerId,
    },
    /// A person who uses the gateway.
    User {
        /// Whose staff.
        partner: &'a PartnerId,
    },
    /// A case of a subject's rights, by its opener's own reference.
    RightsCase {
        /// Whose.
        partner: &'a PartnerId,
    },
}

impl<'a> IdentifierKind<'a> {
    /// Whose own it is, of what may come blinded.
    pub(super) const fn owner(&self) -> Option<&'a PartnerId> {
        match self {
            Self::Local { partner }
            | Self::Record { partner, .. }
            | Self::Consent { partner }
            | Self::Case { partner } => Some(partner),
            Self::Nhs | Self::Uln | Self::Upn | Self::Nino | Self::Provider => None,
            Self::Giver { .. }
            | Self::Evidence { .. }
            | Self::User { .. }
            | Self::RightsCase { .. } => None,
        }
    }

    /// Whether it only ever comes in clear.
    pub(super) const fn is_always_clear(&self) -> bool {
        matches!(
            self,
            Self::Giver { .. }
                | Self::Evidence { .. }
                | Self::User { .. }
                | Self::RightsCase { .. }
        )
    }

    /// The domain that its pseudonyms belong to.
    #[must_use]
    pub const fn domain(&self) -> PseudonymDomain {
        match self {
            Self::Nhs => PseudonymDomain::Nhs,
            Self::Uln => PseudonymDomain::Uln,
            Self::Upn => PseudonymDomain::Upn,
            Self::Nino => PseudonymDomain::Nino,
            Self::Provider => PseudonymDomain::Provider,
            Self::Local { .. } => PseudonymDomain::Local,
            Self::Record { .. } => PseudonymDomain::Record,
            // Four fields in place of two: no giver is anybody's consent.
            Self::Consent { .. } | Self::Giver { .. } | Self::Evidence { .. } => {
                PseudonymDomain::Consent
            }
            Self::Case { .. } => PseudonymDomain::Case,
            Self::User { .. } => PseudonymDomain::User,
            Self::RightsCase { .. } => PseudonymDomain::Suppression,
        }
    }

    /// Whose it is, before the value; at most three fields.
    pub(super) fn scope(&self) -> [Option<&[u8]>; 3] {
        match self {
            Self::Nhs | Self::Uln | Self::Upn | Self::Nino | Self::Provider => [None; 3],
            Self::Local { partner }
            | Self::Consent { partner }
            | Self::Case { partner }
            | Self::User { partner }
            | Self::RightsCase { partner } => [Some(partner.as_str().as_bytes()), None, None],
            Self::Giver { partner, consent } => {
                [Some(partner.as_str().as_bytes()), Some(consent.as_bytes()), Some(b"giver")]
            }
            Self::Evidence { partner, consent } => {
                [Some(partner.as_str().as_bytes()), Some(consent.as_bytes()), Some(b"evidence")]
            }
            Self::Record { partner, record_type } => {
                [Some(partner.as_str().as_bytes()), Some(record_type.as_bytes()), None]
            }
        }
    }

    /// The input of one identifier.
    pub(super) fn input(&self, value: &[u8]) -> PrfInput {
        let input = PrfInput::begin(self.domain(), IDENTIFIER_RULES);
        let scoped = self.scope().into_iter().flatten().fold(input, PrfInput::code);
        scoped.secret(value)
    }
}
