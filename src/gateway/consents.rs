//! Consent, by the sender's own references, which are kept only as pseudonyms scoped to the
//! sender: no partner can ask about another's.
//!
//! What statements come to is a rule of the protocol room ([`crate::protocol::consent`]): a no
//! prevails over a yes, and unknown is treated as refused. Statements are kept for ever, with
//! the day they were made and the moment they became known, so that "what did we know on that
//! day" has an answer ([`Gateway::consent_as_known`]). The sender's references of givers and
//! of evidence may name somebody: they are keyed on arrival, too, each under its one consent.

mod reading;

use super::{Actor, Denied, Gateway, GatewayError, Refused, decide::Decided};
use crate::{
    audit::{Item, Leaf, LeafKind, SizeClass, Token},
    domain::{
        RecordType,
        field::{FieldKind, Rule, parse_date},
        time::epoch_day,
    },
    keys::{IdentifierKind, KeyVersion, KeysInUse, Pseudonym, PseudonymDomain, RawIdentifier},
    protocol::{CallerRole, ConsentGiver, ConsentMeans, ConsentRecord, Coverage, Purpose},
    store::{Effect, Logged, Outcome, Rights, consents},
};
use jiff::{Timestamp, civil::Date};
use reading::{coverage, known};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The most consents that are recorded at once.
pub const MOST_CONSENTS: usize = 5_000;

/// A consent as its sender states it. No Debug: the references may name somebody.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
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
    /// The sender's reference of the giver, where there may be several; or empty.
    pub giver_ref: String,
    /// How it was obtained.
    #[zeroize(skip)]
    pub means: Option<ConsentMeans>,
    /// Codes of the purposes that it covers; none for all.
    pub purposes: Vec<String>,
    /// Record types that it covers; none for all of the sender's.
    pub record_types: Vec<String>,
    /// The sender's reference of the evidence; or empty.
    pub evidence_ref: String,
    /// Its last day, `YYYY-MM-DD`; or empty.
    pub valid_until: String,
}

/// Which state of knowledge is asked about. No Debug: the reference may name somebody.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub struct AskedConsent {
    /// The sender's reference.
    pub reference: String,
    /// The day it is asked for, `YYYY-MM-DD`; empty for today.
    pub on: String,
    /// As it was known at this moment, RFC 3339; empty for now.
    pub known_at: String,
}

/// A consent as it was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownConsent {
    /// Its state on the day asked for.
    pub state: ConsentRecord,
    /// The day of the word that decides.
    pub day: Date,
    /// The statements, in the order in which they became known.
    pub statements: Vec<KnownStatement>,
}

/// A statement as it was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownStatement {
    /// What was said.
    pub state: ConsentRecord,
    /// Who said it.
    pub given_by: Option<ConsentGiver>,
    /// Which giver of the reference, from 1; 0 for one not told apart.
    pub giver: u32,
    /// On which day.
    pub stated_on: Date,
    /// When it became known here.
    pub known_at: Timestamp,
    /// How it was obtained.
    pub means: Option<ConsentMeans>,
    /// Version of the privacy notice shown.
    pub notice_version: String,
    /// What it covers.
    pub purposes: Vec<Purpose>,
    /// What it covers.
    pub record_types: Vec<RecordType>,
    /// Its last day.
    pub valid_until: Option<Date>,
    /// Whether evidence is named.
    pub evidence: bool,
    /// Whether it stands: no later word took its place.
    pub stands: bool,
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

/// A statement, keyed under one version of the keys.
pub(super) struct Keyed {
    pub(super) under: KeyVersion,
    pub(super) reference: [u8; 16],
    pub(super) giver: Option<[u8; 16]>,
    pub(super) evidence: Option<[u8; 16]>,
    pub(super) given_by: Option<ConsentGiver>,
    pub(super) state: ConsentRecord,
    pub(super) stated_on: i32,
    pub(super) means: Option<ConsentMeans>,
    pub(super) notice_version: String,
    pub(super) coverage: Coverage,
}

