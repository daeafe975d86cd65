//! Subject access (UK GDPR art 15): who shared which records of a person, when, and under which
//! protocol, as a report that only the authority's data protection officer can read.
//!
//! **Who may ask.** A request is entered after the subject has proved who it is; the entry says
//! by what, when it was received and by when it is due (the shortest `sar_days` of the running
//! protocols), and nothing of whose it is. The report is made by two data officers
//! ([`super::approval`]), who name the same subject, request and public key.
//!
//! **What leaves.** The report is sealed to that key ([`crate::keys::hpke`]) before anything is
//! committed: the gateway never stores it, and neither officer can read it. Its length is
//! padded. Whether anybody was found, the officers can't tell.
//!
//! **What is kept back.** Each controller marks what a subject must not see ([`withhold`]); a
//! child protection case is withheld by itself until its controller lets it be shown. What is
//! withheld is left out before anything is counted, named or decided, so that it and what is
//! absent look the same ([`report`]).
//!
//! **What the log says.** A leaf for the request, one for each officer's word, and one for each
//! marking; none says about whom. That two calls were about the same person is seen by their
//! approval's digest, which holds a keyed fingerprint.

mod report;
mod withhold;

use super::{
    Actor, CallerName, DECISIONS, Denied, Gateway, GatewayError, RefusalKind, Refused, Snapshot,
    Waiting,
    approval::{Intention, Standing},
    decide::Decided,
    details::words,
    intake::keyed_identity,
};
use crate::{
    audit::{LeafKind, Token},
    domain::{
        row::check_person,
        time::{date_of, days_after, epoch_day},
    },
    keys::{IdentifierKind, KeysInUse, RawIdentifier, RecipientKey},
    linkage::{KeyedIdentity, Sender},
    protocol::{CallerRole, vocabulary::closed},
    store::{
        ActError, Effect, Logged, Outcome, Rights, StoreError,
        access::{self, Request},
    },
};
use jiff::{Timestamp, civil::Date};
use serde_json::json;
pub use withhold::{MarkedRecords, WithholdReason};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Days to answer where no running protocol says: a month (art 12(3)).
const USUAL_DAYS: u16 = 30;
/// The most columns of an identity.
const MOST_COLUMNS: usize = 16;

closed! {
    /// By what a subject, or who may act for it, proved who it is.
    pub enum IdentityProof {
        Passport = "passport", "a passport or other photographic identity document";
        DrivingLicence = "driving_licence", "a driving licence";
        BirthCertificate = "birth_certificate", "a birth certificate, with proof of parental responsibility";
        OnlineVerified = "online_verified", "an online identity service";
        KnownInPerson = "known_in_person", "known in person to staff who vouch for it";
        LegalRepresentative = "legal_representative", "a legal representative's authority";
    }
}

/// A request to be entered.
#[derive(Debug, Clone)]
pub struct AskReport {
    /// By what the subject proved who it is.
    pub proof: Option<IdentityProof>,
    /// The day it was received, `YYYY-MM-DD`; empty for today.
    pub received_on: String,
}

/// A request, as entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectRequest {
    /// Its number.
    pub number: u64,
    /// By what the subject proved who it is.
    pub proof: String,
    /// The day it was received.
    pub received_on: Date,
    /// The day it is to be answered by.
    pub due_on: Date,
    /// When its report was made.
    pub done_at: Option<Timestamp>,
    /// Whether it is overdue.
    pub overdue: bool,
}

/// Whom a report is about, and for whom it is sealed. No Debug: it names somebody.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub struct NamedSubject {
    /// The request.
    pub number: u64,
    /// Columns of an identity, as record types have them.
    pub columns: Vec<String>,
    /// Their values.
    pub values: Vec<String>,
    /// The data protection officer's public key.
    pub recipient: Vec<u8>,
}

/// A report, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedReport {
    /// Id of the key that opens it.
    pub key_id: String,
    /// The encapsulated secret.
    pub secret: Vec<u8>,
    /// The sealed text.
    pub sealed: Vec<u8>,
}

/// What a call to make a report came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// It was the first officer's: nothing is made yet.
    Waiting(Waiting),
    /// It was the second's.
    Made(Box<SealedReport>),
}

/// What the sealing of a report is bound to: no report of another request opens in its place.
#[must_use]
pub fn report_info(request: u64) -> String {
    format!("tallygate subject report v1, request {request}")
}

