//! Keeping up with the store: what another gateway on the same database was told (the policy, the
//! register, boundaries, postcodes, the versions of the keys) is seen before it is acted on.

use super::{Gateway, GatewayError, Snapshot};
use crate::{
    domain::Lsoa,
    keys::{KeyError, KeyVersion, KeysInUse, PseudonymDomain, Versions},
    store::{Rights, StoreError, Tx, effect, geography as places},
};
use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

impl Gateway {
    /// Looks at the store's policy again.
    ///
    /// # Errors
    /// When it can't be read; a policy that can't be read denies.
    pub async fn reload(&self) -> Result<Arc<Snapshot>, GatewayError> {
        let mut tx = self.store.read(Rights::Figures).await?;
        let loaded = Arc::new(Snapshot::load(&mut tx, Some(&self.snapshot())).await?);
        // Before the snapshot, so that a decision on it never finds older keys than it says.
        let keys = self.follow(loaded.versions()).await;
        let held = self.postcodes.load_full();
        let moved = held.key_version != keys.current();
        if moved || places::postcodes_version(&mut tx).await? > held.version {
            let lookup = Arc::new(PostcodeLookup::load(&mut tx, &keys).await?);
            self.postcodes.rcu(|held| {
                let older = held.key_version == lookup.key_version && held.version > lookup.version;
                if older { Arc::clone(held) } else { Arc::clone(&lookup) }
            });
        }
        // Two reloads may race; the newer epoch stays.
        self.snapshot.rcu(|held| {
            if held.epoch() > loaded.epoch() { Arc::clone(held) } else { Arc::clone(&loaded) }
        });
        Ok(self.snapshot())
    }

    /// Makes sure that the snapshot is no older than this call: whatever another gateway on
    /// the same database was told before is seen. Calls that wait share one look. (The commit
    /// compares the epoch again; this is for what is refused, and for who is calling.)
    ///
    /// # Errors
    /// When the epoch can't be read; a policy that can't be read denies.
    pub async fn catch_up(&self) -> Result<(), GatewayError> {
        if self.store.is_embedded() {
            return Ok(());
        }
        let begun = self.looks_begun.load(Ordering::Acquire);
        let mut ended = self.looks_ended.lock().await;
        if *ended > begun {
            return Ok(());
        }
        let number = self.looks_begun.fetch_add(1, Ordering::AcqRel) + 1;
        let mut tx = self.store.read(Rights::Figures).await?;
        let epoch = effect::policy_epoch(&mut tx).await?;
        drop(tx);
        if epoch > self.snapshot.load().epoch() {
            self.reload().await?;
        }
        *ended = number;
        Ok(())
    }

    /// The keys in use, as this gateway last heard.
    pub(super) fn keys(&self) -> Arc<KeysInUse> {
        self.keys.load_full()
    }

    /// The keys to write under, where this gateway's file has what the store asks for; it
    /// may have got it just now.
    pub(super) async fn writing_keys(&self) -> Result<Arc<KeysInUse>, GatewayError> {
        let keys = self.keys();
        if keys.number() >= self.snapshot.load().versions().number {
            return Ok(keys);
        }
        let snapshot = self.reload().await?;
        let keys = self.keys();
        if keys.number() < snapshot.versions().number {
            return Err(GatewayError::KeysBehind);
        }
        Ok(keys)
    }

    /// The keys as the store says they are used. Where this gateway's file does not hold
    /// them, it keeps what it had: it still answers, and writes nothing that is keyed.
    async fn follow(&self, versions: &Versions) -> Arc<KeysInUse> {
        let held = self.keys();
        if held.number() >= versions.number {
            return held;
        }
        match self.read_keys(versions.clone()).await {
            Ok(read) => {
                let read = Arc::new(read);
                self.keys.rcu(|held| {
                    if held.number() > read.number() { Arc::clone(held) } else { Arc::clone(&read) }
                });
                self.forget_destroyed(versions).await;
                self.rotating.notify_one();
            }
            Err(error) => tracing::error!(%error, "the keys can't be used as the database asks"),
        }
        self.keys()
    }

    async fn read_keys(&self, versions: Versions) -> Result<KeysInUse, KeyError> {
        let file = self.key_file.clone().ok_or(KeyError::Refused("read the keys again"))?;
        // A passphrase takes its time on purpose.
        let read = move || KeysInUse::new(file.load()?, versions);
        let read = tokio::task::spawn_blocking(read).await;
        read.unwrap_or(Err(KeyError::Refused("read the keys again")))
    }
}

/// The postcode lookup in memory, as of a version of it.
pub(super) struct PostcodeLookup {
    pub(super) version: u64,
    /// Which version of the keys its places are found by.
    pub(super) key_version: KeyVersion,
    pub(super) places: HashMap<[u8; 16], Lsoa>,
}

impl PostcodeLookup {
    pub(super) async fn load(tx: &mut Tx, keys: &KeysInUse) -> Result<Self, GatewayError> {
        let version = places::postcodes_version(tx).await?;
        let corrupt = |_| StoreError::Corrupt { table: "postcode", column: "lsoa", row: 0 };
        let places = places::postcodes(tx)
            .await?
            .into_iter()
            .map(|(key, of, number)| {
                let of = KeyVersion::new(of);
                let key = keys.renewed(PseudonymDomain::Postcode, of, &key)?;
                Ok((key, Lsoa::from_number(number).map_err(corrupt)?))
            })
            .collect::<Result<_, GatewayError>>()?;
        Ok(Self { version, key_version: keys.current(), places })
    }
}
