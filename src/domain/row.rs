//! One row of values against its record type's definition: the same check on the partner's
//! machine, in a dry run and at intake.
//!
//! Why it exists: a row that the connector calls well-formed must never be refused by the
//! gateway for its form, so there is one checker. It borrows the row's values, allocates for
//! payload values only, and works on nothing but the definition: a new record type needs no
//! line here.
//!
//! Invariants: a violation names a field and a rule, never the value; what borrows an
//! identity has no Debug; a value counts as absent when nothing but white space is in it.

mod checked;
mod reading;
mod rules;

pub use checked::{CheckedIdentifier, CheckedRow, Content, Identity, Sex};

use super::{
    event::Role,
    field::{FieldKind, Rule, Value, parse_date},
    identifier::{self, Scheme},
    place::canonical_postcode,
    record::{About, ENVELOPE, FieldDefinition, RecordDefinition, RecordType},
};
use jiff::civil::Date;
use reading::Reading;
use rules::BetweenFields;

/// The longest name, in characters.
pub const NAME_MAX: usize = 100;

const RECORD_ID: &str = ENVELOPE[0];
const OPERATION: &str = ENVELOPE[1];
const EXTRACTED_AT: &str = ENVELOPE[2];
const EVENT_DATE: &str = ENVELOPE[3];
const CONSENT_REF: &str = ENVELOPE[4];
const SUPERSEDES: &str = ENVELOPE[5];

/// A rule that a row broke, and where. Never holds the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Violation {
    /// The column, or empty when the row as a whole is at fault.
    pub field: &'static str,
    /// The rule.
    pub rule: Rule,
}

/// Columns that can't carry the record type. Holds the position of a column that is not
/// known and never its heading: where the first line of a file is a record and not a
/// heading, that text is a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A column that is no field of the record type.
    #[error(
        "column {position} is no field of {record_type}: correct its heading, leave the column out, or \
         map it (push --suggest-map)"
    )]
    UnknownColumn {
        /// Its place, from 1 on.
        position: usize,
        /// The type asked for.
        record_type: RecordType,
    },
    /// A column that is there twice.
    #[error("the column {name} is there twice: leave one out")]
    DuplicateColumn {
        /// Its name.
        name: &'static str,
    },
    /// A column without which no row can be well-formed.
    #[error("the column {name} is missing: {record_type} requires it")]
    MissingColumn {
        /// Its name.
        name: &'static str,
        /// The type asked for.
        record_type: RecordType,
    },
}

