//! Opening a case, and ending it.
//!
//! In one transaction, in which nobody else links or stages, the subject is resolved, everything
//! by which it is known again is written, and each of its records that the choice reaches is
//! stopped, with a notice to whoever sent it. From that commit on intake drops what names the
//! subject. Then the sequencer commits the leaf with the case's activation, which raises the
//! policy epoch: a quarter that is being counted at that moment is counted anew. A crash between
//! the two leaves what binds and is in no log; the same call again makes it anew.

use super::{
    answer::{CaseAnswer, flows_in_force, giver_number},
    reach::USUAL_DAYS,
    second::Word,
    subject::{CaseSubject, KeyedSubject},
};
use crate::{
    audit::{Hash, Leaf, LeafKind},
    domain::{
        field::{Rule, parse_date},
        time::epoch_day,
    },
    gateway::{
        Actor, DECISIONS, Denied, Gateway, GatewayError, RefusalKind, Refused, Snapshot, Waiting,
        consents::reference,
    },
    keys::{IdentifierKind, KeysInUse, RawIdentifier},
    protocol::{CallerRole, Choice, ConsentGiver},
    store::{
        ActError, Effect, Logged, Rights,
        cases::{self, Case},
        key_versions, subjects,
    },
};
use jiff::civil::Date;
use rand::Rng;
use serde_json::json;
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

/// A case as its opener states it. No Debug: it may name somebody.
pub struct NewCase {
    /// The opener's own reference, kept only as a pseudonym.
    pub case_ref: String,
    /// What was chosen.
    pub choice: Option<Choice>,
    /// By whom.
    pub given_by: Option<ConsentGiver>,
    /// The day it was asked for, `YYYY-MM-DD`.
    pub requested_on: String,
    /// Who it is about.
    pub subject: Option<CaseSubject>,
}

impl Drop for NewCase {
    fn drop(&mut self) {
        self.case_ref.zeroize();
    }
}

/// What a call to open a case came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenedCase {
    /// It needs two people and was the first's: nothing is done yet.
    Waiting(Waiting),
    /// It is open.
    Open(Box<CaseAnswer>),
}

/// A case, read and keyed.
pub(super) struct Wanted {
    pub(super) key: [u8; 16],
    pub(super) choice: Choice,
    pub(super) given_by: ConsentGiver,
    pub(super) requested_on: Date,
    /// Keyed digest of whom it is about, as it was stated.
    pub(super) wish: [u8; 16],
    pub(super) subject: KeyedSubject,
}

/// What a case's leaf commits to. The nonce keeps the digest from being tried.
pub(super) fn statement(case: &Case) -> Option<String> {
    let choice = Choice::from_number(case.choice)?;
    let requested = crate::domain::time::date_of(case.requested_on)?;
    let all = json!({
        "case": hex::encode(case.key),
        "choice": choice.code(),
        "nonce": hex::encode(case.nonce),
        "partner": case.partner.as_str(),
        "requested_on": requested.to_string(),
    });
    serde_json_canonicalizer::to_string(&all).ok()
}

/// The digest of a text that a leaf names.
pub(super) fn digest(text: &str) -> Hash {
    Hash::new(Sha256::digest(text.as_bytes()).into())
}