impl Gateway {
    /// Enters a subject's wish to see what is held.
    ///
    /// # Errors
    /// `wrong_role` but for data officers; a violation for a day that is none or lies ahead.
    pub async fn ask_report(
        &self,
        actor: &Actor,
        asked: &AskReport,
    ) -> Result<Logged<SubjectRequest>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer]).await?;
        let today = self.today();
        let received = match asked.received_on.as_str() {
            "" => Some(today),
            day => crate::domain::field::parse_date(day).ok().filter(|day| *day <= today),
        };
        let (Some(proof), Some(received)) = (asked.proof, received) else {
            let field = if asked.proof.is_none() { "proof" } else { "received_on" };
            let refused = Refused::invalid(field, "a proof of the list, and a day that has come");
            return Err(self.refuse_malformed(actor, refused).await);
        };
        let logged = self
            .settle(actor, |snapshot| {
                let due = days_after(received, i32::from(answer_days(snapshot)));
                let new = access::NewRequest {
                    partner: actor.partner.clone(),
                    proof: proof.code(),
                    received_on: epoch_day(received),
                    due_on: epoch_day(due),
                };
                let mut leaf = actor.leaf(LeafKind::SubjectRequested, self);
                leaf.notes.cause = proof.code().parse().ok();
                Ok(Decided { leaf, effect: Effect::AskReport(Box::new(new)), answer: due })
            })
            .await?;
        Ok(logged.map(|(outcome, due_on)| SubjectRequest {
            number: if let Outcome::Total(number) = outcome { number } else { 0 },
            proof: proof.code().to_owned(),
            received_on: received,
            due_on,
            done_at: None,
            overdue: due_on < today,
        }))
    }

    /// Every request: received, due, done.
    ///
    /// # Errors
    /// `wrong_role` but for data officers and auditors.
    pub async fn subject_requests(
        &self,
        actor: &Actor,
    ) -> Result<Logged<Vec<SubjectRequest>>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer, CallerRole::Auditor]).await?;
        let mut tx = self.store.read(Rights::Figures).await?;
        let found = access::requests(&mut tx).await?;
        drop(tx);
        let today = self.today();
        let told: Result<Vec<_>, StoreError> = found.iter().map(|r| told(r, today)).collect();
        let told = told?;
        let logged = self
            .settle(actor, |_| {
                let leaf = self.look(actor, "subject_requests");
                Ok(Decided { leaf, effect: Effect::None, answer: told.clone() })
            })
            .await?;
        Ok(logged.map(|(_, told)| told))
    }

    /// Makes the report of a request, once a second data officer asks for the same.
    ///
    /// # Errors
    /// `wrong_role` but for data officers; `not_found` for no open request; a violation for
    /// what names nobody or is no public key; for the first officer again.
    pub async fn report_subject(
        &self,
        actor: &Actor,
        named: NamedSubject,
    ) -> Result<Logged<Reported>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer]).await?;
        let (request, recipient) = self.open_request(actor, &named).await?;
        self.catch_up().await?;
        // One set of keys from here to the search: its forms are of both versions while the
        // keys rotate, so that a passage in between hides nobody.
        let keys = self.keys();
        let subject = match self.keyed_subject(actor, &named, &keys) {
            Ok(subject) => subject,
            Err(refused) => return Err(self.refuse_malformed(actor, refused).await),
        };
        drop(named);
        let intention = Intention::new("report_subject")
            .with(&request.number.to_be_bytes())
            .with(subject.fingerprint.as_bytes())
            .with(recipient.as_bytes());
        for _ in 0..DECISIONS {
            let snapshot = self.snapshot();
            let epoch = snapshot.epoch();
            let mut leaf = actor.leaf(LeafKind::SubjectReported, self);
            leaf.notes.policy_epoch = Some(epoch);
            leaf.notes.key = recipient.id().parse::<Token>().ok();
            let role = CallerRole::DataOfficer;
            let done = match self.standing(actor, role, &snapshot, &intention, &leaf).await? {
                Standing::First(replaced) => {
                    let given = self.give_word(actor, &intention, replaced, leaf, epoch).await;
                    given.map(|waiting| waiting.map(Reported::Waiting))
                }
                Standing::Second(approval) => {
                    leaf.notes.act = intention.act().parse().ok();
                    leaf.notes.approval = Some(intention.digest());
                    let report = self.report(&snapshot, &request, &subject, &keys).await?;
                    let sealed = seal(&recipient, &request, &report)?;
                    let said = [("act", json!("report")), ("request", json!(request.number))];
                    let caller = actor.name.as_ref().map(CallerName::expose);
                    let kept = self.keep(&mut leaf, vec![words(caller, said)], true)?;
                    let effect = Effect::FinishReport(request.number);
                    let effect = Effect::Approved(Box::new((approval, effect)));
                    let logged = self.commit(leaf, kept.with(effect), Some(epoch)).await;
                    logged.map(|logged| logged.map(|_| Reported::Made(Box::new(sealed.clone()))))
                }
            };
            match done {
                Ok(logged) => return Ok(logged),
                Err(ActError::PolicyChanged | ActError::Conflict) => {
                    self.policy_moved(actor).await?;
                }
                Err(error @ (ActError::Unavailable | ActError::Withheld)) => {
                    return Err(error.into());
                }
            }
        }
        Err(GatewayError::Unsettled.into())
    }

    /// The open request, and the key to seal for.
    async fn open_request(
        &self,
        actor: &Actor,
        named: &NamedSubject,
    ) -> Result<(Request, RecipientKey), Denied> {
        let mut tx = self.store.read(Rights::Figures).await?;
        let all = access::requests(&mut tx).await?;
        drop(tx);
        let number = i64::try_from(named.number).unwrap_or(-1);
        let Some(request) = all.into_iter().find(|request| request.number == number) else {
            return Err(self.refuse_malformed(actor, Refused::not_found()).await);
        };
        if request.done_at.is_some() {
            let sentence =
                "the report of this request is made; enter another request for a new one";
            let refused = Refused::new(RefusalKind::Conflict, "already_reported", sentence);
            return Err(self.refuse_malformed(actor, refused).await);
        }
        let recipient = <[u8; 32]>::try_from(&*named.recipient).map(RecipientKey::new);
        // Sealing nothing tells whether anything can be sealed to it.
        match recipient {
            Ok(recipient) if recipient.seal(&[], &[]).is_ok() => Ok((request, recipient)),
            _ => {
                let refused = Refused::invalid("recipient", "an X25519 public key, 32 bytes");
                Err(self.refuse_malformed(actor, refused).await)
            }
        }
    }

    /// Whom a report is about, keyed as intake keys whoever a record is about.
    fn keyed_subject(
        &self,
        actor: &Actor,
        named: &NamedSubject,
        keys: &KeysInUse,
    ) -> Result<KeyedIdentity, Refused> {
        if named.columns.len() > MOST_COLUMNS {
            return Err(Refused::invalid("columns", "at most 16"));
        }
        let person = check_person(&named.columns, &named.values, self.today());
        let person = person.map_err(|violation| {
            let field = if violation.field.is_empty() { "values" } else { violation.field };
            Refused::invalid(field, violation.rule.sentence())
        })?;
        // No record of anybody's: what tells no one person apart has no match key, and is
        // refused below.
        let kind = IdentifierKind::Record { partner: &actor.partner, record_type: "subject" };
        let record = RawIdentifier::new("request".to_owned());
        let record = record.pseudonymise(kind, &keys.pseudonymiser);
        let sender = Sender { partner: &actor.partner, record: &record, position: 0 };
        let unkeyed = |_| Refused::invalid("values", "an identity that can be keyed");
        let keyed = keyed_identity(person, None, sender, keys).map_err(unkeyed)?;
        match keyed.match_keys.is_empty() {
            false => Ok(keyed),
            true => Err(Refused::invalid(
                "values",
                "NHS number and date of birth; or surname, forename, date of birth, sex and \
                 postcode",
            )),
        }
    }
}

