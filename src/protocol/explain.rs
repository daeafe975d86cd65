//! Decisions in words: the same decision, told to people who ask "may we?" before they send or look.
//!
//! Only the words of signed documents and of the question's own closed vocabularies are used: an explanation
//! repeats nothing that is not an id or a code.
//!
//! A question may be about a day to come, of which the documents tell by their terms as they are signed now,
//! or about one gone by. Then, too, suspensions, revocations and amendments are taken as they stand now:
//! when each was made is in the access log. The answer says so.

use std::fmt;

use jiff::civil::Date;

use super::decision::{FigureQuestion, IntakeQuestion};
use super::document::ProtocolVersion;
use super::permit::{ConsentEvidence, ConsentState, IntakePermit, RecordFacts, Whereabouts};
use super::policy::{Policy, Tense};
use super::refusal::{Reason, Refusal};
use super::vocabulary::CallerRole;
use crate::domain::{AreaCode, Lsoa, PartnerId, ProtocolId, RecordType};

/// May this party send this field, about people who live here, on that day?
#[derive(Clone, Copy, Debug)]
pub struct SendingQuestion<'a> {
    /// The sending organisation.
    pub partner: &'a PartnerId,
    /// The protocol and version relied on; any that lists the feed when left out.
    pub protocol: Option<(&'a ProtocolId, ProtocolVersion)>,
    /// The record type, as the caller wrote it.
    pub record_type: &'a str,
    /// The fields, as the caller wrote them; the required ones go with them by themselves.
    pub fields: &'a [&'a str],
    /// Where the subjects live, and every LSOA of that place.
    pub area: Option<(&'a AreaCode, &'a [Lsoa])>,
    /// The day, in Europe/London.
    pub day: Date,
    /// Today, in Europe/London.
    pub today: Date,
}

impl SendingQuestion<'_> {
    /// What an answer about another day rests on.
    fn caveat(&self) -> &'static str {
        match self.tense() {
            Tense::Past => {
                " Suspensions, revocations and amendments are taken as they stand today; the access \
                 log has their times."
            }
            Tense::Present if self.day > self.today => " As the documents stand today.",
            Tense::Present => "",
        }
    }
}

/// A reason within a sentence.
fn plain(reason: Reason) -> String {
    let words = reason.words().trim_end_matches('.');
    let mut letters = words.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// A question, its answer, and because of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    question: String,
    answer: Result<String, Refusal>,
    /// Why not, with days and numbers; else the reason's own words.
    because: String,
}

impl Explanation {
    /// The question in words.
    #[must_use]
    pub fn question(&self) -> &str {
        &self.question
    }

    /// The clause and legal basis that permit, in words; or the refusal.
    ///
    /// # Errors
    /// The refusal, when the answer is no.
    pub fn answer(&self) -> Result<&str, &Refusal> {
        self.answer.as_deref()
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.answer {
            Ok(because) => write!(f, "{} Yes: {because}", self.question),
            Err(refusal) => {
                let because = &*self.because;
                let because = if because.is_empty() { refusal.reason().words() } else { because };
                write!(f, "{} No: {because}", self.question)?;
                match refusal.clause() {
                    Some(clause) => write!(f, " ({}; {clause})", refusal.reason()),
                    None => write!(f, " ({})", refusal.reason()),
                }
            }
        }
    }
}

impl SendingQuestion<'_> {
    fn tense(&self) -> Tense {
        if self.day < self.today { Tense::Past } else { Tense::Present }
    }

    /// The question in words. A field that the record type does not have is not repeated.
    fn words(&self) -> String {
        let record_type = self.record_type.parse::<RecordType>();
        let name = record_type.map_or("records of an unknown type", RecordType::name);
        let listed = |field: &&str| {
            let known = record_type.is_ok_and(|known| known.definition().field(field).is_some());
            let field = if known { field } else { "a field that it does not have" };
            if known { format!("{name}.{field}") } else { format!("{name} with {field}") }
        };
        let what: Vec<String> = match self.fields {
            [] => vec![name.to_owned()],
            fields => fields.iter().map(listed).collect(),
        };
        let place = self.area.map(|(area, _)| format!(" about {area}")).unwrap_or_default();
        let under = self.protocol.map(|(id, version)| format!(" under {id} version {version}"));
        let day = if self.day == self.today { "today, " } else { "on " };
        format!(
            "May {} send {}{place}{} {day}{}?",
            self.partner,
            what.join(", "),
            under.unwrap_or_default(),
            self.day
        )
    }
}