/// Where each field of a record type stands in a row: made once a stream or file.
#[derive(Debug)]
pub struct RowLayout {
    definition: &'static RecordDefinition,
    /// The columns' names, in their order.
    names: Vec<&'static str>,
    record_id: usize,
    extracted_at: usize,
    operation: Option<usize>,
    event_date: Option<usize>,
    consent_ref: Option<usize>,
    supersedes: Option<usize>,
    identity: Vec<(usize, &'static FieldDefinition)>,
    /// By field number, ascending, as an event keeps them.
    payload: Vec<(usize, u8, &'static FieldDefinition)>,
    /// Required, but absent: only rows that withdraw can be well-formed.
    absent: Vec<&'static str>,
    rules: Vec<BetweenFields>,
}

impl RowLayout {
    /// The layout of rows with these columns. Column order is free.
    ///
    /// Columns that only records to be kept need may be absent where all the columns are the
    /// envelope's and `operation` is among them: a list of withdrawals.
    ///
    /// # Errors
    /// Says which column is at fault.
    pub fn new(record_type: RecordType, columns: &[impl AsRef<str>]) -> Result<Self, LayoutError> {
        let definition = record_type.definition();
        let mut envelope = [None; ENVELOPE.len()];
        let (mut identity, mut payload) = (Vec::new(), Vec::new());
        let mut names = Vec::with_capacity(columns.len());
        for (at, column) in columns.iter().enumerate() {
            let name = column.as_ref();
            let (name, twice) = if let Some(i) = ENVELOPE.iter().position(|e| *e == name) {
                (ENVELOPE[i], envelope[i].replace(at).is_some())
            } else if let Some(field) = definition.identity.iter().find(|f| f.name == name) {
                let twice = identity.iter().any(|(_, f): &(_, &FieldDefinition)| f.name == name);
                identity.push((at, field));
                (field.name, twice)
            } else if let Some(field) = definition.payload.iter().find(|f| f.name == name) {
                let number = definition.number(name);
                let twice = payload.iter().any(|(_, n, _)| *n == number);
                payload.push((at, number, field));
                (field.name, twice)
            } else {
                return Err(LayoutError::UnknownColumn { position: at + 1, record_type });
            };
            if twice {
                return Err(LayoutError::DuplicateColumn { name });
            }
            names.push(name);
        }
        payload.sort_unstable_by_key(|(_, number, _)| *number);
        let [record_id, operation, extracted_at, event_date, consent_ref, supersedes] = envelope;
        let missing = |name| LayoutError::MissingColumn { name, record_type };
        let present = |name: &str| columns.iter().any(|c| c.as_ref() == name);
        let required = definition.fields().filter(|f| f.required).map(|f| f.name);
        let named = definition.statement.then_some(CONSENT_REF);
        let always = std::iter::once(EVENT_DATE).chain(named);
        let absent: Vec<_> = always.chain(required).filter(|name| !present(name)).collect();
        let withdrawals = operation.is_some()
            && identity.is_empty()
            && payload.is_empty()
            && !definition.statement;
        if let (Some(name), false) = (absent.first(), withdrawals) {
            return Err(missing(name));
        }
        Ok(Self {
            definition,
            names,
            record_id: record_id.ok_or(missing(RECORD_ID))?,
            extracted_at: extracted_at.ok_or(missing(EXTRACTED_AT))?,
            operation,
            event_date,
            consent_ref,
            supersedes,
            identity,
            payload,
            absent,
            rules: definition
                .rules
                .iter()
                .map(|rule| BetweenFields::of(definition, rule))
                .collect(),
        })
    }

    /// The record type.
    #[must_use]
    pub const fn record_type(&self) -> RecordType {
        self.definition.record_type
    }

    /// How many values a row has.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.names.len()
    }

    /// Checks one row on the day `today`.
    ///
    /// # Errors
    /// Every rule that the row breaks: at least one, at most a few a field.
    pub fn check<'a, S: AsRef<str>>(
        &self,
        values: &'a [S],
        today: Date,
    ) -> Result<CheckedRow<'a>, Vec<Violation>> {
        self.check_as(values, today, false)
    }

    /// Checks one row of a blinded stream: what identifies must be empty, and the rest keeps the
    /// same rules. What it gives of persons are dates of birth, sexes and LSOAs; ids and
    /// references are left to what came blinded.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_blinded<'a, S: AsRef<str>>(
        &self,
        values: &'a [S],
        today: Date,
    ) -> Result<CheckedRow<'a>, Vec<Violation>> {
        self.check_as(values, today, true)
    }

    fn check_as<'a, S: AsRef<str>>(
        &self,
        values: &'a [S],
        today: Date,
        blinded: bool,
    ) -> Result<CheckedRow<'a>, Vec<Violation>> {
        if values.len() != self.width() {
            return Err(vec![Violation { field: "", rule: Rule::RowShape }]);
        }
        let broken = self.names.iter().zip(values).filter(|(_, text)| is_error(text.as_ref()));
        let broken = broken.map(|(field, _)| Violation { field, rule: Rule::FormulaError });
        let broken: Vec<_> = broken.collect();
        if !broken.is_empty() {
            // What the cells would have said is not known: no other rule is asked.
            return Err(broken);
        }
        let mut reading = Reading { values, today, blinded, violations: Vec::new() };
        let record_id = if reading.hides(RECORD_ID, self.record_id) {
            Some("")
        } else {
            reading.required(RECORD_ID, self.record_id, |text| reference(text, today))
        };
        let withdraw = reading.optional(OPERATION, self.operation, |text| match text {
            "upsert" => Ok(false),
            "withdraw" => Ok(true),
            _ => Err(Rule::Operation),
        });
        let extracted_at = reading.required(EXTRACTED_AT, self.extracted_at, |text| {
            past_date(text, today)
                .map_err(|rule| if rule == Rule::DateForm { Rule::TimestampForm } else { rule })
        });
        let shown = self.consent_ref.filter(|at| !reading.hides(CONSENT_REF, *at));
        let consent_ref = reading.optional(CONSENT_REF, shown, |text| reference(text, today));
        let shown = self.supersedes.filter(|at| !reading.hides(SUPERSEDES, *at));
        let supersedes = reading.optional(SUPERSEDES, shown, |text| reference(text, today));
        if supersedes.is_some() && (withdraw == Some(true) || supersedes == record_id) {
            reading.note(SUPERSEDES, Rule::Supersedes);
        }
        if self.definition.statement {
            self.check_statement(&mut reading, withdraw, supersedes.is_some());
        }
        let content = if withdraw == Some(true) {
            None
        } else {
            self.read_content(&mut reading, extracted_at)
        };
        match (record_id, extracted_at) {
            (Some(record_id), Some(extracted_at)) if reading.violations.is_empty() => {
                Ok(CheckedRow { record_id, extracted_at, consent_ref, supersedes, content })
            }
            _ => Err(reading.violations),
        }
    }

    /// What is said of a consent names it, and stays said.
    fn check_statement<S: AsRef<str>>(
        &self,
        reading: &mut Reading<'_, S>,
        withdraw: Option<bool>,
        supersedes: bool,
    ) {
        if self.consent_ref.is_some_and(|at| reading.text(at).is_empty()) {
            reading.note(CONSENT_REF, Rule::Missing);
        }
        if withdraw == Some(true) {
            reading.note(OPERATION, Rule::StatementStays);
        }
        if supersedes {
            reading.note(SUPERSEDES, Rule::StatementStays);
        }
    }

    /// `None` only where a violation was noted.
    fn read_content<'a, S: AsRef<str>>(
        &self,
        reading: &mut Reading<'a, S>,
        extracted_at: Option<Date>,
    ) -> Option<Content<'a>> {
        let today = reading.today;
        for field in &self.absent {
            reading.note(field, Rule::Missing);
        }
        let event_date =
            reading.required(EVENT_DATE, self.event_date?, |text| past_date(text, today));
        if let (Some(extracted), Some(event)) = (extracted_at, event_date)
            && extracted < event
        {
            reading.note(EXTRACTED_AT, Rule::ExtractedBeforeEvent);
        }
        let (principal, others) = self.read_identities(reading);
        if let (true, Some(event), Some(birth)) =
            (self.definition.event_is_birth, event_date, principal.date_of_birth)
            && event != birth
        {
            reading.note(EVENT_DATE, Rule::EventIsBirth);
        }
        let mut references = Vec::new();
        let values = self.read_payload(reading, &mut references);
        Some(Content { event_date: event_date?, principal, others, values, references })
    }

    fn read_identities<'a, S: AsRef<str>>(
        &self,
        reading: &mut Reading<'a, S>,
    ) -> (Identity<'a>, Vec<(Role, Identity<'a>)>) {
        let before = reading.violations.len();
        let mut principal = Identity::default();
        let mut others: Vec<(Role, Identity<'a>)> = Vec::new();
        for (at, field) in &self.identity {
            if field.kind.identifies() && reading.hides(field.name, *at) {
                continue;
            }
            let text = reading.text(*at);
            if text.is_empty() {
                if field.required {
                    reading.note(field.name, Rule::Missing);
                }
                continue;
            }
            let into = if field.role == Role::Principal {
                &mut principal
            } else {
                let known = others.iter().position(|(role, _)| *role == field.role);
                let place = known.unwrap_or_else(|| {
                    others.push((field.role, Identity::default()));
                    others.len() - 1
                });
                &mut others[place].1
            };
            if let Err(rule) = read_identity(field.kind, text, reading.today, into) {
                reading.note(field.name, rule);
            }
        }
        // A value that was refused may have been the one that tells who.
        let somebody = self.definition.about != About::Nobody && !reading.blinded;
        if somebody && reading.violations.len() == before && !principal.tells_who() {
            reading.note("", Rule::NoIdentity);
        }
        (principal, others)
    }

    fn read_payload<'a, S: AsRef<str>>(
        &self,
        reading: &mut Reading<'a, S>,
        references: &mut Vec<(u8, &'a str)>,
    ) -> Vec<(u8, Value)> {
        let mut values = Vec::with_capacity(self.payload.len());
        for (at, number, field) in &self.payload {
            if field.kind.identifies() && reading.hides(field.name, *at) {
                continue;
            }
            let text = reading.text(*at);
            if text.is_empty() {
                if field.required {
                    reading.note(field.name, Rule::Missing);
                }
                continue;
            }
            match field.kind.parse_payload(text, reading.today) {
                Ok(Some(value)) => values.push((*number, value)),
                Ok(None) => {
                    if field.kind.is_handed_on() {
                        references.push((*number, text));
                    }
                }
                Err(rule) => reading.note(field.name, rule),
            }
        }
        for rule in &self.rules {
            if let Some((field, broken)) = rule.broken_by(&values) {
                reading.note(field, broken);
            }
        }
        values
    }
}

