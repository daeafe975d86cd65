//! Consent, by the sender's own references, which are kept only as pseudonyms scoped to the
//! sender: no partner can ask about another's.
//!
//! A no prevails over a yes of the same day, so that an unknown order never turns a refusal
//! into a consent. Unknown is treated as refused (by the decision, not here).

use super::{Actor, Denied, Gateway, GatewayError, Refused, decide::Decided};
use crate::{
    audit::{Item, Leaf, LeafKind, SizeClass, Token},
    domain::{
        field::{FieldKind, Rule, parse_date},
        time::{date_of, epoch_day},
    },
    keys::{IdentifierKind, KeyVersion, KeysInUse, Pseudonym, PseudonymDomain, RawIdentifier},
    protocol::{self, CallerRole},
    store::{Effect, Logged, Outcome, Rights, StoreError, consents},
};
use jiff::civil::Date;
use std::collections::BTreeMap;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The most consents that are recorded at once.
pub const MOST_CONSENTS: usize = 5_000;

/// What was recorded of a consent. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConsentRecord {
    /// Given.
    Given = 1,
    /// Refused.
    Refused = 2,
    /// Withdrawn.
    Withdrawn = 3,
}

/// Who gave or refused it. The numbers are stored; 0 stands for nobody named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConsentGiver {
    /// The subject.
    Subject = 1,
    /// A parent with parental responsibility.
    Parent = 2,
    /// A carer with parental responsibility.
    Carer = 3,
}

/// A consent as its sender states it. No Debug: the reference may name somebody.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct StatedConsent {
    /// The sender's reference.
    pub reference: String,
    /// Its state; `None` where the sender gave none.
    #[zeroize(skip)]
    pub state: Option<ConsentRecord>,
    /// Who gave or refused it.
    #[zeroize(skip)]
    pub given_by: Option<ConsentGiver>,
    /// The day it was recorded, `YYYY-MM-DD`.
    pub recorded_on: String,
    /// Version of the privacy notice shown.
    pub notice_version: String,
}

/// Why a consent was not recorded; never its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsentRejection {
    /// Zero-based place in the request.
    pub row: usize,
    /// The field at fault.
    pub field: &'static str,
    /// The rule it broke.
    pub rule: Rule,
}

/// What became of the consents of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordedConsents {
    /// How many were taken.
    pub recorded: usize,
    /// Those that were not.
    pub rejections: Vec<ConsentRejection>,
}

impl ConsentRecord {
    /// The stored number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Given => 1,
            Self::Refused => 2,
            Self::Withdrawn => 3,
        }
    }

    /// From the stored number.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for any other.
    pub(super) const fn from_number(number: u8) -> Result<Self, StoreError> {
        match number {
            1 => Ok(Self::Given),
            2 => Ok(Self::Refused),
            3 => Ok(Self::Withdrawn),
            _ => Err(StoreError::Corrupt { table: "consent", column: "state", row: 0 }),
        }
    }
}

impl ConsentGiver {
    const fn number(self) -> u8 {
        match self {
            Self::Subject => 1,
            Self::Parent => 2,
            Self::Carer => 3,
        }
    }
}

impl From<ConsentRecord> for protocol::ConsentState {
    fn from(record: ConsentRecord) -> Self {
        match record {
            ConsentRecord::Given => Self::Given,
            ConsentRecord::Refused => Self::Refused,
            ConsentRecord::Withdrawn => Self::Withdrawn,
        }
    }
}

