//! From rows of texts to keyed records: after this, nobody can be named.

mod blinded;
mod statement;
mod superseded;

pub use blinded::{BlindedPerson, BlindedRow};
pub(super) use superseded::Superseded;

use super::{Accepted, Intake, Rejection, Row, RowReader};
use crate::{
    audit::{Hash, detail::item_hash, item::record_text},
    domain::{
        Event, Role,
        field::{Rule, Value},
        record::{About, RecordDefinition},
        row::{CheckedRow, Content, Identity},
        time::epoch_day,
    },
    gateway::{Denied, GatewayError, PostcodeLookup, consents::Keyed, forms},
    keys::{
        IdentifierKind, KeyError, KeyVersion, KeysInUse, Pseudonym, PseudonymDomain, RawIdentifier,
        RawText,
    },
    linkage::{self, KeyedIdentity, RawIdentity, Sender},
    protocol::{
        ConsentEvidence, ConsentState, ConsentTerms, RecordFacts, RecordedConsent, Whereabouts,
    },
    store::{Rights, consents},
};
use jiff::civil::Date;
use rand::Rng;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use zeroize::Zeroize;

use blinded::Sent;

impl std::fmt::Debug for KeyedBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyedBatch").field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// A well-formed record without anybody's name.
pub(super) struct KeyedRecord {
    /// Its place in the batch.
    pub(super) row: usize,
    /// Pseudonym of the sender's id of the record.
    pub(super) key: [u8; 16],
    /// The day it became known.
    pub(super) known: i32,
    /// Pseudonym of the consent reference.
    pub(super) consent: Option<[u8; 16]>,
    /// The earlier record whose place it takes.
    pub(super) supersedes: Option<Superseded>,
    /// What it says; `None` withdraws the record.
    pub(super) content: Option<KeyedContent>,
    /// Its item in the batch's private detail.
    pub(super) item: KeyedItem,
}

/// A record's item, but for where its rows will be.
pub(super) struct KeyedItem {
    /// Its salt.
    pub(super) salt: [u8; 16],
    /// Version of the key that wrapped the record's key.
    pub(super) key_version: u16,
    /// Salted hash of what is kept.
    pub(super) content: Option<[u8; 32]>,
    /// Salted hash of the item.
    pub(super) hash: Hash,
}

impl KeyedItem {
    /// Hashed here, beside the batch that is being stored, and not inside its transaction.
    fn new(
        salt: [u8; 16],
        key: &Pseudonym,
        consent: Option<[u8; 16]>,
        content: Option<&KeyedContent>,
        scratch: &mut Vec<u8>,
    ) -> Self {
        let content = content.map(|content| {
            scratch.clear();
            content.event.encode(scratch);
            let mut hash = Sha256::new_with_prefix(salt);
            hash.update(consent.unwrap_or_default());
            hash.update((scratch.len() as u64).to_be_bytes());
            hash.update(&*scratch);
            for (role, identity) in &content.persons {
                hash.update([role.number()]);
                hash.update(identity.fingerprint.as_bytes());
            }
            hash.finalize().into()
        });
        let key_version = key.key_version().number();
        let text = record_text(*key.as_bytes(), key_version, content);
        Self { salt, key_version, content, hash: item_hash(&salt, text.as_bytes()) }
    }
}

/// What a record says, keyed.
pub(super) struct KeyedContent {
    /// The persons it is about.
    pub(super) persons: Vec<(Role, KeyedIdentity)>,
    /// The event of each of them, but for the role.
    pub(super) event: Event,
    /// What it states about a consent, for the types that do.
    pub(super) statement: Option<Keyed>,
    /// What the permit looks at. For a birth it holds the day, so it has no Debug.
    facts: RecordFacts,
}

/// A batch's records, keyed, and what was malformed.
pub struct KeyedBatch {
    /// The version of the keys that it is keyed under.
    under: KeyVersion,
    rows: usize,
    records: Vec<KeyedRecord>,
    malformed: Vec<Rejection>,
    /// Places in `records` that the permit admitted.
    admitted: Vec<usize>,
}

impl KeyedBatch {
    /// Checks every row and keys what is well-formed; the texts are wiped.
    pub(super) fn read(reader: &RowReader, rows: Vec<Row>) -> Result<Self, GatewayError> {
        Self::read_all(reader, rows.into_iter().map(|row| (row, Sent::InClear)))
    }

