//! Dated reach geography and the postcode lookup.
//!
//! Only data officers change them. A postcode becomes a keyed pseudonym before anything is
//! stored, and no violation repeats one.

use super::{
    Actor, AreaEntry, AreaSet, Denied, Gateway, GatewayError, RefusalKind, Refused,
    decide::{Decided, Declined},
};
use crate::{
    audit::{Code, Hash, LeafKind, SizeClass},
    domain::{Lsoa, field::Rule, place::canonical_postcode, time::epoch_day},
    keys::{KeyVersion, KeysInUse, PseudonymDomain, RawText},
    linkage,
    protocol::CallerRole,
    store::{Effect, Logged, Outcome, geography},
};
use jiff::civil::Date;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The most postcodes that are loaded at once.
pub const MOST_POSTCODES: usize = 10_000;
/// The most areas of a geography.
const MOST_AREAS: usize = 5_000;

/// A postcode and the LSOA it lies in, as they came. No Debug: it is an address.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct PostcodePlace {
    /// The postcode, in any case and spacing.
    pub postcode: String,
    /// The LSOA of 2011.
    pub lsoa: String,
}

/// The areas in force on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreasInForce {
    /// The geography's version.
    pub version: u32,
    /// Authority, lead agencies, clusters, reach areas.
    pub areas: Vec<AreaEntry>,
}

/// Keyed postcodes and the numbers of their LSOAs.
type Lookup = BTreeMap<[u8; 16], Lsoa>;

impl Gateway {
    /// Loads a geography: which LSOAs make up which reach area, cluster and authority, from
    /// a day on. Returns its version.
    ///
    /// # Errors
    /// `wrong_role` but for data officers; a violation naming the area and its rule.
    pub async fn load_areas(
        &self,
        actor: &Actor,
        areas: Vec<AreaEntry>,
        valid_from: Date,
    ) -> Result<Logged<u32>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer]).await?;
        let logged = self
            .settle(actor, |_| {
                let mut leaf = actor.leaf(LeafKind::AreasLoaded, self);
                let declined = |leaf, field: String, rule: &str| {
                    Err(Declined::new(leaf, Refused::invalid(field, rule)))
                };
                if areas.len() > MOST_AREAS {
                    return declined(leaf, "areas".to_owned(), "at most 5,000 areas");
                }
                let nameless = |area: &AreaEntry| {
                    area.name.trim().is_empty()
                        || area.name.chars().count() > 200
                        || area.name.chars().any(char::is_control)
                };
                if let Some(at) = areas.iter().position(nameless) {
                    let rule = "1 to 200 printable characters";
                    return declined(leaf, format!("areas[{at}].name"), rule);
                }
                // The version is given when it is stored; any will do to check the rules.
                if let Err(fault) = AreaSet::compile(1, areas.clone()) {
                    return declined(leaf, format!("areas[{}]", fault.at), fault.rule);
                }
                let Ok(json) = serde_json::to_string(&areas) else {
                    return declined(leaf, "areas".to_owned(), "areas that can be kept");
                };
                leaf.notes.document = Some(Hash::new(Sha256::digest(json.as_bytes()).into()));
                leaf.size_class = Some(SizeClass::of(areas.len() as u64));
                let entry = geography::Entry { valid_from: epoch_day(valid_from), json };
                Ok(Decided { leaf, effect: Effect::PutGeography(entry), answer: () })
            })
            .await?;
        Ok(logged.map(|(outcome, ())| match outcome {
            Outcome::Version(version) => version,
            Outcome::None | Outcome::Total(_) | Outcome::Frozen(_) | Outcome::At(_) => 0,
        }))
    }

    /// Loads part of the postcode lookup; a postcode that is known already gets the new
    /// LSOA. Returns how many the lookup holds now. All or nothing.
    ///
    /// # Errors
    /// `wrong_role` but for data officers; violations by place, never the value, for what is
    /// no postcode, stands twice, or lies in no LSOA of any geography loaded.
    pub async fn load_postcodes(
        &self,
        actor: &Actor,
        places: Vec<PostcodePlace>,
    ) -> Result<Logged<u64>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer]).await?;
        let lsoas = self.snapshot().lsoas();
        let keys = self.writing_keys().await?;
        let lookup = match keyed_lookup(&keys, places, &lsoas) {
            Ok(lookup) => lookup,
            Err(refused) => return Err(self.refuse_malformed(actor, refused).await),
        };
        let mut leaf = actor.leaf(LeafKind::AreasLoaded, self);
        leaf.notes.register = "postcodes".parse::<Code>().ok();
        leaf.notes.document = Some(digest(&lookup));
        leaf.size_class = Some(SizeClass::of(lookup.len() as u64));
        let keyed_under = keys.current();
        let rows = |keys: &KeysInUse| rows(keys, keyed_under, &lookup).map(Effect::PutPostcodes);
        let logged = self.commit_keyed(actor, leaf, rows).await?;
        self.reload().await?;
        Ok(logged.map(|outcome| match outcome {
            Outcome::Total(total) => total,
            Outcome::None | Outcome::Version(_) | Outcome::Frozen(_) | Outcome::At(_) => 0,
        }))
    }

    /// Lists the areas in force on a day, for any recognised caller.
    ///
    /// # Errors
    /// `no_geography` when none is in force on that day.
    pub async fn list_areas(
        &self,
        actor: &Actor,
        day: Option<Date>,
    ) -> Result<Logged<AreasInForce>, Denied> {
        let logged = self
            .settle(actor, |snapshot| {
                let leaf = self.look(actor, "areas");
                let Some(areas) = snapshot.areas(day.unwrap_or_else(|| self.today())) else {
                    let sentence = "no geography is in force on that day; load one first";
                    let refused = Refused::new(RefusalKind::NotFound, "no_geography", sentence);
                    return Err(Declined::new(leaf, refused));
                };
                let answer = AreasInForce {
                    version: areas.version(),
                    areas: areas.areas().into_iter().cloned().collect(),
                };
                Ok(Decided { leaf, effect: Effect::None, answer })
            })
            .await?;
        Ok(logged.map(|(_, areas)| areas))
    }
}

