//! Why a signed document or an act on it is refused, as stable reasons and fixed sentences.
//!
//! One exhaustive match each: a new error can't fall into another's reason.

use crate::{
    gateway::{RefusalKind, Refused},
    protocol::{Fault, SignatureError, life::LifeError},
};

/// Fixed reason and sentence of each error.
const fn words(error: &SignatureError) -> (&'static str, &'static str) {
    match error {
        SignatureError::Envelope(_) => {
            ("malformed_jws", "the signed form is not General JWS JSON as this gateway reads it")
        }
        SignatureError::Header { .. } => {
            ("malformed_header", "a signature's protected header is malformed")
        }
        SignatureError::UnknownCritical { .. } => {
            ("unknown_critical", "a signature asks for an extension that is not understood")
        }
        SignatureError::UnknownAlgorithm { .. } => {
            ("unknown_algorithm", "a signature's algorithm is not Ed25519")
        }
        SignatureError::WrongType { .. } => {
            ("wrong_type", "a signature was given to another kind of document")
        }
        SignatureError::PayloadDiffers => {
            ("payload_differs", "another document is registered under this id and version")
        }
        SignatureError::Document(_) => {
            ("malformed_document", "the document breaks a rule; the violation says where")
        }
        SignatureError::Unsigned => ("unsigned", "the document has no signature"),
        SignatureError::UnregisteredKey { .. } => {
            ("unregistered_key", "a signature's key is not in the register")
        }
        SignatureError::WrongPurpose { .. } => {
            ("wrong_purpose", "a signature's key is registered for another purpose")
        }
        SignatureError::WrongParty { .. } => {
            ("wrong_party", "a signature's key is not that of the party it names")
        }
        SignatureError::WrongRole { .. } => {
            ("wrong_office", "a signature's key is not held in the office it names")
        }
        SignatureError::NotAParty { .. } => {
            ("signatory_not_a_party", "a signature is of somebody who is no party")
        }
        SignatureError::KeyNotNamed { .. } => {
            ("key_not_named", "the document does not name the key of a signature")
        }
        SignatureError::KeyNotYetValid { .. } => {
            ("key_not_yet_valid", "a signature's key was not yet valid")
        }
        SignatureError::KeyExpired { .. } => ("key_expired", "a signature's key had expired"),
        SignatureError::KeyRevoked { .. } => ("key_revoked", "a signature's key had been revoked"),
        SignatureError::SignedInFuture { .. } => {
            ("signed_in_future", "a signature's time lies in the future")
        }
        SignatureError::Duplicate { .. } => {
            ("duplicate_signature", "one key has signed more than once")
        }
        SignatureError::Corrupt { .. } => {
            ("signature_does_not_verify", "a signature does not verify: some byte was changed")
        }
        SignatureError::SigningFailed => ("signing_failed", "a key could not sign"),
        SignatureError::Incomplete(_) => {
            ("signatures_missing", "not everyone who must sign has signed")
        }
    }
}

/// The signature at fault, counted from 0.
const fn place(error: &SignatureError) -> Option<usize> {
    match error {
        SignatureError::Header { place, .. }
        | SignatureError::UnknownCritical { place }
        | SignatureError::UnknownAlgorithm { place }
        | SignatureError::WrongType { place }
        | SignatureError::UnregisteredKey { place }
        | SignatureError::WrongPurpose { place }
        | SignatureError::WrongParty { place }
        | SignatureError::WrongRole { place }
        | SignatureError::NotAParty { place }
        | SignatureError::KeyNotNamed { place }
        | SignatureError::KeyNotYetValid { place }
        | SignatureError::KeyExpired { place }
        | SignatureError::KeyRevoked { place }
        | SignatureError::SignedInFuture { place }
        | SignatureError::Duplicate { place }
        | SignatureError::Corrupt { place } => Some(*place),
        SignatureError::Envelope(_)
        | SignatureError::PayloadDiffers
        | SignatureError::Document(_)
        | SignatureError::Unsigned
        | SignatureError::SigningFailed
        | SignatureError::Incomplete(_) => None,
    }
}

/// A refused signed document.
pub(super) fn signature(error: &SignatureError) -> Refused {
    let (reason, sentence) = words(error);
    let kind = match error {
        SignatureError::PayloadDiffers | SignatureError::Incomplete(_) => RefusalKind::Conflict,
        _ => RefusalKind::Invalid,
    };
    let mut refused = Refused::new(kind, reason, sentence);
    match (error, place(error)) {
        (SignatureError::Envelope(fault) | SignatureError::Document(fault), _) => {
            refused = at_fault(refused, "", fault);
        }
        (SignatureError::Header { fault, .. }, Some(place)) => {
            refused = at_fault(refused, &format!("/signatures/{place}/protected"), fault);
        }
        (SignatureError::Incomplete(missing), _) => {
            for missing in missing {
                refused = refused.with_field("/signatures", missing.to_string());
            }
        }
        (_, Some(place)) => {
            refused = refused.with_field(format!("/signatures/{place}"), sentence);
        }
        (_, None) => {}
    }
    refused
}

/// The same where the signatures were brought together with those held already: the place
/// of the signature is then none that the sender could count to.
pub(super) fn merged(error: &SignatureError) -> Refused {
    let (reason, sentence) = words(error);
    Refused::new(RefusalKind::Conflict, reason, sentence)
}

/// A document that does not fit its surroundings.
pub(super) fn document(fault: &Fault) -> Refused {
    signature(&SignatureError::Document(fault.clone()))
}

/// A signature, counted from 0, of a partner that is barred.
pub(super) fn barred(place: usize) -> Refused {
    let sentence = "a signature is of a partner that is barred in the register";
    let refused = Refused::new(RefusalKind::Invalid, "signatory_barred", sentence);
    refused.with_field(format!("/signatures/{place}"), sentence)
}

/// A paper about a version that is not held, or another one under the same name.
pub(super) fn another_agreement(pointer: &str) -> Refused {
    let sentence = "there is no such version of the protocol: id, version and digest must agree";
    Refused::new(RefusalKind::Conflict, "another_agreement", sentence).with_field(pointer, sentence)
}

/// The violation of a fault: its JSON pointer (`document` for the whole) and its rule.
fn at_fault(refused: Refused, prefix: &str, fault: &Fault) -> Refused {
    let pointer = format!("{prefix}{}", fault.pointer());
    let field = if pointer.is_empty() { "document".to_owned() } else { pointer };
    refused.with_field(field, format!("{}: {}", fault.rule().code(), fault.rule().words()))
}

/// An act that a protocol's life does not allow.
pub(super) const fn life(error: &LifeError) -> Refused {
    let (reason, sentence) = match error {
        LifeError::NotAllowed(_) => {
            ("state_forbids", "the protocol's state does not allow this; look at its line")
        }
        LifeError::NotAParty => return Refused::not_found(),
        LifeError::WrongRole => ("wrong_office", "this office may not do this"),
        LifeError::AlreadySuspended => {
            ("already_suspended", "your organisation has suspended its part already")
        }
        LifeError::AlreadyRevoked => {
            ("already_revoked", "your organisation has revoked its part; that needs a new version")
        }
        LifeError::AlreadyAParty => {
            ("already_a_party", "the organisation is a party of the protocol already")
        }
        LifeError::NotExpired => ("not_expired", "the protocol has not expired"),
    };
    Refused::new(RefusalKind::Conflict, reason, sentence)
}