    fn read_all(
        reader: &RowReader,
        rows: impl ExactSizeIterator<Item = (Row, Sent)>,
    ) -> Result<Self, GatewayError> {
        let today = reader.gateway.today();
        let postcodes = reader.gateway.postcodes.load_full();
        let keys = reader.gateway.keys();
        let keying = Keying { reader, keys: &keys, postcodes: &postcodes };
        let mut batch = Self {
            under: keys.current(),
            rows: rows.len(),
            records: Vec::with_capacity(rows.len()),
            malformed: Vec::new(),
            admitted: Vec::new(),
        };
        let mut rng = reader.gateway.rng();
        let mut scratch = Vec::with_capacity(64);
        for (at, (mut row, sent)) in rows.enumerate() {
            match sent.check(&reader.layout, &row, today) {
                Ok((checked, sent)) => {
                    let mut salt = || {
                        let mut salt = [0; 16];
                        rng.fill_bytes(&mut salt);
                        salt
                    };
                    let supersedes = match sent {
                        None => checked.supersedes.is_some(),
                        Some(sent) => sent.supersedes.is_some(),
                    };
                    let salts = (salt(), supersedes.then(&mut salt));
                    batch.records.push(keying.record(at, checked, sent, salts, &mut scratch)?);
                }
                Err(violations) => batch.malformed.extend(violations.into_iter().map(|v| {
                    let (rule, sentence) = (v.rule.code(), v.rule.sentence());
                    Rejection { row: at, field: v.field, rule, sentence, by_protocol: false }
                })),
            }
            row.zeroize();
        }
        Ok(batch)
    }

    /// How many rows it has.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Keys it under the version that is in use now. Needs no identifier.
    pub(super) fn renew(&mut self, keys: &KeysInUse) -> Result<(), KeyError> {
        if self.under == keys.current() {
            return Ok(());
        }
        let mut scratch = Vec::with_capacity(64);
        for record in &mut self.records {
            let key = Pseudonym::from_stored(PseudonymDomain::Record, self.under, &record.key)?;
            let key = keys.pseudonymiser.rewrap(&key, keys.current())?;
            record.key = *key.as_bytes();
            if let Some(earlier) = &mut record.supersedes {
                let domain = PseudonymDomain::Record;
                let key = Pseudonym::from_stored(domain, self.under, &earlier.key)?;
                let key = keys.pseudonymiser.rewrap(&key, keys.current())?;
                let item = KeyedItem::new(earlier.item.salt, &key, None, None, &mut scratch);
                *earlier = Superseded { key: *key.as_bytes(), item };
            }
            if let Some(consent) = &mut record.consent {
                *consent = keys.renewed(PseudonymDomain::Consent, self.under, consent)?;
            }
            if let Some(content) = &mut record.content {
                forms::renew_references(&mut content.event, keys, self.under)?;
                for (_, identity) in &mut content.persons {
                    identity.rewrap(&keys.pseudonymiser, keys.current())?;
                }
            }
            // The private detail says what is stored, as it is stored.
            let (salt, content) = (record.item.salt, record.content.as_ref());
            record.item = KeyedItem::new(salt, &key, record.consent, content, &mut scratch);
        }
        self.under = keys.current();
        Ok(())
    }

    /// Asks the permit about each record.
    pub(super) async fn admit(&mut self, intake: &Intake) -> Result<Accepted, Denied> {
        let consents = self.consents(intake).await?;
        let (terms, today) = (intake.permit.consent_terms(), epoch_day(intake.gateway.today()));
        self.admitted.clear();
        let mut rejections = self.malformed.clone();
        for (at, record) in self.records.iter().enumerate() {
            let Some(content) = &record.content else {
                // A withdrawal takes back the sender's own record and needs no leave.
                self.admitted.push(at);
                continue;
            };
            // It may well lie where the protocol reaches: that is not what is wrong with it.
            if content.facts.place == Whereabouts::NotFound {
                let (rule, sentence) =
                    (Rule::PostcodeNotFound.code(), Rule::PostcodeNotFound.sentence());
                let (row, field, by_protocol) = (record.row, "postcode", false);
                rejections.push(Rejection { row, field, rule, sentence, by_protocol });
                continue;
            }
            let consent = evidence(record.consent, &consents, terms, today);
            let facts = RecordFacts { consent, ..content.facts };
            match intake.permit.admits(&facts) {
                Ok(()) => self.admitted.push(at),
                Err(refusal) => rejections.push(Rejection {
                    row: record.row,
                    field: "",
                    rule: refusal.reason().code(),
                    sentence: refusal.reason().words(),
                    by_protocol: true,
                }),
            }
        }
        Ok(Accepted { well_formed: self.admitted.len(), sent_before: 0, rejections })
    }

