//! Who a case is about: named by one of the sender's own records, or by an identity that goes
//! through the one door for identifiers, and what of it is stored.

use super::suppressions::{record_token, tokens_of};
use crate::{
    audit::{Item, Slot},
    domain::{
        BatchId, FeedId, PartnerId, PersonId, RecordType, SubjectId,
        field::{Rule, parse_date},
        identifier::{self, Scheme},
        place::canonical_postcode,
        row::Sex,
    },
    gateway::{
        Gateway, GatewayError, Refused,
        consents::reference,
        forms::Forms,
        link::{key_domain, renew},
    },
    keys::{
        BirthDate, KeyError, KeyVersion, KeysInUse, Pseudonym, PseudonymDomain, RawIdentifier,
        RawText,
    },
    linkage::{KeyedIdentity, RawIdentity, Sender},
    store::{StoreError, Tx, cases, details, feeds, records, subjects},
};
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Somebody as an organisation knows them, after proof of identity. Empty where not known. No
/// Debug: it names somebody.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub struct StatedIdentity {
    /// NHS number.
    pub nhs_number: String,
    /// Surname.
    pub surname: String,
    /// Forename.
    pub forename: String,
    /// Date of birth, `YYYY-MM-DD`.
    pub date_of_birth: String,
    /// Sex.
    pub sex: String,
    /// Postcode.
    pub postcode: String,
}

/// Who a case is about. No Debug.
#[derive(Zeroize, ZeroizeOnDrop)]
pub enum CaseSubject {
    /// Whom one of the caller's own records is about first.
    Record {
        /// Its type.
        record_type: String,
        /// The caller's id of it.
        record_id: String,
    },
    /// Somebody by name.
    Identity(StatedIdentity),
}

/// The same, keyed.
pub(super) enum KeyedSubject {
    Record {
        record_type: RecordType,
        /// Its key under the version that it was keyed under.
        key: Pseudonym,
    },
    Identity(Box<KeyedIdentity>),
}

/// What is known of a subject.
#[derive(Default)]
pub(super) struct Known {
    pub(super) tokens: BTreeSet<[u8; 16]>,
    /// The numbers of the subject's records, with the batches they came in.
    pub(super) records: Vec<(i64, BatchId)>,
}

impl StatedIdentity {
    /// Keys it; the texts are wiped. It must have a match key: what can't be linked can't be
    /// recognised either.
    fn key(
        &mut self,
        partner: &PartnerId,
        keys: &KeysInUse,
        today: Date,
    ) -> Result<Result<KeyedIdentity, Refused>, KeyError> {
        let raw = self.read(today);
        self.zeroize();
        let raw = match raw {
            Ok(raw) => raw,
            Err((field, rule)) => {
                return Ok(Err(Refused::invalid(format!("identity.{field}"), rule.sentence())));
            }
        };
        // The fingerprint of an identity with a match key takes in no record.
        let record = RawIdentifier::new("case".to_owned()).pseudonymise(
            crate::keys::IdentifierKind::Record { partner, record_type: "case" },
            &keys.pseudonymiser,
        );
        let sender = Sender { partner, record: &record, position: 0 };
        let keyed = raw.pseudonymise(sender, &keys.pseudonymiser)?;
        if keyed.match_keys.is_empty() {
            let rule = "an NHS number with a date of birth, or surname, forename, date of birth, \
                        sex and postcode";
            return Ok(Err(Refused::invalid("identity", rule)));
        }
        Ok(Ok(keyed))
    }

    fn read(&self, today: Date) -> Result<RawIdentity, (&'static str, Rule)> {
        fn stated(text: &str) -> Option<&str> {
            Some(text.trim()).filter(|text| !text.is_empty())
        }
        let raw = |text: &str| RawText::new(text.to_owned());
        let nhs = stated(&self.nhs_number);
        if let Some(nhs) = nhs {
            identifier::check(Scheme::Nhs, nhs).map_err(|rule| ("nhs_number", rule))?;
        }
        let birth = stated(&self.date_of_birth).map(parse_date).transpose();
        let birth = birth.map_err(|rule| ("date_of_birth", rule))?;
        if birth.is_some_and(|birth| birth > today) {
            return Err(("date_of_birth", Rule::DateInFuture));
        }
        let sex = stated(&self.sex).map(Sex::parse).transpose();
        let postcode = match stated(&self.postcode) {
            Some(text) => Some(canonical_postcode(text).ok_or(("postcode", Rule::PostcodeForm))?),
            None => None,
        };
        Ok(RawIdentity {
            nhs_number: nhs.map(|nhs| RawIdentifier::new(nhs.to_owned())),
            surname: stated(&self.surname).map(raw),
            forename: stated(&self.forename).map(raw),
            birth: birth.map(BirthDate::new),
            sex: sex.map_err(|rule| ("sex", rule))?,
            postcode: postcode.map(RawText::new),
            ..RawIdentity::default()
        })
    }
}