/// Keys every postcode; the texts are wiped.
fn keyed_lookup(
    keys: &KeysInUse,
    places: Vec<PostcodePlace>,
    lsoas: &BTreeSet<Lsoa>,
) -> Result<Lookup, Refused> {
    if places.len() > MOST_POSTCODES {
        return Err(Refused::invalid("postcodes", "at most 10,000"));
    }
    let mut lookup = Lookup::new();
    for (at, place) in places.into_iter().enumerate() {
        let violation =
            |field: &str, rule: &str| Refused::invalid(format!("postcodes[{at}].{field}"), rule);
        let key = canonical_postcode(&place.postcode)
            .and_then(|text| linkage::postcode_pseudonym(RawText::new(text), &keys.pseudonymiser))
            .ok_or_else(|| violation("postcode", Rule::PostcodeForm.sentence()))?;
        let lsoa: Lsoa =
            place.lsoa.parse().map_err(|_| violation("lsoa", Rule::LsoaForm.sentence()))?;
        if !lsoas.contains(&lsoa) {
            return Err(violation("lsoa", "an LSOA of a geography that is loaded"));
        }
        if lookup.insert(*key.as_bytes(), lsoa).is_some() {
            return Err(violation("postcode", "each postcode once"));
        }
    }
    Ok(lookup)
}

/// The rows to store under the keys in use: the same postcode under another version goes.
fn rows(
    keys: &KeysInUse,
    keyed_under: KeyVersion,
    lookup: &Lookup,
) -> Result<geography::PostcodeRows, GatewayError> {
    let mut new = geography::PostcodeRows {
        rows: Vec::with_capacity(lookup.len()),
        key_version: keys.current().number(),
        replaced: Vec::new(),
    };
    for (key, lsoa) in lookup {
        let key = keys.renewed(PseudonymDomain::Postcode, keyed_under, key)?;
        let forms = keys.forms(PseudonymDomain::Postcode, &key)?;
        new.replaced.extend(forms.into_iter().skip(1).map(|(_, form)| form));
        new.rows.push((key, lsoa.number()));
    }
    Ok(new)
}

/// SHA-256 over the keyed rows, in the order of their keys.
fn digest(lookup: &Lookup) -> Hash {
    let mut hash = Sha256::new();
    for (key, lsoa) in lookup {
        hash.update(key);
        hash.update(lsoa.number().to_be_bytes());
    }
    Hash::new(hash.finalize().into())
}