impl Gateway {
    /// Records consents of the caller's own references. Good ones are taken, bad ones told
    /// by row, field and rule. With a withdrawal among them the leaf is that of one.
    ///
    /// # Errors
    /// `wrong_role` but for providers; a violation for too many.
    pub async fn record_consents(
        &self,
        actor: &Actor,
        stated: Vec<StatedConsent>,
    ) -> Result<Logged<RecordedConsents>, Denied> {
        self.require(actor, &[CallerRole::Provider]).await?;
        if stated.len() > MOST_CONSENTS {
            let refused = Refused::invalid("consents", "at most 5,000");
            return Err(self.refuse_malformed(actor, refused).await);
        }
        let today = self.today();
        let keys = self.writing_keys().await?;
        let mut answer = RecordedConsents::default();
        let mut entries: BTreeMap<[u8; 16], consents::Entry> = BTreeMap::new();
        for (row, stated) in stated.into_iter().enumerate() {
            match entry(&keys, actor, &stated, today) {
                Ok(entry) => {
                    answer.recorded += 1;
                    let standing = |entry: &consents::Entry| (entry.recorded_on, entry.state);
                    // Of one reference twice the later holds, and of one day the no.
                    match entries.get(&entry.key) {
                        Some(before) if standing(before) >= standing(&entry) => {}
                        _ => drop(entries.insert(entry.key, entry)),
                    }
                }
                Err((field, rule)) => answer.rejections.push(ConsentRejection { row, field, rule }),
            }
        }
        let withdrawn = ConsentRecord::Withdrawn.number();
        let kind = match entries.values().any(|entry| entry.state == withdrawn) {
            true => LeafKind::ConsentWithdrawn,
            false => LeafKind::ConsentRecorded,
        };
        let mut leaf = actor.leaf(kind, self);
        leaf.size_class = Some(SizeClass::of(answer.recorded as u64));
        let entries: Vec<consents::Entry> = entries.into_values().collect();
        let logged = self.commit_consents(actor, leaf, &entries).await?;
        Ok(logged.map(|_| answer))
    }

    /// Withdraws a consent of the caller's own reference, also one it never recorded: from
    /// the answer on no record that relies on it is taken or counted in a later release.
    ///
    /// # Errors
    /// `wrong_role` but for providers; a violation for what is no reference.
    pub async fn withdraw_consent(
        &self,
        actor: &Actor,
        reference: String,
    ) -> Result<Logged<()>, Denied> {
        let key = self.own_reference(actor, reference).await?;
        let entry = consents::Entry {
            key: *key.as_bytes(),
            key_version: key.key_version().number(),
            state: ConsentRecord::Withdrawn.number(),
            given_by: 0,
            recorded_on: epoch_day(self.today()),
            notice_version: String::new(),
        };
        let mut leaf = actor.leaf(LeafKind::ConsentWithdrawn, self);
        leaf.size_class = Some(SizeClass::of(1));
        let logged = self.commit_consents(actor, leaf, &[entry]).await?;
        Ok(logged.map(|_| ()))
    }

    /// Tells the state of a consent of the caller's own reference and the day it was
    /// recorded; `None` when this partner never recorded it.
    ///
    /// # Errors
    /// `wrong_role` but for providers; a violation for what is no reference.
    pub async fn consent(
        &self,
        actor: &Actor,
        reference: String,
    ) -> Result<Logged<Option<(ConsentRecord, Date)>>, Denied> {
        let key = self.own_reference(actor, reference).await?;
        let mut tx = self.store.read(Rights::Figures).await?;
        let key = *key.as_bytes();
        let found = consents::states(&mut tx, &[key]).await?.get(&key).copied();
        drop(tx);
        let standing = found.map(read).transpose()?;
        let logged = self
            .settle(actor, |_| {
                let leaf = self.look(actor, "consents");
                Ok(Decided { leaf, effect: Effect::None, answer: standing })
            })
            .await?;
        Ok(logged.map(|(_, standing)| standing))
    }