impl Keyed {
    /// Its item in the private detail of the act that records it.
    pub(super) const fn item(&self) -> Item {
        Item::Consent {
            key: self.reference,
            key_version: self.under.number(),
            state: self.state.number(),
            recorded_on: self.stated_on,
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
        let mut entries = Vec::with_capacity(stated.len());
        for (row, stated) in stated.into_iter().enumerate() {
            match keyed(&keys, actor, &stated, today) {
                Ok(entry) => {
                    answer.recorded += 1;
                    entries.push(entry);
                }
                Err((field, rule)) => answer.rejections.push(ConsentRejection { row, field, rule }),
            }
        }
        let withdrawn = |entry: &Keyed| entry.state == ConsentRecord::Withdrawn;
        let kind = match entries.iter().any(withdrawn) {
            true => LeafKind::ConsentWithdrawn,
            false => LeafKind::ConsentRecorded,
        };
        let mut leaf = actor.leaf(kind, self);
        leaf.size_class = Some(SizeClass::of(answer.recorded as u64));
        let logged = self.commit_consents(actor, leaf, &entries).await?;
        Ok(logged.map(|_| answer))
    }

    /// Tells the state of a consent of the caller's own reference today, and the day of the
    /// word that decides; `None` when this partner never recorded it.
    ///
    /// # Errors
    /// `wrong_role` but for providers; a violation for what is no reference.
    pub async fn consent(
        &self,
        actor: &Actor,
        reference: String,
    ) -> Result<Logged<Option<(ConsentRecord, Date)>>, Denied> {
        let asked = AskedConsent { reference, on: String::new(), known_at: String::new() };
        let known = self.consent_as_known(actor, asked).await?;
        Ok(known.map(|known| known.map(|known| (known.state, known.day))))
    }

    /// Tells what a consent of the caller's own reference was on a day, as it was known at a
    /// moment; `None` where nothing was known of it.
    ///
    /// # Errors
    /// `wrong_role` but for providers; a violation for what is no reference, day or moment.
    pub async fn consent_as_known(
        &self,
        actor: &Actor,
        mut asked: AskedConsent,
    ) -> Result<Logged<Option<KnownConsent>>, Denied> {
        let key = self.own_reference(actor, std::mem::take(&mut asked.reference)).await?;
        let on = match asked.on.as_str() {
            "" => self.today(),
            day => match parse_date(day) {
                Ok(day) => day,
                Err(rule) => {
                    let refused = Refused::invalid("on", rule.sentence());
                    return Err(self.refuse_malformed(actor, refused).await);
                }
            },
        };
        let moment = match asked.known_at.as_str() {
            "" => Some(self.now()),
            moment => moment.parse::<Timestamp>().ok(),
        };
        let Some(moment) = moment else {
            let refused = Refused::invalid("known_at", "a moment like 2026-04-02T09:00:00Z");
            return Err(self.refuse_malformed(actor, refused).await);
        };
        let forms = forms_of(&self.keys(), key.key_version(), key.as_bytes())?;
        let mut tx = self.store.read(Rights::Figures).await?;
        let all = consents::statements(&mut tx, &forms).await?;
        drop(tx);
        let known = known(&all, epoch_day(on), moment)?;
        let logged = self
            .settle(actor, |_| {
                let leaf = self.look(actor, "consents");
                Ok(Decided { leaf, effect: Effect::None, answer: known.clone() })
            })
            .await?;
        Ok(logged.map(|(_, known)| known))
    }

    /// Commits consents with their leaf, whose private detail has an item for each.
    pub(super) async fn commit_consents(
        &self,
        actor: &Actor,
        mut leaf: Leaf,
        entries: &[Keyed],
    ) -> Result<Logged<Outcome>, Denied> {
        let kept = self.keep(&mut leaf, entries.iter().map(Keyed::item).collect(), false)?;
        let effect = |keys: &KeysInUse| match entries {
            [] => Ok(kept.clone().with(Effect::None)),
            entries => {
                in_use(keys, entries).map(|stated| kept.clone().with(Effect::PutConsents(stated)))
            }
        };
        let logged = self.commit_keyed(actor, leaf, effect).await?;
        if entries.iter().any(|entry| entry.state != ConsentRecord::Given) {
            self.keep_journal().await?;
        }
        Ok(logged)
    }

    /// The key of one reference of a provider's.
    pub(super) async fn own_reference(
        &self,
        actor: &Actor,
        mut text: String,
    ) -> Result<Pseudonym, Denied> {
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

/// A key of consents in the form of every version in use, the current one first.
fn forms_of(
    keys: &KeysInUse,
    under: KeyVersion,
    key: &[u8; 16],
) -> Result<Vec<(u16, [u8; 16])>, GatewayError> {
    let key = keys.renewed(PseudonymDomain::Consent, under, key)?;
    let forms = keys.forms(PseudonymDomain::Consent, &key)?;
    Ok(forms.into_iter().map(|(version, key)| (version.number(), key)).collect())
}

/// Consents to store, in the form of every version that events may name them by.
pub(super) fn in_use<'a>(
    keys: &KeysInUse,
    entries: impl IntoIterator<Item = &'a Keyed>,
) -> Result<Vec<consents::Stated>, GatewayError> {
    let optional = |entry: &Keyed, key: Option<[u8; 16]>| -> Result<Vec<[u8; 16]>, GatewayError> {
        let Some(key) = key else { return Ok(Vec::new()) };
        Ok(forms_of(keys, entry.under, &key)?.into_iter().map(|(_, key)| key).collect())
    };
    let stated = |entry: &Keyed| {
        Ok(consents::Stated {
            reference: forms_of(keys, entry.under, &entry.reference)?,
            giver: optional(entry, entry.giver)?,
            evidence: optional(entry, entry.evidence)?,
            given_by: entry.given_by,
            state: entry.state,
            stated_on: entry.stated_on,
            means: entry.means,
            notice_version: entry.notice_version.clone(),
            coverage: entry.coverage.clone(),
        })
    };
    entries.into_iter().map(stated).collect()
}

/// Reads a statement and keys its references.
fn keyed(
    keys: &KeysInUse,
    actor: &Actor,
    stated: &StatedConsent,
    today: Date,
) -> Result<Keyed, (&'static str, Rule)> {
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
    let coverage = coverage(stated, day)?;
    let partner = &actor.partner;
    let optional = |text: &str, field, kind: IdentifierKind<'_>| match text.trim() {
        "" => Ok(None),
        text => {
            let text = reference(text).map_err(|rule| (field, rule))?;
            let raw = RawIdentifier::new(text.to_owned());
            Ok(Some(*raw.pseudonymise(kind, &keys.pseudonymiser).as_bytes()))
        }
    };
    let of_giver = IdentifierKind::Giver { partner, consent: own };
    let of_evidence = IdentifierKind::Evidence { partner, consent: own };
    let key = consent_key(keys, actor, own);
    Ok(Keyed {
        under: key.key_version(),
        reference: *key.as_bytes(),
        giver: optional(&stated.giver_ref, "giver_ref", of_giver)?,
        evidence: optional(&stated.evidence_ref, "evidence_ref", of_evidence)?,
        given_by: Some(giver),
        state,
        stated_on: epoch_day(day),
        means: stated.means,
        notice_version: stated.notice_version.clone(),
        coverage,
    })
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