    /// The admitted records, in the order of their rows.
    pub(super) fn admitted(&self) -> impl Iterator<Item = &KeyedRecord> {
        self.admitted.iter().map(|at| &self.records[*at])
    }

    async fn consents(&self, intake: &Intake) -> Result<Standings, GatewayError> {
        let mut keys: Vec<[u8; 16]> = self.records.iter().filter_map(|r| r.consent).collect();
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        keys.sort_unstable();
        keys.dedup();
        let mut tx = intake.gateway.store.read(Rights::Intake).await?;
        Ok(consents::recorded(&mut tx, &keys).await?)
    }
}

/// What is recorded of each consent.
type Standings = BTreeMap<[u8; 16], RecordedConsent>;

fn evidence(
    key: Option<[u8; 16]>,
    consents: &Standings,
    terms: &ConsentTerms,
    today: i32,
) -> ConsentEvidence {
    let Some(key) = key else { return ConsentEvidence::Absent };
    match consents.get(&key) {
        Some(recorded) => recorded.evidence(terms, today),
        // Unknown is treated as refused.
        None => ConsentEvidence::Reference { state: ConsentState::Unknown, given_on: None },
    }
}

struct Keying<'a> {
    reader: &'a RowReader,
    keys: &'a KeysInUse,
    postcodes: &'a PostcodeLookup,
}

