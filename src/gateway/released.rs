//! Frozen releases, opened and kept in memory: a figure is a look-up and touches no table.
//!
//! A release never changes, so it is read, checked (digest and signature) and parsed once.
//! Which releases there are is known as of a policy epoch, which a freeze raises: an
//! answer decided under an older list is not committed but decided anew.

use super::{Gateway, GatewayError, Snapshot, back_series::Drawn};
use crate::{
    disclosure::{self, Card, Catalogue, Digest, DisclosureError, Release, SealedRelease},
    domain::{AreaCode, Quarter},
    keys::{self, Signature, SigningKey, VerifyingKey},
    store::{Rights, StoreError, effect, releases},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// A frozen release, opened.
#[derive(Debug)]
pub struct Frozen {
    /// Its content.
    pub release: Release,
    /// SHA-256 of its canonical bytes.
    pub digest: Digest,
    /// The signed document, General JWS JSON.
    pub document: String,
    /// When it was frozen, microseconds since 1970-01-01 UTC.
    pub frozen_at: i64,
    /// What stands in place of its figures, if it was withdrawn.
    pub withdrawn: Option<Withdrawn>,
}

/// Why a release is not shown any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    /// What is said instead of its figures.
    pub notice: String,
    /// Since when, microseconds since 1970-01-01 UTC.
    pub at: i64,
}

/// Every release there was at an epoch, and the cards that were looked up so far.
#[derive(Debug, Default)]
pub(super) struct Releases {
    epoch: u64,
    frozen: Vec<Arc<Frozen>>,
    cards: Mutex<HashMap<(AreaCode, Quarter, u32), Arc<Card>>>,
}

impl Releases {
    /// Oldest quarter first.
    pub(super) fn all(&self) -> &[Arc<Frozen>] {
        &self.frozen
    }

    /// The release of a quarter.
    pub(super) fn of(&self, quarter: Quarter) -> Option<&Arc<Frozen>> {
        self.frozen.iter().find(|frozen| frozen.release.quarter == quarter)
    }

    /// When the last quarter was closed, microseconds since 1970-01-01 UTC; 0 before any.
    pub(super) fn last_frozen_at(&self) -> i64 {
        self.frozen.iter().map(|frozen| frozen.frozen_at).max().unwrap_or(0)
    }

    /// The newest release.
    pub(super) fn latest(&self) -> Option<&Arc<Frozen>> {
        self.frozen.last()
    }

    /// An area's card, made once for each drawing of it. Only areas and quarters that exist are kept.
    /// Geographies never change, so that of two snapshots with the same version either will do.
    pub(super) fn card(
        &self,
        catalogue: &Catalogue,
        area: &AreaCode,
        quarter: Quarter,
        drawn: &Drawn<'_>,
    ) -> Result<Arc<Card>, DisclosureError> {
        let key = (area.clone(), quarter, drawn.version());
        let known = || self.cards.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(card) = known().get(&key) {
            return Ok(Arc::clone(card));
        }
        let past: Vec<&Release> = self.frozen.iter().map(|frozen| &frozen.release).collect();
        let locate = |release: &Release| drawn.rows_of(release);
        let card = Arc::new(disclosure::card(catalogue, &past, area, quarter, &locate)?);
        known().insert(key, Arc::clone(&card));
        Ok(card)
    }
}

impl Gateway {
    /// The releases, as fresh as a snapshot of the policy.
    pub(super) async fn releases(
        &self,
        snapshot: &Snapshot,
    ) -> Result<Arc<Releases>, GatewayError> {
        let held = self.released.load_full();
        if held.epoch >= snapshot.epoch() {
            return Ok(held);
        }
        let mut tx = self.store.read(Rights::Figures).await?;
        let epoch = effect::policy_epoch(&mut tx).await?;
        let stored = releases::all(&mut tx).await?;
        drop(tx);
        let public = self.release_key.verifying_key();
        let frozen: Result<Vec<_>, GatewayError> = stored
            .into_iter()
            .map(|stored| match held.of(stored.entry.quarter) {
                Some(known)
                    if known.document == stored.entry.document
                        && known.withdrawn.is_some() == stored.withdrawn.is_some() =>
                {
                    Ok(Arc::clone(known))
                }
                _ => open(stored, &public).map(Arc::new),
            })
            .collect();
        let loaded =
            Arc::new(Releases { epoch, frozen: frozen?, cards: Mutex::new(HashMap::new()) });
        self.released.rcu(|held| {
            if held.epoch >= loaded.epoch { Arc::clone(held) } else { Arc::clone(&loaded) }
        });
        Ok(loaded)
    }
}

/// Signs a release and gives what is to be frozen.
pub(super) fn seal(
    release: &Release,
    key: &SigningKey<keys::Release>,
) -> Result<releases::Entry, GatewayError> {
    let kid = key.verifying_key().kid();
    let sealed = SealedRelease::seal(release, &kid, |bytes| {
        key.sign(bytes).map(|signature| *signature.as_bytes()).map_err(GatewayError::from)
    })?;
    let document =
        serde_json::to_string(&sealed).map_err(|_| DisclosureError::UnreadableRelease)?;
    let digest = *release.digest()?.as_bytes();
    Ok(releases::Entry { quarter: release.quarter, digest, document })
}

/// Opens what was frozen; anything but what this gateway signed is corrupt.
fn open(stored: releases::Frozen, public: &VerifyingKey) -> Result<Frozen, GatewayError> {
    let corrupt = || StoreError::Corrupt { table: "frozen_release", column: "document", row: 0 };
    let releases::Frozen { entry, frozen_at, withdrawn } = stored;
    let sealed: SealedRelease = serde_json::from_str(&entry.document).map_err(|_| corrupt())?;
    let release = disclosure::open_release(&sealed, |kid, bytes, signature| {
        let signature = Signature::from_bytes(signature);
        kid == public.kid() && signature.is_ok_and(|s| public.verify(bytes, &s).is_ok())
    })
    .map_err(|_| corrupt())?;
    let digest = release.digest()?;
    if *digest.as_bytes() != entry.digest || release.quarter != entry.quarter {
        return Err(corrupt().into());
    }
    let withdrawn = withdrawn.map(|(notice, at)| Withdrawn { notice, at });
    Ok(Frozen { release, digest, document: entry.document, frozen_at, withdrawn })
}