impl Gateway {
    /// Opens a case: a provider about somebody whom a record of its own names, or whose identity
    /// it has proved, and a data officer about the latter. The same call again changes nothing.
    ///
    /// # Errors
    /// `wrong_role`; a violation for what is malformed, or for a record that the caller never
    /// sent; `case_differs` where the reference stands for another case.
    pub async fn open_case(
        &self,
        actor: &Actor,
        new: NewCase,
    ) -> Result<Logged<OpenedCase>, Denied> {
        self.require(actor, &[CallerRole::Provider, CallerRole::DataOfficer]).await?;
        let mut wanted = match self.read_case(actor, new)? {
            Ok(wanted) => wanted,
            Err(refused) => return Err(self.refuse_malformed(actor, refused).await),
        };
        for _ in 0..DECISIONS {
            self.catch_up().await?;
            let keys = self.writing_keys().await?;
            let snapshot = self.snapshot();
            if let Some(answer) = self.open_before(actor, &snapshot, &wanted).await? {
                return Ok(answer.map(|case| OpenedCase::Open(Box::new(case))));
            }
            let second = match self.second_of(actor, &snapshot, &wanted).await {
                Ok(Word::Waiting(waiting)) => return Ok(waiting.map(OpenedCase::Waiting)),
                Ok(Word::Second(approval)) => Some(approval),
                Ok(Word::NotNeeded) => None,
                Ok(Word::Again) => {
                    self.policy_moved(actor).await?;
                    continue;
                }
                Err(denied) => return Err(denied),
            };
            let (id, case) = match self.stage_case(actor, &snapshot, &keys, &mut wanted).await {
                Ok(Ok(staged)) => staged,
                Ok(Err(refused)) => return Err(self.refuse_malformed(actor, refused).await),
                Err(GatewayError::KeysBehind) => {
                    self.reload().await?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let mut leaf = self.case_leaf(actor, LeafKind::CaseOpened, &snapshot, &case);
            let mut effect = Effect::OpenCase(id);
            if let Some((intention, approval)) = second {
                leaf.notes.act = intention.act().parse().ok();
                leaf.notes.approval = Some(intention.digest());
                effect = Effect::Approved(Box::new((approval, effect)));
            }
            match self.commit(leaf, effect, Some(snapshot.epoch())).await {
                Ok(logged) => {
                    self.keep_journal().await?;
                    let mut tx = self.store.read(Rights::Figures).await?;
                    let case = cases::find(&mut tx, &actor.partner, &wanted.key).await?;
                    drop(tx);
                    let case = case.ok_or(GatewayError::Conflict)?;
                    let snapshot = self.reload().await?;
                    let answer = self.tell(actor, &snapshot, &case).await?;
                    return Ok(logged.map(|_| OpenedCase::Open(Box::new(answer))));
                }
                // What it reaches may be other flows now, or the same call came twice at once.
                Err(ActError::PolicyChanged | ActError::Conflict) => {
                    self.policy_moved(actor).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(GatewayError::Unsettled.into())
    }

    /// Ends a case of the caller's own: consent was given again, the objection resolved, the
    /// restriction lifted. What was erased stays erased.
    ///
    /// # Errors
    /// `wrong_role`; `not_found`; `case_ended` where it has ended before.
    pub async fn end_case(
        &self,
        actor: &Actor,
        case_ref: String,
    ) -> Result<Logged<CaseAnswer>, Denied> {
        let case = self.own_case(actor, case_ref).await?;
        if case.state == cases::ENDED {
            let sentence = "this case has ended before";
            let refused = Refused::new(RefusalKind::Conflict, "case_ended", sentence);
            return Err(self.refuse_malformed(actor, refused).await);
        }
        let snapshot = self.snapshot();
        let leaf = self.case_leaf(actor, LeafKind::CaseEnded, &snapshot, &case);
        let logged = self.commit_for(actor, leaf, || Effect::EndCase(case.id)).await?;
        self.keep_journal().await?;
        let snapshot = self.reload().await?;
        let case = Case { state: cases::ENDED, ..case };
        let answer = self.tell(actor, &snapshot, &case).await?;
        Ok(logged.map(|_| answer))
    }

    /// Shows a case of the caller's own.
    ///
    /// # Errors
    /// `wrong_role`; `not_found`.
    pub async fn case(
        &self,
        actor: &Actor,
        case_ref: String,
    ) -> Result<Logged<CaseAnswer>, Denied> {
        let case = self.own_case(actor, case_ref).await?;
        self.look_at_case(actor, &self.snapshot(), &case).await
    }

    /// Lists the caller's own cases, the oldest first.
    ///
    /// # Errors
    /// `wrong_role`.
    pub async fn cases(&self, actor: &Actor) -> Result<Logged<Vec<CaseAnswer>>, Denied> {
        self.require(actor, &[CallerRole::Provider, CallerRole::DataOfficer]).await?;
        let mut tx = self.store.read(Rights::Figures).await?;
        let own = cases::list(&mut tx, Some(&actor.partner)).await?;
        drop(tx);
        let snapshot = self.snapshot();
        let mut told = Vec::with_capacity(own.len());
        for case in &own {
            told.push(self.tell(actor, &snapshot, case).await?);
        }
        let leaf = self.look(actor, "cases");
        Ok(self.commit_for(actor, leaf, || Effect::None).await?.map(|_| told))
    }

    async fn look_at_case(
        &self,
        actor: &Actor,
        snapshot: &Snapshot,
        case: &Case,
    ) -> Result<Logged<CaseAnswer>, Denied> {
        let answer = self.tell(actor, snapshot, case).await?;
        let leaf = self.look(actor, "cases");
        Ok(self.commit_for(actor, leaf, || Effect::None).await?.map(|_| answer))
    }

    /// A case of the caller's own that came into the log.
    pub(super) async fn own_case(
        &self,
        actor: &Actor,
        mut case_ref: String,
    ) -> Result<Case, Denied> {
        if let Err(denied) =
            self.require(actor, &[CallerRole::Provider, CallerRole::DataOfficer]).await
        {
            case_ref.zeroize();
            return Err(denied);
        }
        let key = reference(&case_ref).map(|own| self.case_key(actor, own));
        case_ref.zeroize();
        let found = match key {
            Ok(key) => {
                let mut tx = self.store.read(Rights::Figures).await?;
                cases::find(&mut tx, &actor.partner, &key).await?
            }
            Err(rule) => {
                let refused = Refused::invalid("case_ref", rule.sentence());
                return Err(self.refuse_malformed(actor, refused).await);
            }
        };
        match found.filter(|case| case.state != cases::STAGED) {
            Some(case) => Ok(case),
            None => Err(self.refuse_malformed(actor, Refused::not_found()).await),
        }
    }

    fn case_key(&self, actor: &Actor, own: &str) -> [u8; 16] {
        let kind = IdentifierKind::RightsCase { partner: &actor.partner };
        let raw = RawIdentifier::new(own.to_owned());
        *raw.pseudonymise(kind, &self.keys().pseudonymiser).as_bytes()
    }

    pub(super) fn case_leaf(
        &self,
        actor: &Actor,
        kind: LeafKind,
        snapshot: &Snapshot,
        case: &Case,
    ) -> Leaf {
        let mut leaf = actor.leaf(kind, self);
        let choice = Choice::from_number(case.choice);
        leaf.notes.cause = choice.and_then(|choice| choice.code().parse().ok());
        leaf.notes.document = statement(case).map(|text| digest(&text));
        leaf.notes.policy_epoch = Some(snapshot.epoch());
        leaf
    }

    /// Reads and keys what the caller states; the texts are wiped.
    fn read_case(
        &self,
        actor: &Actor,
        mut new: NewCase,
    ) -> Result<Result<Wanted, Refused>, GatewayError> {
        let invalid = |field: &str, rule: Rule| Refused::invalid(field, rule.sentence());
        let read = || -> Result<([u8; 16], Choice, ConsentGiver, Date), Refused> {
            let own = reference(&new.case_ref).map_err(|rule| invalid("case_ref", rule))?;
            let choice = new.choice.ok_or_else(|| invalid("kind", Rule::Missing))?;
            let given_by = new.given_by.ok_or_else(|| invalid("given_by", Rule::Missing))?;
            let day =
                parse_date(&new.requested_on).map_err(|rule| invalid("requested_on", rule))?;
            if day > self.today() {
                return Err(invalid("requested_on", Rule::DateInFuture));
            }
            Ok((self.case_key(actor, own), choice, given_by, day))
        };
        let read = read();
        let (key, choice, given_by, requested_on) = match read {
            Ok(read) => read,
            Err(refused) => return Ok(Err(refused)),
        };
        let subject = match new.subject.take() {
            None => return Ok(Err(invalid("subject", Rule::Missing))),
            Some(subject) => subject,
        };
        let by_record = matches!(subject, CaseSubject::Record { .. });
        if by_record && !actor.may_be(CallerRole::Provider) {
            return Ok(Err(Refused::invalid(
                "record",
                "data officers have no records of their own",
            )));
        }
        if choice == Choice::Rectification && !by_record {
            return Ok(Err(Refused::invalid("record", "a rectification names the wrong record")));
        }
        let subject = match self.key_subject(&actor.partner, subject)? {
            Ok(subject) => subject,
            Err(refused) => return Ok(Err(refused)),
        };
        let wish = subject.digest(&self.keys())?;
        Ok(Ok(Wanted { key, choice, given_by, requested_on, wish, subject }))
    }

    /// The answer to a call that was made before.
    async fn open_before(
        &self,
        actor: &Actor,
        snapshot: &Snapshot,
        wanted: &Wanted,
    ) -> Result<Option<Logged<CaseAnswer>>, Denied> {
        let mut tx = self.store.read(Rights::Figures).await?;
        let found = cases::find(&mut tx, &actor.partner, &wanted.key).await?;
        drop(tx);
        let Some(case) = found.filter(|case| case.state != cases::STAGED) else { return Ok(None) };
        let same = case.choice == wanted.choice.number()
            && case.given_by == giver_number(wanted.given_by)
            && case.requested_on == epoch_day(wanted.requested_on)
            && case.wish == wanted.wish;
        if case.state == cases::ACTIVE && same {
            return self.look_at_case(actor, snapshot, &case).await.map(Some);
        }
        let sentence = "this reference stands for another case of yours, or for one that has ended";
        let refused = Refused::new(RefusalKind::Conflict, "case_differs", sentence);
        Err(self.refuse_malformed(actor, refused).await)
    }

    /// Stages a case with everything that hangs on it.
    async fn stage_case(
        &self,
        actor: &Actor,
        snapshot: &Snapshot,
        keys: &KeysInUse,
        wanted: &mut Wanted,
    ) -> Result<Result<(i64, Case), Refused>, GatewayError> {
        let mut tx = self.store.transact(Rights::Intake).await?;
        subjects::link_alone(&mut tx).await?;
        if key_versions::number(&mut tx).await? != keys.number() {
            return Err(GatewayError::KeysBehind);
        }
        let choice = wanted.choice;
        let alone = !choice.is_of_the_subject();
        let subject = &mut wanted.subject;
        let known = self.look_up(&mut tx, keys, &actor.partner, subject, alone).await?;
        let Some(known) = known else {
            return Ok(Err(Refused::invalid("record_id", "a record that you have sent")));
        };
        let today = epoch_day(self.today());
        let about = (choice, &actor.partner);
        let stopped = self.stopped(&mut tx, keys, snapshot, about, today, &known).await?;
        let longest = flows_in_force(snapshot).map(|(document, ..)| document.rights.propagate_days);
        let mut nonce = [0; 16];
        self.rng().fill_bytes(&mut nonce);
        let mut case = Case {
            id: 0,
            partner: actor.partner.clone(),
            key: wanted.key,
            choice: choice.number(),
            given_by: giver_number(wanted.given_by),
            requested_on: epoch_day(wanted.requested_on),
            state: cases::STAGED,
            opened_at: 0,
            ended_at: 0,
            due_day: today + longest.max().map_or(USUAL_DAYS, i32::from),
            nonce,
            wish: wanted.wish,
        };
        let tokens: Vec<[u8; 16]> = known.tokens.into_iter().collect();
        case.id = cases::stage(&mut tx, &case, &tokens, &stopped, self.now()).await?;
        tx.commit().await?;
        Ok(Ok((case.id, case)))
    }
}