impl KeyedSubject {
    /// The same under the version that is in use now.
    fn renew(&mut self, keys: &KeysInUse) -> Result<(), KeyError> {
        match self {
            Self::Record { key, .. } => {
                *key = keys.pseudonymiser.rewrap(key, keys.current())?;
                Ok(())
            }
            Self::Identity(identity) => identity.rewrap(&keys.pseudonymiser, keys.current()),
        }
    }
}

impl Gateway {
    /// Keys whom a case is about; the texts are wiped.
    pub(super) fn key_subject(
        &self,
        partner: &PartnerId,
        mut subject: CaseSubject,
    ) -> Result<Result<KeyedSubject, Refused>, KeyError> {
        match &mut subject {
            CaseSubject::Identity(identity) => {
                let keyed = identity.key(partner, &self.keys(), self.today())?;
                Ok(keyed.map(|keyed| KeyedSubject::Identity(Box::new(keyed))))
            }
            CaseSubject::Record { record_type, record_id } => {
                let Ok(record_type) = record_type.parse::<RecordType>() else {
                    return Ok(Err(Refused::invalid("record_type", "no such record type")));
                };
                let key = reference(record_id)
                    .map(|id| self.record_key(partner, record_type, id))
                    .map_err(|rule| Refused::invalid("record_id", rule.sentence()));
                Ok(key.map(|key| KeyedSubject::Record { record_type, key }))
            }
        }
    }

    /// What is stored of a subject, in a transaction in which nobody else links or stages;
    /// `None` for a record that the caller never sent. `alone`: the record itself, and not whom
    /// it is about.
    pub(super) async fn look_up(
        &self,
        tx: &mut Tx,
        keys: &KeysInUse,
        partner: &PartnerId,
        subject: &mut KeyedSubject,
        alone: bool,
    ) -> Result<Option<Known>, GatewayError> {
        subject.renew(keys)?;
        let mut known = Known::default();
        let persons = match subject {
            KeyedSubject::Record { record_type, key } => {
                let feed = feeds::feed(tx, partner, *record_type).await?;
                let Some(found) = self.sent_record(tx, keys, feed, key).await? else {
                    return Ok(None);
                };
                // One that was not used names nobody here any more.
                let Some((number, batch)) = found else { return Ok(Some(known)) };
                if alone {
                    known.records.push((number, batch));
                    return Ok(Some(known));
                }
                self.principal_of(tx, number, batch).await?
            }
            KeyedSubject::Identity(identity) => {
                known.tokens.extend(tokens_of(keys, identity)?);
                let mut forms = Forms::default();
                for key in identity.match_keys.iter() {
                    forms.add(keys, key.rung.domain(), key.key.as_bytes())?;
                }
                subjects::persons_with(tx, forms.all()).await?
            }
        };
        known.tokens.extend(self.tokens_of_persons(tx, keys, &persons).await?);
        known.records = cases::records_of(tx, &persons).await?;
        Ok(Some(known))
    }

    /// Where a record is that was sent; within, `None` for one that was not used.
    async fn sent_record(
        &self,
        tx: &mut Tx,
        keys: &KeysInUse,
        feed: FeedId,
        key: &Pseudonym,
    ) -> Result<Option<Option<(i64, BatchId)>>, GatewayError> {
        let forms = Forms::of(keys, PseudonymDomain::Record, &[*key.as_bytes()])?;
        let sent = records::sent(tx, feed, forms.all()).await?;
        if let Some(sent) = sent.values().find(|sent| sent.accepted) {
            return Ok(Some(Some((sent.event_number, sent.batch))));
        }
        let token = record_token(keys, key.as_bytes())?;
        let dropped = cases::dropped(tx, feed, &[token]).await?;
        Ok(dropped.values().any(|dropped| dropped.accepted).then_some(None))
    }

