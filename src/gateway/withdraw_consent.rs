//! A consent is withdrawn by its sender's reference: at once, and by whom, where that is said.
//!
//! A withdrawal by one who is told apart is lifted by a later yes of that one, or of the subject,
//! and by nobody else's ([`crate::protocol::consent`]); one by nobody in particular takes the
//! place of everybody's word until somebody speaks on a later day. So who withdraws is said
//! wherever it is known.

use super::{
    Actor, ConsentGiver, ConsentRecord, Denied, Gateway, Refused,
    consents::{Keyed, reference},
};
use crate::{
    audit::{LeafKind, SizeClass},
    domain::time::epoch_day,
    keys::{IdentifierKind, RawIdentifier},
    protocol::Coverage,
    store::Logged,
};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Who withdraws a consent. No Debug: the reference may name somebody.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub struct Withdrawing {
    /// What the giver is; `None` for nobody in particular.
    #[zeroize(skip)]
    pub given_by: Option<ConsentGiver>,
    /// The sender's own reference of the giver; empty where it tells none apart.
    pub giver_ref: String,
}

impl Gateway {
    /// Withdraws a consent of the caller's own reference, also one it never recorded, by nobody
    /// in particular: from the answer on no record that relies on it is taken or counted in a
    /// later release.
    ///
    /// # Errors
    /// `wrong_role` but for providers; a violation for what is no reference.
    pub async fn withdraw_consent(
        &self,
        actor: &Actor,
        reference: String,
    ) -> Result<Logged<()>, Denied> {
        self.withdraw_consent_by(actor, reference, Withdrawing::default()).await
    }

    /// The same by somebody.
    ///
    /// # Errors
    /// `wrong_role` but for providers; a violation for what is no reference, or for a giver's
    /// reference without what the giver is.
    pub async fn withdraw_consent_by(
        &self,
        actor: &Actor,
        text: String,
        by: Withdrawing,
    ) -> Result<Logged<()>, Denied> {
        let named = (!by.giver_ref.trim().is_empty()).then(|| {
            let consent = reference(&text).map_err(|rule| ("consent_ref", rule.sentence()))?;
            let own = reference(&by.giver_ref).map_err(|rule| ("giver_ref", rule.sentence()))?;
            if by.given_by.is_none() {
                return Err(("given_by", "what the giver is"));
            }
            let kind = IdentifierKind::Giver { partner: &actor.partner, consent };
            let giver = RawIdentifier::new(own.to_owned());
            Ok(*giver.pseudonymise(kind, &self.keys().pseudonymiser).as_bytes())
        });
        let given_by = by.given_by;
        drop(by);
        let key = self.own_reference(actor, text).await?;
        let giver = match named.transpose() {
            Ok(giver) => giver,
            Err((field, rule)) => {
                return Err(self.refuse_malformed(actor, Refused::invalid(field, rule)).await);
            }
        };
        let entry = Keyed {
            under: key.key_version(),
            reference: *key.as_bytes(),
            giver,
            evidence: None,
            given_by,
            state: ConsentRecord::Withdrawn,
            stated_on: epoch_day(self.today()),
            means: None,
            notice_version: String::new(),
            coverage: Coverage::default(),
        };
        let mut leaf = actor.leaf(LeafKind::ConsentWithdrawn, self);
        leaf.size_class = Some(SizeClass::of(1));
        let logged = self.commit_consents(actor, leaf, &[entry]).await?;
        Ok(logged.map(|_| ()))
    }
}
