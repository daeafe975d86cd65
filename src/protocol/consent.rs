//! Whether a consent stands, and whether it covers a use: one pure rule, which intake, the
//! release pass and every question about the past share.
//!
//! **Who speaks.** Statements are made under the sender's reference by givers: the subject, a
//! parent, a carer. Givers whom the sender tells apart by a reference of their own are voices of
//! their own; those without one are one voice a kind. Of one voice the statement of the latest
//! day stands, and of one day the no.
//!
//! **What stands.** While any voice has a standing refusal or withdrawal there is no consent,
//! whoever else has given it: where parents differ, refusal prevails. A subject's own word is
//! recorded only of one who is of age to give it (the sender answers for that), and takes the
//! place of what others said on earlier days; what they say afterwards stands beside it. A
//! withdrawal by nobody in particular takes the place of everybody's earlier word, until
//! somebody speaks on a later day. What nobody recorded is treated as refused.
//!
//! **What it covers.** A given consent counts for a flow if it names the flow's record type, or
//! none, and every purpose that the protocol's outputs make of the flow, or none; until its own
//! last day; and no longer than the flow's `consent_max_age_days`.

use super::permit::{ConsentEvidence, ConsentState};
use super::refusal::Reason;
use super::vocabulary::{ConsentRule, Purpose, closed, numbered};
use crate::domain::RecordType;
use crate::domain::time::date_of;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

closed! {
    /// What was recorded of a consent.
    pub enum ConsentRecord {
        Given = "given", "given";
        Refused = "refused", "refused";
        Withdrawn = "withdrawn", "withdrawn";
        Expired = "expired", "run out";
    }
}

closed! {
    /// Who gave or refused a consent.
    pub enum ConsentGiver {
        Subject = "subject", "the subject";
        Parent = "parent", "a parent with parental responsibility";
        Carer = "carer", "a carer with parental responsibility";
    }
}

closed! {
    /// How a consent was obtained. By conduct, silence or a box ticked beforehand is none (UK GDPR
    /// art 4(11)), so there is no word for it.
    pub enum ConsentMeans {
        InWriting = "in_writing", "in writing";
        Online = "online", "online";
        VerballyNoted = "verbally_noted", "by word of mouth, noted at once";
    }
}

numbered!(ConsentRecord { Given = 1, Refused = 2, Withdrawn = 3, Expired = 4, });
numbered!(ConsentGiver { Subject = 1, Parent = 2, Carer = 3, });
numbered!(ConsentMeans { InWriting = 1, Online = 2, VerballyNoted = 3, });

impl ConsentRecord {
    /// Whether it stands against everybody's yes.
    #[must_use]
    pub const fn is_no(self) -> bool {
        matches!(self, Self::Refused | Self::Withdrawn)
    }

    /// Which of two words of one day stands: the less that it permits.
    const fn severity(self) -> u8 {
        match self {
            Self::Given => 0,
            Self::Expired => 1,
            Self::Refused => 2,
            Self::Withdrawn => 3,
        }
    }
}

/// What a given consent covers.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// For which purposes; none named: whatever the sender's protocols share the data for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purposes: Vec<Purpose>,
    /// Which record types; none named: all that the sender sends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub record_types: Vec<RecordType>,
    /// Its last day, days since 1970-01-01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i32>,
}

impl Coverage {
    fn covers(&self, terms: &ConsentTerms) -> bool {
        let types = &self.record_types;
        let purposes = &self.purposes;
        (types.is_empty() || types.contains(&terms.record_type))
            && (purposes.is_empty() || terms.purposes.iter().all(|p| purposes.contains(p)))
    }

    fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

/// What one giver said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its place in the order in which statements became known.
    pub number: i64,
    /// Which giver of the reference; 0 for one whom the sender did not tell apart.
    pub giver: i64,
    /// What the giver is; `None` where nobody was named.
    pub given_by: Option<ConsentGiver>,
    /// What was said.
    pub state: ConsentRecord,
    /// On which day, days since 1970-01-01.
    pub stated_on: i32,
    /// What it covers.
    pub coverage: Coverage,
}

/// A giver's consent that stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Given {
    /// The day it was given, days since 1970-01-01.
    pub since: i32,
    /// What it covers; no other word is read beside its own.
    #[serde(flatten)]
    pub coverage: Coverage,
}

/// What all statements under one reference come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedConsent {
    /// The state; of a given one, before asking what it covers and until when.
    pub state: ConsentRecord,
    /// The day of the word that decides, days since 1970-01-01.
    pub day: i32,
    /// The consents that stand, in order; empty stands for one that was given on `day`, covers
    /// everything and has no end.
    pub given: Vec<Given>,
}

/// The statements that stand: one a voice, in the order of the voices.
#[must_use]
pub fn standing(statements: &[Statement]) -> Vec<&Statement> {
    let mut voices: BTreeMap<(i64, Option<ConsentGiver>), &Statement> = BTreeMap::new();
    let rank = |s: &Statement| (s.stated_on, s.state.severity(), s.number);
    for statement in statements {
        let named = statement.giver != 0;
        let voice = (statement.giver, statement.given_by.filter(|_| !named));
        let held = voices.entry(voice).or_insert(statement);
        if rank(statement) > rank(held) {
            *held = statement;
        }
    }
    let speaks_for_all = |s: &Statement| matches!(s.given_by, None | Some(ConsentGiver::Subject));
    let closing = statements.iter().filter(|s| speaks_for_all(s)).map(|s| s.stated_on).max();
    let latest = voices.values().map(|s| s.stated_on).max();
    let stands = |s: &&Statement| {
        closing.is_none_or(|day| s.stated_on >= day)
            // Nobody's word holds until somebody speaks.
            && (s.given_by.is_some() || Some(s.stated_on) == latest)
    };
    voices.into_values().filter(stands).collect()
}

