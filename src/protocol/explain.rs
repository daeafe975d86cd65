//! Decisions in words: the same decision, told to people who ask "may we?" before they send or look.
//!
//! Only the words of signed documents and of the question's own closed vocabularies are used: an explanation
//! repeats nothing that is not an id or a code.

use std::fmt;

use super::decision::{FigureQuestion, IntakeQuestion};
use super::permit::{RecordFacts, Whereabouts};
use super::policy::Policy;
use super::refusal::Refusal;
use crate::domain::RecordType;

/// A question, its answer, and because of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    question: String,
    answer: Result<String, Refusal>,
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
                write!(f, "{} No: {}", self.question, refusal.reason().words())?;
                match refusal.clause() {
                    Some(clause) => write!(f, " ({}; {clause})", refusal.reason()),
                    None => write!(f, " ({})", refusal.reason()),
                }
            }
        }
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
        Explanation { question: words, answer }
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
        Explanation { question: words, answer }
    }
}