    /// Commits consents with their leaf, whose private detail has an item for each.
    async fn commit_consents(
        &self,
        actor: &Actor,
        mut leaf: Leaf,
        entries: &[consents::Entry],
    ) -> Result<Logged<Outcome>, Denied> {
        let item = |entry: &consents::Entry| Item::Consent {
            key: entry.key,
            key_version: entry.key_version,
            state: entry.state,
            recorded_on: entry.recorded_on,
        };
        let kept = self.keep(&mut leaf, entries.iter().map(item).collect(), false)?;
        let effect = |keys: &KeysInUse| match entries {
            [] => Ok(kept.clone().with(Effect::None)),
            entries => in_use(keys, entries).map(|effect| kept.clone().with(effect)),
        };
        self.commit_keyed(actor, leaf, effect).await
    }

    /// The key of one reference of a provider's.
    async fn own_reference(&self, actor: &Actor, mut text: String) -> Result<Pseudonym, Denied> {
        if let Err(denied) = self.require(actor, &[CallerRole::Provider]).await {
            text.zeroize();
            return Err(denied);
        }
        let keys = self.keys();
        let key = reference(&text).map(|trimmed| consent_key(&keys, actor, trimmed));
        text.zeroize();
        match key {
            Ok(key) => Ok(key),
            Err(rule) => {
                let refused = Refused::invalid("consent_ref", rule.sentence());
                Err(self.refuse_malformed(actor, refused).await)
            }
        }
    }
}

fn consent_key(keys: &KeysInUse, actor: &Actor, reference: &str) -> Pseudonym {
    let kind = IdentifierKind::Consent { partner: &actor.partner };
    RawIdentifier::new(reference.to_owned()).pseudonymise(kind, &keys.pseudonymiser)
}

/// Consents to store under every version that events may name them by.
fn in_use<'a>(
    keys: &KeysInUse,
    entries: impl IntoIterator<Item = &'a consents::Entry>,
) -> Result<Effect, GatewayError> {
    let mut all = Vec::new();
    for entry in entries {
        let keyed_under = KeyVersion::new(entry.key_version);
        let key = keys.renewed(PseudonymDomain::Consent, keyed_under, &entry.key)?;
        for (version, key) in keys.forms(PseudonymDomain::Consent, &key)? {
            all.push(consents::Entry { key, key_version: version.number(), ..entry.clone() });
        }
    }
    Ok(Effect::PutConsents(all))
}

fn entry(
    keys: &KeysInUse,
    actor: &Actor,
    stated: &StatedConsent,
    today: Date,
) -> Result<consents::Entry, (&'static str, Rule)> {
    let own = reference(&stated.reference).map_err(|rule| ("consent_ref", rule))?;
    let state = stated.state.ok_or(("state", Rule::Missing))?;
    let giver = stated.given_by.ok_or(("given_by", Rule::Missing))?;
    let day = parse_date(&stated.recorded_on).map_err(|rule| ("recorded_on", rule))?;
    if day > today {
        return Err(("recorded_on", Rule::DateInFuture));
    }
    // Kept as it is, so it takes no free text that could name somebody.
    if stated.notice_version.parse::<Token>().is_err() {
        return Err(("notice_version", Rule::NoticeForm));
    }
    let key = consent_key(keys, actor, own);
    Ok(consents::Entry {
        key: *key.as_bytes(),
        key_version: key.key_version().number(),
        state: state.number(),
        given_by: giver.number(),
        recorded_on: epoch_day(day),
        notice_version: stated.notice_version.clone(),
    })
}

/// A stored state and its day.
pub(super) fn read((state, day): (u8, i32)) -> Result<(ConsentRecord, Date), StoreError> {
    let corrupt = StoreError::Corrupt { table: "consent", column: "recorded_on", row: 0 };
    Ok((ConsentRecord::from_number(state)?, date_of(day).ok_or(corrupt)?))
}

/// The rule of references in records, so that what is recorded here can be relied on there:
/// they too are read without the spaces around them.
pub(super) fn reference(text: &str) -> Result<&str, Rule> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(Rule::Missing);
    }
    FieldKind::CaseReference.parse_payload(trimmed, Date::MAX).map(|_| trimmed)
}
