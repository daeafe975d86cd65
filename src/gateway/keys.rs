//! The gateway's own public keys, and the versions of those that have no public part.

use super::{Actor, Denied, Gateway, GatewayError, decide::Decided};
use crate::{
    keys::{KeyError, KeyVersion, Prf, PseudonymDomain, VersionState},
    protocol::CallerRole,
    store::{
        Effect, Logged, Rights, StoreError,
        rewrap::{self, KeyedTable},
    },
};
use std::collections::BTreeMap;

/// A key of the gateway, its public part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayKey {
    /// Signs the access log's checkpoints: a verifier key (C2SP signed-note).
    Log {
        /// `name+hash+key`.
        vkey: String,
    },
    /// Signs releases: a JSON Web Key (RFC 8037).
    Release {
        /// The key as JSON.
        jwk: String,
    },
    /// Evaluates what partners blind: its public half, for them to pin.
    Blinding {
        /// A point in hexadecimal.
        public_key: String,
    },
    /// Wraps pseudonyms; it has no public part.
    Pseudonym {
        /// What they are made by.
        prf: Prf,
        /// What the pseudonyms stand for.
        domain: PseudonymDomain,
        /// Its version, from 1.
        version: u16,
        /// What the version is for.
        state: VersionState,
        /// Rows that are of it.
        rows: RowsLeft,
    },
    /// Seals dates of birth; it has no public part.
    Sealing {
        /// Its version, from 1.
        version: u16,
        /// What the version is for.
        state: VersionState,
        /// Rows that are of it.
        rows: RowsLeft,
    },
}

/// How many rows are of a version, and where they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowsLeft {
    /// The table; none where nothing of the domain is stored for itself.
    pub table: Option<&'static str>,
    /// How many; told to data officers, of versions that are being left.
    pub rows: Option<u64>,
}

/// The tables that hold pseudonyms of a domain; the last ones are only ever parts of others'
/// input, or are in the access log, which never changes.
const fn tables(domain: PseudonymDomain) -> &'static [KeyedTable] {
    use PseudonymDomain as Of;
    match domain {
        Of::Nhs | Of::MatchNhsBirth | Of::MatchNamesBirthSexPostcode | Of::Subject => {
            &[KeyedTable::Subjects]
        }
        Of::Record => &[KeyedTable::Sent],
        Of::Consent => &[KeyedTable::Events, KeyedTable::Consents],
        Of::Case | Of::Provider => &[KeyedTable::Events],
        Of::Postcode => &[KeyedTable::Postcodes],
        Of::Uln | Of::Upn | Of::Nino | Of::Local | Of::User | Of::Suppression => &[],
    }
}

/// How many rows of each table are of each version.
type Counts = BTreeMap<(KeyVersion, KeyedTable), u64>;

fn rows_left(counts: &Counts, version: KeyVersion, tables: &[KeyedTable]) -> RowsLeft {
    let of = |table: &KeyedTable| counts.get(&(version, *table)).copied();
    RowsLeft { table: tables.first().map(|table| table.name()), rows: tables.iter().map(of).sum() }
}

impl Gateway {
    /// Lists the gateway's keys, for any recognised caller: auditors compare them with what
    /// they hold already. Data officers see how many rows are left of earlier versions.
    ///
    /// # Errors
    /// When the look can't be logged, or the rows can't be counted.
    pub async fn list_keys(&self, actor: &Actor) -> Result<Logged<Vec<GatewayKey>>, Denied> {
        let jwk = serde_json::to_string(&self.release_key.verifying_key().to_jwk())
            .map_err(|_| GatewayError::Key(KeyError::Refused("write a public key")))?;
        let counts = match actor.may_be(CallerRole::DataOfficer) {
            true => self.counts().await.map_err(GatewayError::Store)?,
            false => Counts::new(),
        };
        let logged = self
            .settle(actor, |snapshot| {
                let mut keys = vec![
                    GatewayKey::Log { vkey: self.log_vkey() },
                    GatewayKey::Release { jwk: jwk.clone() },
                ];
                let public = self.prf_public_key().map(|key| key.to_string());
                keys.extend(public.map(|public_key| GatewayKey::Blinding { public_key }));
                let versions = snapshot.versions();
                for (version, state, _) in &versions.all {
                    keys.extend(of_version(versions.prf, *version, *state, &counts));
                }
                Ok(Decided { leaf: self.look(actor, "keys"), effect: Effect::None, answer: keys })
            })
            .await?;
        Ok(logged.map(|(_, keys)| keys))
    }

    /// How many rows are of versions that are being left, or were.
    async fn counts(&self) -> Result<Counts, StoreError> {
        let mut counts = Counts::new();
        let snapshot = self.snapshot();
        let left = |state| matches!(state, VersionState::Earlier | VersionState::Unused);
        let left = snapshot.versions().all.iter().filter(|(_, state, _)| left(*state));
        let left: Vec<KeyVersion> = left.map(|(version, ..)| *version).collect();
        if left.is_empty() {
            return Ok(counts);
        }
        let mut tx = self.store.read(Rights::Keys).await?;
        for version in left {
            for table in KeyedTable::ALL {
                counts.insert((version, table), rewrap::count(&mut tx, table, version).await?);
            }
        }
        Ok(counts)
    }

    /// Whether any row is of a version, or any private detail sealed under it.
    pub(super) async fn is_needed(&self, version: KeyVersion) -> Result<bool, StoreError> {
        let mut tx = self.store.read(Rights::Keys).await?;
        for table in KeyedTable::ALL {
            if rewrap::any(&mut tx, table, version).await? {
                return Ok(true);
            }
        }
        rewrap::any_detail(&mut tx, version).await
    }
}

/// A version's lines: one for each domain, and the sealing key's. The log's users have one
/// version for ever, which is listed with the first.
fn of_version(
    prf: Prf,
    version: KeyVersion,
    state: VersionState,
    counts: &Counts,
) -> Vec<GatewayKey> {
    let number = version.number();
    let mut lines = Vec::new();
    for &domain in PseudonymDomain::ALL {
        if !domain.rotates() && version != KeyVersion::FIRST {
            continue;
        }
        let state = if domain.rotates() { state } else { VersionState::Current };
        let rows = rows_left(counts, version, tables(domain));
        lines.push(GatewayKey::Pseudonym { prf, domain, version: number, state, rows });
    }
    let rows = rows_left(counts, version, &[KeyedTable::Subjects]);
    lines.push(GatewayKey::Sealing { version: number, state, rows });
    lines
}