impl Keying<'_> {
    fn record(
        &self,
        row: usize,
        checked: CheckedRow<'_>,
        sent: Option<&BlindedRow>,
        (salt, earlier_salt): ([u8; 16], Option<[u8; 16]>),
        scratch: &mut Vec<u8>,
    ) -> Result<KeyedRecord, KeyError> {
        let with = &self.keys.pseudonymiser;
        let partner = &self.reader.partner;
        let record_type = self.reader.record_type.name();
        let record_key = |id: &str| {
            RawIdentifier::new(id.to_owned())
                .pseudonymise(IdentifierKind::Record { partner, record_type }, with)
        };
        let in_clear = |reference: &str| {
            RawIdentifier::new(reference.to_owned())
                .pseudonymise(IdentifierKind::Consent { partner }, with)
        };
        let (key, earlier, consent) = match sent {
            None => (
                record_key(checked.record_id),
                checked.supersedes.map(record_key),
                checked.consent_ref.map(in_clear),
            ),
            Some(sent) => sent.references(partner, with)?,
        };
        let supersedes = earlier.zip(earlier_salt).map(|(key, salt)| {
            let item = KeyedItem::new(salt, &key, None, None, scratch);
            Superseded { key: *key.as_bytes(), item }
        });
        let own = self.reader.record_type.definition().statement;
        // What a statement is about is no consent that it relies on.
        let consent = consent.filter(|_| !own).map(|consent| *consent.as_bytes());
        let content = match checked.content {
            Some(content) if own => {
                let reference = checked.consent_ref.unwrap_or_default();
                Some(self.stated(reference, content, checked.extracted_at))
            }
            Some(content) => Some(self.content(content, checked.extracted_at, &key, sent)?),
            None => None,
        };
        let item = KeyedItem::new(salt, &key, consent, content.as_ref(), scratch);
        let (key, known) = (*key.as_bytes(), epoch_day(checked.extracted_at));
        Ok(KeyedRecord { row, key, known, consent, supersedes, content, item })
    }

    fn content(
        &self,
        content: Content<'_>,
        extracted_at: Date,
        record: &Pseudonym,
        sent: Option<&BlindedRow>,
    ) -> Result<KeyedContent, KeyError> {
        let Content { event_date, principal, others, mut values, references } = content;
        let definition = self.reader.record_type.definition();
        for (number, text) in references {
            values.push((number, self.reference(definition, number, text)));
        }
        if let Some(sent) = sent {
            values.extend(self.blinded_references(definition, sent)?);
        }
        values.sort_unstable_by_key(|(number, _)| *number);
        let place = match sent {
            None => self.place(&principal)?,
            Some(sent) => self.blinded_place(&principal, sent)?,
        };
        let plurality = linkage::plurality(definition, &values);
        let event = Event {
            record_type: self.reader.record_type,
            role: Role::Principal,
            day: (!definition.event_is_birth).then(|| epoch_day(event_date)),
            known: epoch_day(extracted_at),
            place: match place {
                Whereabouts::Lsoa(lsoa) => Some(lsoa),
                Whereabouts::NotStated | Whereabouts::NotFound => None,
            },
            values,
        };
        if let Some(sent) = sent {
            let persons = self.blinded_persons(sent, principal, others)?;
            let consent = ConsentEvidence::Absent;
            let facts = RecordFacts { place, event_date, extracted_at, consent };
            return Ok(KeyedContent { persons, event, statement: None, facts });
        }
        let mut persons = Vec::with_capacity(1);
        if definition.about != About::Nobody {
            persons.push((Role::Principal, self.identity(principal, plurality, record, 0)?));
        }
        for (position, (role, identity)) in (1u8..).zip(others) {
            if identity.tells_who() {
                persons.push((role, self.identity(identity, None, record, position)?));
            }
        }
        let consent = ConsentEvidence::Absent;
        let facts = RecordFacts { place, event_date, extracted_at, consent };
        Ok(KeyedContent { persons, event, statement: None, facts })
    }

    fn reference(&self, definition: &RecordDefinition, number: u8, text: &str) -> Value {
        let partner = &self.reader.partner;
        let kind = match forms::reference_domain(definition, number) {
            PseudonymDomain::Provider => IdentifierKind::Provider,
            _ => IdentifierKind::Case { partner },
        };
        let raw = RawIdentifier::new(text.to_owned());
        Value::Key(*raw.pseudonymise(kind, &self.keys.pseudonymiser).as_bytes())
    }

    /// Where the person lives: by the postcode if the lookup knows it, else by the LSOA.
    fn place(&self, identity: &Identity<'_>) -> Result<Whereabouts, KeyError> {
        let with = &self.keys.pseudonymiser;
        let postcode = identity.postcode.as_ref().and_then(|text| {
            let raw = RawText::new(text.clone());
            linkage::postcode_pseudonym(raw, with)
        });
        self.place_of(postcode, identity)
    }

    /// The same by a postcode's pseudonym.
    fn place_of(
        &self,
        postcode: Option<Pseudonym>,
        identity: &Identity<'_>,
    ) -> Result<Whereabouts, KeyError> {
        let with = &self.keys.pseudonymiser;
        let mut found = None;
        if let Some(key) = &postcode {
            let by = self.postcodes.key_version;
            let key = if by == key.key_version() { *key } else { with.rewrap(key, by)? };
            found = self.postcodes.places.get(key.as_bytes()).copied();
        }
        Ok(match (found.or(identity.lsoa), postcode) {
            (Some(lsoa), _) => Whereabouts::Lsoa(lsoa),
            (None, Some(_)) => Whereabouts::NotFound,
            (None, None) => Whereabouts::NotStated,
        })
    }

    fn identity(
        &self,
        identity: Identity<'_>,
        plurality: Option<u8>,
        record: &Pseudonym,
        position: u8,
    ) -> Result<KeyedIdentity, KeyError> {
        let sender = Sender { partner: &self.reader.partner, record, position };
        keyed_identity(identity, plurality, sender, self.keys)
    }
}

/// An identity as keyed values; the texts are wiped.
pub(in crate::gateway) fn keyed_identity(
    identity: Identity<'_>,
    plurality: Option<u8>,
    sender: Sender<'_>,
    keys: &KeysInUse,
) -> Result<KeyedIdentity, KeyError> {
    RawIdentity::of(identity, plurality).pseudonymise(sender, &keys.pseudonymiser)
}