    /// Whom a record is about first.
    async fn principal_of(
        &self,
        tx: &mut Tx,
        number: i64,
        batch: BatchId,
    ) -> Result<Vec<PersonId>, GatewayError> {
        for item in self.record_items(tx, batch).await? {
            if item.number == number
                && let Some(principal) = item.principal
            {
                return Ok(subjects::persons_of(tx, &[principal]).await?);
            }
        }
        Ok(cases::person_of(tx, number).await?.into_iter().collect())
    }

    /// By what some persons are known again: all that any of their identities is found by.
    pub(super) async fn tokens_of_persons(
        &self,
        tx: &mut Tx,
        keys: &KeysInUse,
        persons: &[PersonId],
    ) -> Result<BTreeSet<[u8; 16]>, GatewayError> {
        let mut tokens = BTreeSet::new();
        for mut subject in subjects::of_persons(tx, persons).await? {
            renew(keys, &mut subject)?;
            let nhs = subject.nhs.map(|nhs| (PseudonymDomain::Nhs, nhs));
            let mut all: Vec<(PseudonymDomain, [u8; 16])> = nhs.into_iter().collect();
            for (rung, key) in &subject.keys {
                all.push((key_domain(*rung, subject.id)?, *key));
            }
            for (domain, key) in all {
                let key = Pseudonym::from_stored(domain, keys.current(), &key)?;
                tokens.insert(*keys.pseudonymiser.suppress(&key)?.as_bytes());
            }
        }
        Ok(tokens)
    }

    /// The records' items of a batch that are still there; none of a batch from before there
    /// were any.
    async fn record_items(
        &self,
        tx: &mut Tx,
        batch: BatchId,
    ) -> Result<Vec<RecordPlaceKey>, GatewayError> {
        let Some(sealed) = details::of_batch(tx, batch).await? else { return Ok(Vec::new()) };
        let row = batch.number();
        let corrupt = StoreError::Corrupt { table: "batch_detail", column: "sealed", row };
        let detail = match self.unseal_batch(batch, &sealed) {
            Ok(detail) => detail.ok_or(corrupt)?,
            // A sealing key that was destroyed took every item along.
            Err(GatewayError::Key(KeyError::NoSealingKey { .. })) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let items = detail.slots.into_iter().filter_map(|slot| match slot {
            Slot::Open(_, Item::Record(record)) if record.content.is_some() => {
                Some(RecordPlaceKey {
                    number: record.place.number,
                    key: record.key,
                    key_version: record.key_version,
                    principal: record.place.subjects.first().map(|id| SubjectId::new(*id)),
                })
            }
            _ => None,
        });
        Ok(items.collect())
    }

    /// The tokens of some records of one feed, each with the batch that brought it: by the
    /// batches' items, and for those that have none by looking through the feed.
    pub(super) async fn record_tokens(
        &self,
        tx: &mut Tx,
        keys: &KeysInUse,
        feed: FeedId,
        wanted: &[(i64, BatchId)],
    ) -> Result<BTreeMap<i64, [u8; 16]>, GatewayError> {
        let numbers: BTreeSet<i64> = wanted.iter().map(|(number, _)| *number).collect();
        let batches: BTreeSet<BatchId> = wanted.iter().map(|(_, batch)| *batch).collect();
        let mut tokens = BTreeMap::new();
        let token = |key: &[u8; 16], version: u16| -> Result<[u8; 16], KeyError> {
            let (domain, version) = (PseudonymDomain::Record, KeyVersion::new(version));
            let key = Pseudonym::from_stored(domain, version, key)?;
            Ok(*keys.pseudonymiser.suppress(&key)?.as_bytes())
        };
        for batch in batches {
            for item in self.record_items(tx, batch).await? {
                // What was wrapped under a version that is destroyed is found in the feed.
                if numbers.contains(&item.number)
                    && let Ok(token) = token(&item.key, item.key_version)
                {
                    tokens.insert(item.number, token);
                }
            }
        }
        let left: Vec<i64> =
            numbers.into_iter().filter(|number| !tokens.contains_key(number)).collect();
        if !left.is_empty() {
            for (number, key, version) in cases::keys_of(tx, feed, &left).await? {
                if let Ok(token) = token(&key, version) {
                    tokens.insert(number, token);
                }
            }
        }
        Ok(tokens)
    }
}

/// What a batch's item says of a record.
struct RecordPlaceKey {
    number: i64,
    key: [u8; 16],
    key_version: u16,
    principal: Option<SubjectId>,
}