/// What spreadsheets write for a formula that came to nothing, in whichever file they export.
const ERRORS: [&str; 10] = [
    "#NULL!",
    "#DIV/0!",
    "#VALUE!",
    "#REF!",
    "#NAME?",
    "#NUM!",
    "#N/A",
    "#SPILL!",
    "#CALC!",
    "#GETTING_DATA",
];

/// Whether a value is such an error: as a name or a reference it would be somebody's.
fn is_error(text: &str) -> bool {
    text.trim_start().starts_with('#') && ERRORS.contains(&text.trim())
}

fn reference(text: &str, today: Date) -> Result<&str, Rule> {
    FieldKind::CaseReference.parse_payload(text, today).map(|_| text)
}

fn past_date(text: &str, today: Date) -> Result<Date, Rule> {
    let date = parse_date(text)?;
    if date > today { Err(Rule::DateInFuture) } else { Ok(date) }
}

/// Checks who somebody is, outside any record: a subject who asks what is held.
///
/// # Errors
/// The first column that no person has, or rule that is broken; the field is empty where the
/// values do not tell who it is.
pub fn check_person<'a, S: AsRef<str>>(
    columns: &[S],
    values: &'a [S],
    today: Date,
) -> Result<Identity<'a>, Violation> {
    let mut person = Identity::default();
    if columns.len() != values.len() {
        return Err(Violation { field: "", rule: Rule::RowShape });
    }
    for (column, value) in columns.iter().zip(values) {
        let fields = RecordType::FamilyCase.definition().identity;
        let field = fields.iter().find(|field| field.name == column.as_ref().trim());
        let field = field.ok_or(Violation { field: "", rule: Rule::RowShape })?;
        let text = value.as_ref().trim();
        if is_error(text) {
            return Err(Violation { field: field.name, rule: Rule::FormulaError });
        }
        if !text.is_empty() {
            read_identity(field.kind, text, today, &mut person)
                .map_err(|rule| Violation { field: field.name, rule })?;
        }
    }
    match person.tells_who() {
        true => Ok(person),
        false => Err(Violation { field: "", rule: Rule::NoIdentity }),
    }
}

