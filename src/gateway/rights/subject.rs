//! Who a case is about: named by one of the sender's own records, or by an identity that goes
//! through the one door for identifiers, and what of it is stored.

use super::{
    items::with_late,
    journal::stored_forms,
    suppressions::{record_token, tokens_of},
};
use crate::{
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
    keys::{BirthDate, KeyError, KeysInUse, Pseudonym, PseudonymDomain, RawIdentifier, RawText},
    linkage::{KeyedIdentity, RawIdentity, Sender},
    store::{
        Tx,
        cases::{self, Held},
        feeds, records, subjects,
    },
};
use jiff::civil::Date;
use std::collections::BTreeSet;
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
    /// The subject's records.
    pub(super) records: Vec<Held>,
    /// Of the identities that make up the person, those that share a key with who was named.
    pub(super) kin: BTreeSet<SubjectId>,
    /// The records that were named themselves.
    pub(super) named: BTreeSet<i64>,
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

/// The domains of what a subject is known by.
const OF_SUBJECTS: [PseudonymDomain; 3] = [
    PseudonymDomain::Subject,
    PseudonymDomain::MatchNhsBirth,
    PseudonymDomain::MatchNamesBirthSexPostcode,
];

/// The version of the rules that wishes' digests are made under; far from those of identifiers.
const WISH_RULES: u16 = 0x5749;

impl KeyedSubject {
    /// What tells whether a call is about the same as one before; the same under every version
    /// of the keys.
    pub(super) fn digest(&self, keys: &KeysInUse) -> Result<[u8; 16], KeyError> {
        let input = keys.pseudonymiser.begin(PseudonymDomain::Suppression, WISH_RULES);
        let input = match self {
            Self::Record { record_type, key } => {
                input.bytes(record_type.name().as_bytes()).pseudonym(Some(key))?
            }
            Self::Identity(identity) => input.bytes(&[]).pseudonym(Some(&identity.fingerprint))?,
        };
        Ok(*input.finish().as_bytes())
    }

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
        let mut stated: BTreeSet<[u8; 16]> = BTreeSet::new();
        let persons = match subject {
            KeyedSubject::Record { record_type, key } => {
                let feed = feeds::feed(tx, partner, *record_type).await?;
                let Some(found) = self.sent_record(tx, keys, feed, key).await? else {
                    return Ok(None);
                };
                let Some((number, batch)) = found else {
                    // It was not used, or is erased: whoever opens a case by it means whom the
                    // cases are about that it was not used because of.
                    return self.look_up_dropped(tx, keys, feed, key).await.map(Some);
                };
                known.named.insert(number);
                if alone {
                    known.records.push(Held { number, batch, principal: true });
                    return Ok(Some(known));
                }
                let (principal, persons) = self.principal_of(tx, number, batch).await?;
                let all = self.tokens_by_subject(tx, keys, &persons).await?;
                let own = all.iter().find(|(id, _)| Some(*id) == principal);
                stated.extend(own.into_iter().flat_map(|(_, tokens)| tokens));
                persons
            }
            KeyedSubject::Identity(identity) => {
                stated.extend(tokens_of(keys, identity)?);
                known.tokens.extend(&stated);
                let mut forms = Forms::default();
                for key in identity.match_keys.iter() {
                    forms.add(keys, key.rung.domain(), key.key.as_bytes())?;
                }
                subjects::persons_with(tx, forms.all()).await?
            }
        };
        for (subject, tokens) in self.tokens_by_subject(tx, keys, &persons).await? {
            if tokens.iter().any(|token| stated.contains(token)) {
                known.kin.insert(subject);
            }
            known.tokens.extend(tokens);
        }
        known.records = cases::records_of(tx, &persons).await?;
        Ok(Some(known))
    }

    /// Whom a record is about that was not used, as far as the cases say that it was not used
    /// because of.
    async fn look_up_dropped(
        &self,
        tx: &mut Tx,
        keys: &KeysInUse,
        feed: FeedId,
        key: &Pseudonym,
    ) -> Result<Known, GatewayError> {
        let mut known = Known::default();
        for case in cases::dropped_by(tx, feed, &record_token(keys, key.as_bytes())?).await? {
            known.tokens.extend(cases::suppressions(tx, case).await?);
        }
        let persons = self.persons_known_by(tx, keys, &known.tokens).await?;
        known.tokens.extend(self.tokens_of_persons(tx, keys, &persons).await?);
        known.records = cases::records_of(tx, &persons).await?;
        Ok(known)
    }

    /// The persons that are stored under what some tokens stand for.
    pub(super) async fn persons_known_by(
        &self,
        tx: &mut Tx,
        keys: &KeysInUse,
        tokens: &BTreeSet<[u8; 16]>,
    ) -> Result<Vec<PersonId>, GatewayError> {
        let mut forms: Vec<[u8; 16]> = Vec::new();
        for token in tokens {
            for domain in OF_SUBJECTS {
                forms.extend(stored_forms(keys, token, domain)?);
            }
        }
        Ok(subjects::persons_with(tx, &forms).await?)
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
    ) -> Result<(Option<SubjectId>, Vec<PersonId>), GatewayError> {
        for batch in with_late(tx, &[(number, batch)]).await? {
            for item in self.record_items(tx, batch).await? {
                if item.number == number
                    && let Some(principal) = item.principal
                {
                    return Ok((Some(principal), subjects::persons_of(tx, &[principal]).await?));
                }
            }
        }
        Ok((None, cases::person_of(tx, number).await?.into_iter().collect()))
    }

    /// By what some persons are known again: all that any of their identities is found by.
    pub(super) async fn tokens_of_persons(
        &self,
        tx: &mut Tx,
        keys: &KeysInUse,
        persons: &[PersonId],
    ) -> Result<BTreeSet<[u8; 16]>, GatewayError> {
        let all = self.tokens_by_subject(tx, keys, persons).await?;
        Ok(all.into_iter().flat_map(|(_, tokens)| tokens).collect())
    }

    /// By what each identity of some persons is known again.
    async fn tokens_by_subject(
        &self,
        tx: &mut Tx,
        keys: &KeysInUse,
        persons: &[PersonId],
    ) -> Result<Vec<(SubjectId, Vec<[u8; 16]>)>, GatewayError> {
        let mut found = Vec::new();
        for mut subject in subjects::of_persons(tx, persons).await? {
            renew(keys, &mut subject)?;
            let mut tokens = Vec::with_capacity(4);
            let nhs = subject.nhs.map(|nhs| (PseudonymDomain::Nhs, nhs));
            let mut all: Vec<(PseudonymDomain, [u8; 16])> = nhs.into_iter().collect();
            for (rung, key) in &subject.keys {
                all.push((key_domain(*rung, subject.id)?, *key));
            }
            for (domain, key) in all {
                let key = Pseudonym::from_stored(domain, keys.current(), &key)?;
                tokens.push(*keys.pseudonymiser.suppress(&key)?.as_bytes());
            }
            found.push((subject.id, tokens));
        }
        Ok(found)
    }
}