impl RecordedConsent {
    /// What statements come to; `None` where there is none.
    #[must_use]
    pub fn of(statements: &[Statement]) -> Option<Self> {
        let standing = standing(statements);
        let rank = |s: &&&Statement| {
            let decides = match s.state {
                ConsentRecord::Expired => 0,
                ConsentRecord::Given => 1,
                ConsentRecord::Refused => 2,
                ConsentRecord::Withdrawn => 3,
            };
            (decides, s.stated_on)
        };
        let (state, day) =
            standing.iter().max_by_key(rank).map(|decides| (decides.state, decides.stated_on))?;
        let mut given: Vec<Given> = Vec::new();
        if state == ConsentRecord::Given {
            let yes = standing.iter().filter(|s| s.state == ConsentRecord::Given);
            given =
                yes.map(|s| Given { since: s.stated_on, coverage: s.coverage.clone() }).collect();
            given.sort_unstable();
            given.dedup();
            if given.iter().any(|given| given.since == day && given.coverage.is_unlimited()) {
                given.clear();
            }
        }
        Some(Self { state, day, given })
    }

    /// What it is for a flow on a day: the freshest of the consents that cover it.
    #[must_use]
    pub fn evidence(&self, terms: &ConsentTerms, today: i32) -> ConsentEvidence {
        let given_on = date_of(self.day);
        let state = match self.state {
            ConsentRecord::Given => {
                return self.covering(terms, today);
            }
            ConsentRecord::Refused => ConsentState::Refused,
            ConsentRecord::Withdrawn => ConsentState::Withdrawn,
            ConsentRecord::Expired => ConsentState::Expired,
        };
        ConsentEvidence::Reference { state, given_on }
    }

    fn covering(&self, terms: &ConsentTerms, today: i32) -> ConsentEvidence {
        let plain = [Given { since: self.day, coverage: Coverage::default() }];
        let given = if self.given.is_empty() { &plain[..] } else { &self.given };
        let covering = || given.iter().filter(|given| given.coverage.covers(terms));
        let in_time = |given: &&Given| given.coverage.until.is_none_or(|until| today <= until);
        let (state, since) = match covering().filter(in_time).map(|given| given.since).max() {
            Some(since) => (ConsentState::Given, since),
            None if covering().next().is_some() => (ConsentState::Expired, self.day),
            None => (ConsentState::NotCovering, self.day),
        };
        ConsentEvidence::Reference { state, given_on: date_of(since) }
    }

    /// What it is on a day, whatever it is relied on for.
    #[must_use]
    pub fn state_on(&self, day: i32) -> ConsentRecord {
        let run_out = |given: &Given| given.coverage.until.is_some_and(|until| day > until);
        match self.state {
            ConsentRecord::Given if !self.given.is_empty() && self.given.iter().all(run_out) => {
                ConsentRecord::Expired
            }
            state => state,
        }
    }
}

/// What a flow asks of a consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentTerms {
    /// What is asked of the subject at all.
    pub rule: ConsentRule,
    /// The oldest consent that still counts, in days.
    pub max_age_days: Option<i32>,
    /// The flow's record type.
    pub record_type: RecordType,
    /// What the protocol's outputs use the flow for, in order.
    pub purposes: Vec<Purpose>,
}

impl ConsentTerms {
    /// Whether a record may be taken or counted on a day, as far as consent goes.
    ///
    /// # Errors
    /// The reason, and the flow's member that asks for it.
    pub fn admits(
        &self,
        evidence: ConsentEvidence,
        today: i32,
    ) -> Result<(), (Reason, &'static str)> {
        match self.rule {
            ConsentRule::Nothing | ConsentRule::Notice => return Ok(()),
            ConsentRule::Explicit => {}
        }
        let ConsentEvidence::Reference { state, given_on } = evidence else {
            return Err((Reason::ConsentMissing, "consent"));
        };
        match state {
            ConsentState::Declared | ConsentState::Given => {}
            ConsentState::NotCovering => return Err((Reason::ConsentNotCovering, "consent")),
            ConsentState::Refused
            | ConsentState::Withdrawn
            | ConsentState::Expired
            | ConsentState::Unknown => return Err((Reason::ConsentNotGiven, "consent")),
        }
        let Some(most) = self.max_age_days else { return Ok(()) };
        // Where its age matters, a consent of unknown age does not count.
        let age = given_on.map(|day| today.saturating_sub(crate::domain::time::epoch_day(day)));
        if age.is_some_and(|age| age <= most) {
            Ok(())
        } else {
            Err((Reason::ConsentNotGiven, "consent_max_age_days"))
        }
    }

    /// Whether a consent that is recorded, or not, counts for the flow on a day.
    #[must_use]
    pub fn counts(&self, recorded: Option<&RecordedConsent>, today: i32) -> bool {
        let unknown = ConsentEvidence::Reference { state: ConsentState::Unknown, given_on: None };
        let evidence = recorded.map_or(unknown, |recorded| recorded.evidence(self, today));
        self.admits(evidence, today).is_ok()
    }
}
