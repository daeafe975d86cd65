//! Why an act on a protocol's life is refused.

use super::life::State;

/// Why an act is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LifeError {
    /// The state does not allow the act.
    #[error("a protocol that is {0} does not allow this act")]
    NotAllowed(State),
    /// The organisation is not a party.
    #[error("the organisation is not a party of this protocol")]
    NotAParty,
    /// The office may not do this.
    #[error("this office may not do this: a SIRO or a Caldicott Guardian revokes")]
    WrongRole,
    /// The party has suspended its flows already.
    #[error("the party has suspended its flows already")]
    AlreadySuspended,
    /// The party has revoked its part; only a new version brings it back.
    #[error("the party has revoked its part")]
    AlreadyRevoked,
    /// Who joins is a party already.
    #[error("the organisation is a party of this protocol already")]
    AlreadyAParty,
    /// The last day has not passed.
    #[error("the protocol has not expired")]
    NotExpired,
}