impl Policy {
    /// May this party send these fields, and if `record` is given, about such a record?
    #[must_use]
    pub fn explain_intake(
        &self,
        question: &IntakeQuestion<'_>,
        record: Option<&RecordFacts>,
    ) -> Explanation {
        let what = question.record_type.parse::<RecordType>();
        let what = what.map_or("records of an unknown type", RecordType::name);
        let place = match record.map(|record| record.place) {
            Some(Whereabouts::Lsoa(lsoa)) => format!(" about {lsoa}"),
            Some(Whereabouts::NotFound) => " about an unknown place".to_owned(),
            Some(Whereabouts::NotStated) | None => String::new(),
        };
        let words = format!(
            "May {} send {what}{place} under {} version {} on {}?",
            question.partner, question.protocol, question.version, question.today
        );
        let answer = self.authorise_intake(question).and_then(|permit| {
            record.map_or(Ok(()), |record| permit.admits(record))?;
            Ok(format!(
                "{} permits it for {}, on the basis of {}; {}.",
                permit.clause(),
                permit.purpose().words(),
                permit.legal_basis().gateway.words(),
                permit.consent_rule().words()
            ))
        });
        Explanation { question: words, answer, because: String::new() }
    }

    /// May this party send these fields, about people who live here, on that day? Every protocol that could
    /// allow it is asked by the decision itself; the first that does answers, with its permit (for nothing
    /// but to be looked at), or else the one that came furthest.
    #[must_use]
    pub fn explain_sending(
        &self,
        asked: &SendingQuestion<'_>,
    ) -> (Explanation, Option<IntakePermit>) {
        let mut nearest: Option<Refusal> = None;
        for (id, version) in self.could_allow(asked) {
            match self.try_sending(asked, &id, version) {
                Ok(permit) => {
                    let answer = Ok(self.granted_words(&permit, asked));
                    let (question, because) = (asked.words(), String::new());
                    return (Explanation { question, answer, because }, Some(permit));
                }
                // Reasons are declared in the order in which the decision comes to them.
                Err(refusal) => {
                    if nearest.as_ref().is_none_or(|held| refusal.reason() >= held.reason()) {
                        nearest = Some(refusal);
                    }
                }
            }
        }
        let known = asked.record_type.parse::<RecordType>().is_ok();
        let none = if known { Reason::FlowNotGranted } else { Reason::UnknownRecordType };
        let refusal = nearest.unwrap_or_else(|| Refusal::bare(none));
        let because = self.because(&refusal, asked);
        (Explanation { question: asked.words(), answer: Err(refusal), because }, None)
    }

    /// The versions to ask: the one named, or all that list the feed.
    fn could_allow(&self, asked: &SendingQuestion<'_>) -> Vec<(ProtocolId, ProtocolVersion)> {
        if let Some((id, version)) = asked.protocol {
            return vec![(id.clone(), version)];
        }
        let Ok(record_type) = asked.record_type.parse() else { return Vec::new() };
        let flows = self.sending(record_type).iter();
        let own = flows.filter(|(protocol, place)| protocol.flows[*place].from == *asked.partner);
        own.map(|(protocol, _)| (protocol.id.clone(), protocol.version)).collect()
    }

