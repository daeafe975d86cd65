//! What binds at intake: tokens of subjects who have made a choice, kept in memory.
//!
//! A gateway holds every token that binds with what was chosen, and looks whether the store's
//! counter moved inside the very transaction that stages a batch, in which nobody else stages a
//! case: what is found is found as of that transaction. A record then costs a few AES blocks and
//! lookups, and nothing where there never was a case.

use crate::{
    domain::FeedId,
    gateway::{Gateway, GatewayError},
    keys::{KeyError, KeysInUse, Pseudonym, PseudonymDomain},
    linkage::KeyedIdentity,
    protocol::{Choice, Choices},
    store::{StoreError, Tx, cases},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Every token that binds, as of a number of the store's.
pub(in crate::gateway) struct Suppressions {
    number: u64,
    tokens: HashMap<[u8; 16], Choices>,
}

impl Default for Suppressions {
    /// Before there ever was a case.
    fn default() -> Self {
        Self { number: 1, tokens: HashMap::new() }
    }
}

/// By what an identity is known again.
pub(super) fn tokens_of(
    keys: &KeysInUse,
    identity: &KeyedIdentity,
) -> Result<Vec<[u8; 16]>, KeyError> {
    let all = identity.match_keys.iter().map(|key| &key.key);
    let all = all.chain(identity.nhs.as_ref()).chain([&identity.fingerprint]);
    all.map(|one| Ok(*keys.pseudonymiser.suppress(one)?.as_bytes())).collect()
}

/// A record's key as a suppression; the key is given as it is under the current version.
pub(in crate::gateway) fn record_token(
    keys: &KeysInUse,
    key: &[u8; 16],
) -> Result<[u8; 16], KeyError> {
    let key = Pseudonym::from_stored(PseudonymDomain::Record, keys.current(), key)?;
    Ok(*keys.pseudonymiser.suppress(&key)?.as_bytes())
}

impl Suppressions {
    /// What the persons whom a record names, by what they are known again, have chosen.
    pub(in crate::gateway) fn chosen(&self, persons: &[Vec<[u8; 16]>]) -> Choices {
        let known = persons.iter().flatten().filter_map(|token| self.tokens.get(token));
        known.fold(Choices::default(), |chosen, one| chosen.or(*one))
    }

    /// Whether nothing binds.
    pub(in crate::gateway) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }
}

impl Gateway {
    /// What binds as of a transaction in which nobody else stages.
    pub(in crate::gateway) async fn suppressions(
        &self,
        tx: &mut Tx,
    ) -> Result<Arc<Suppressions>, GatewayError> {
        let number = cases::number(tx).await?;
        let held = self.suppressions.load_full();
        if held.number == number {
            return Ok(held);
        }
        let mut tokens: HashMap<[u8; 16], Choices> = HashMap::new();
        for (token, choice) in cases::binding(tx).await? {
            let corrupt = StoreError::Corrupt { table: "rights_case", column: "kind", row: 0 };
            let choice = Choice::from_number(choice).ok_or(corrupt)?;
            let chosen = tokens.entry(token).or_default();
            *chosen = chosen.with(choice);
        }
        let read = Arc::new(Suppressions { number, tokens });
        self.suppressions.rcu(|held| {
            if held.number > read.number { Arc::clone(held) } else { Arc::clone(&read) }
        });
        Ok(read)
    }

    /// Which of these records of a feed, by their keys under the current version, were sent and
    /// not used.
    pub(in crate::gateway) async fn dropped(
        &self,
        tx: &mut Tx,
        keys: &KeysInUse,
        feed: FeedId,
        records: &[[u8; 16]],
    ) -> Result<BTreeMap<[u8; 16], cases::Dropped>, GatewayError> {
        let mut by_token = HashMap::new();
        for key in records {
            by_token.insert(record_token(keys, key)?, *key);
        }
        let tokens: Vec<[u8; 16]> = by_token.keys().copied().collect();
        let found = cases::dropped(tx, feed, &tokens).await?;
        let of = |(token, dropped)| Some((*by_token.get(&token)?, dropped));
        Ok(found.into_iter().filter_map(of).collect())
    }
}