/// Seals a report, padded so that its length tells a class alone.
fn seal(
    recipient: &RecipientKey,
    request: &Request,
    report: &str,
) -> Result<SealedReport, GatewayError> {
    const LEAST_BYTES: usize = 256 << 10;
    let mut text = zeroize::Zeroizing::new(report.as_bytes().to_vec());
    let length = text.len().next_power_of_two().max(LEAST_BYTES);
    // JSON may end in spaces.
    text.resize(length, b' ');
    let info = report_info(number_of(request)?);
    let (secret, sealed) = recipient.seal(info.as_bytes(), &text)?;
    Ok(SealedReport { key_id: recipient.id(), secret, sealed })
}

/// The shortest time to answer that a running protocol gives.
fn answer_days(snapshot: &Snapshot) -> u16 {
    let days = snapshot.protocols().filter_map(|record| {
        let (document, life) = record.agreed()?;
        if life.state() != crate::protocol::State::Active {
            return None;
        }
        Some(document.rights.sar_days)
    });
    days.min().unwrap_or(USUAL_DAYS)
}

fn number_of(request: &Request) -> Result<u64, StoreError> {
    let row = request.number;
    let corrupt = StoreError::Corrupt { table: "subject_request", column: "number", row };
    u64::try_from(row).map_err(|_| corrupt)
}

fn told(request: &Request, today: Date) -> Result<SubjectRequest, StoreError> {
    let row = request.number;
    let corrupt = |column| StoreError::Corrupt { table: "subject_request", column, row };
    let done_at = request.done_at.map(Timestamp::from_microsecond).transpose();
    let due_on = date_of(request.due_on).ok_or(corrupt("due_on"))?;
    Ok(SubjectRequest {
        number: number_of(request)?,
        proof: request.proof.clone(),
        received_on: date_of(request.received_on).ok_or(corrupt("received_on"))?,
        due_on,
        done_at: done_at.map_err(|_| corrupt("done_at"))?,
        overdue: request.done_at.is_none() && due_on < today,
    })
}