    fn try_sending(
        &self,
        asked: &SendingQuestion<'_>,
        id: &ProtocolId,
        version: ProtocolVersion,
    ) -> Result<IntakePermit, Refusal> {
        // One field alone is never sent: the flow's required ones go with it.
        let mut columns: Vec<&str> = asked.fields.to_vec();
        let found = self.readable(id, version);
        let flows = found.iter().flat_map(|protocol| protocol.flows.iter());
        let own = flows.filter(|flow| {
            flow.from == *asked.partner && flow.record_type.name() == asked.record_type
        });
        let required = own.flat_map(|flow| flow.fields.iter()).filter(|field| field.required);
        columns.extend(required.map(|field| field.name));
        let question = IntakeQuestion {
            partner: asked.partner,
            role: CallerRole::Provider,
            protocol: id,
            version,
            record_type: asked.record_type,
            columns: &columns,
            today: asked.day,
        };
        let permit = self.authorise_intake_in(&question, asked.tense())?;
        for lsoa in asked.area.map_or(&[][..], |(_, lsoas)| lsoas) {
            // An event of that very day, extracted and sent on it, with consent.
            let given_on = Some(asked.day);
            permit.admits(&RecordFacts {
                place: Whereabouts::Lsoa(*lsoa),
                event_date: asked.day,
                extracted_at: asked.day,
                consent: ConsentEvidence::Reference { state: ConsentState::Given, given_on },
            })?;
        }
        Ok(permit)
    }

    fn granted_words(&self, permit: &IntakePermit, asked: &SendingQuestion<'_>) -> String {
        let until = self.readable(permit.protocol(), permit.version()).map(|p| p.expires);
        let flow = permit.clause().flow().unwrap_or_default();
        format!(
            "flow {flow} lists it until {}, for {}, on the basis of {}; {} ({}).{}",
            until.map(|day| day.to_string()).unwrap_or_default(),
            permit.purpose().words(),
            permit.legal_basis().gateway.words(),
            permit.consent_rule().words(),
            permit.clause(),
            asked.caveat(),
        )
    }

    /// Why not, with the document's own days and numbers.
    fn because(&self, refusal: &Refusal, asked: &SendingQuestion<'_>) -> String {
        let clause = refusal.clause();
        let protocol = clause.and_then(|clause| self.readable(clause.protocol(), clause.version()));
        let Some((clause, protocol)) = clause.zip(protocol) else {
            return match refusal.reason() {
                Reason::FlowNotGranted => {
                    format!("no protocol lets {} send this record type", asked.partner)
                }
                reason => plain(reason),
            };
        };
        let place = clause.flow().or_else(|| {
            protocol.flows.iter().position(|flow| {
                flow.from == *asked.partner && flow.record_type.name() == asked.record_type
            })
        });
        let flow = place.map_or_else(|| "the protocol".to_owned(), |flow| format!("flow {flow}"));
        match refusal.reason() {
            Reason::ProtocolExpired => format!("{flow} ended {}", protocol.expires),
            Reason::ProtocolNotYetEffective => format!("{flow} begins {}", protocol.effective),
            Reason::ProtocolSuperseded => match self.newest(&protocol.id) {
                Some(newest) if newest > protocol.version => {
                    format!("version {newest} has replaced it")
                }
                _ => plain(Reason::ProtocolSuperseded),
            },
            Reason::ProtocolSuspended => format!("{flow} is suspended"),
            Reason::ProtocolRevoked => format!("{flow} has been revoked"),
            Reason::FlowNotGranted => {
                format!("it has no flow of this record type from {}", asked.partner)
            }
            Reason::FieldNotListed => format!("{flow} does not list the field"),
            Reason::AreaNotCovered => match asked.area {
                Some((area, [_])) => format!("{flow} does not cover {area}"),
                Some((area, _)) => format!("{flow} does not cover all of {area}"),
                None => plain(Reason::AreaNotCovered),
            },
            reason => plain(reason),
        }
    }

    /// May this caller see this figure?
    #[must_use]
    pub fn explain_figure(&self, question: &FigureQuestion<'_>) -> Explanation {
        let words = format!(
            "May {} as {} see {} of {} on {}?",
            question.partner,
            question.role.words(),
            question.table,
            question.area,
            question.today
        );
        let answer = self.authorise_figure(question).map(|permit| {
            format!("{} permits it for {}.", permit.clause(), permit.purpose().words())
        });
        Explanation { question: words, answer, because: String::new() }
    }
}