fn name(text: &str) -> Result<&str, Rule> {
    let short = text.len() <= NAME_MAX || text.chars().count() <= NAME_MAX;
    if short && !text.chars().any(char::is_control) { Ok(text) } else { Err(Rule::NameForm) }
}

fn read_identity<'a>(
    kind: FieldKind,
    text: &'a str,
    today: Date,
    into: &mut Identity<'a>,
) -> Result<(), Rule> {
    match kind {
        FieldKind::Identifier(scheme) => {
            let linkable = identifier::check(scheme, text)?;
            let checked = Some(CheckedIdentifier { text, linkable });
            match scheme {
                Scheme::Nhs => into.nhs = checked,
                Scheme::Uln => into.uln = checked,
                Scheme::Upn => into.upn = checked,
                Scheme::Nino => into.nino = checked,
                Scheme::Local => into.local_id = Some(text),
            }
        }
        FieldKind::Forename => into.forename = Some(name(text)?),
        FieldKind::Surname => into.surname = Some(name(text)?),
        FieldKind::BirthDate => into.date_of_birth = Some(past_date(text, today)?),
        FieldKind::Sex => into.sex = Some(Sex::parse(text)?),
        FieldKind::Postcode => {
            into.postcode = Some(canonical_postcode(text).ok_or(Rule::PostcodeForm)?);
        }
        FieldKind::Uprn => {
            identifier::check_uprn(text)?;
            into.uprn = Some(text);
        }
        FieldKind::Lsoa => into.lsoa = Some(text.parse().map_err(|_| Rule::LsoaForm)?),
        FieldKind::PastDate
        | FieldKind::AnyDate
        | FieldKind::Code(_)
        | FieldKind::Codes(_)
        | FieldKind::Mapped(_)
        | FieldKind::Integer { .. }
        | FieldKind::Flag
        | FieldKind::Term
        | FieldKind::Centre
        | FieldKind::CaseReference
        | FieldKind::ProviderReference
        | FieldKind::ScopedReference
        | FieldKind::Token
        | FieldKind::Dropped(_) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests;
