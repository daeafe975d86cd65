//! What a batch tells of subjects who have made a choice: by what they are known as well.
//!
//! Somebody who moved, or of whom two senders knew different halves, would escape otherwise: a
//! record that is dropped, or that a choice does not reach, may name the subject by a key that no
//! case has yet. In the transaction that stages it, after its persons are linked, every key of
//! such an identity goes into the cases that bound it, with the persons who have that key, and
//! what the cases reach of theirs is stopped. Nobody is told but the senders of what is stopped.

use super::{subject::Known, suppressions::tokens_of};
use crate::{
    domain::{Role, time::epoch_day},
    gateway::{Gateway, GatewayError},
    keys::{KeyError, KeysInUse},
    linkage::KeyedIdentity,
    protocol::Choice,
    store::{Tx, cases},
};
use std::collections::{BTreeMap, BTreeSet};

/// Cases that bind by tokens.
pub(in crate::gateway) type BindingBy = BTreeMap<[u8; 16], BTreeSet<i64>>;

/// By what each person of a record is known, of whom anything at all is known.
pub(in crate::gateway) fn known_again(
    keys: &KeysInUse,
    persons: &[(Role, KeyedIdentity)],
) -> Result<Vec<Vec<[u8; 16]>>, KeyError> {
    persons.iter().map(|(_, identity)| tokens_of(keys, identity)).collect()
}

impl Gateway {
    /// The cases that bind by some identities.
    pub(in crate::gateway) async fn binding_by(
        &self,
        tx: &mut Tx,
        identities: &[Vec<[u8; 16]>],
    ) -> Result<BindingBy, GatewayError> {
        let all: BTreeSet<[u8; 16]> = identities.iter().flatten().copied().collect();
        let all: Vec<[u8; 16]> = all.into_iter().collect();
        let mut by = BindingBy::new();
        for (token, case) in cases::binding_by(tx, &all).await? {
            by.entry(token).or_default().insert(case);
        }
        Ok(by)
    }

    /// Adds what identities are known by to the cases that bind by any of it, in a transaction in
    /// which nobody else links.
    pub(in crate::gateway) async fn learn(
        &self,
        tx: &mut Tx,
        keys: &KeysInUse,
        identities: &[Vec<[u8; 16]>],
        by: &BindingBy,
    ) -> Result<(), GatewayError> {
        let mut of_case: BTreeMap<i64, BTreeSet<[u8; 16]>> = BTreeMap::new();
        for tokens in identities {
            let cases = tokens.iter().filter_map(|token| by.get(token)).flatten();
            for case in cases {
                of_case.entry(*case).or_default().extend(tokens);
            }
        }
        for (id, tokens) in of_case {
            self.learn_of(tx, keys, id, tokens).await?;
        }
        Ok(())
    }

    /// Adds tokens to a case, with whomever they stand for.
    pub(super) async fn learn_of(
        &self,
        tx: &mut Tx,
        keys: &KeysInUse,
        id: i64,
        mut tokens: BTreeSet<[u8; 16]>,
    ) -> Result<(), GatewayError> {
        for token in cases::suppressions(tx, id).await? {
            tokens.remove(&token);
        }
        let Some(case) = cases::by_number(tx, id).await?.filter(|_| !tokens.is_empty()) else {
            return Ok(());
        };
        let persons = self.persons_known_by(tx, keys, &tokens).await?;
        let also = self.tokens_of_persons(tx, keys, &persons).await?;
        let mut known = Known { tokens, ..Known::default() };
        known.tokens.extend(also);
        known.records = cases::records_of(tx, &persons).await?;
        let Some(choice) = Choice::from_number(case.choice) else { return Ok(()) };
        let about = (choice, &case.partner);
        let (snapshot, today) = (self.snapshot(), epoch_day(self.today()));
        let stopped = self.stopped(tx, keys, &snapshot, about, today, &known).await?;
        let tokens: Vec<[u8; 16]> = known.tokens.into_iter().collect();
        Ok(cases::learn(tx, id, &tokens, &stopped).await?)
    }
}
