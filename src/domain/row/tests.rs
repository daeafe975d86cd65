//! Every rule, and that no input panics or is echoed.

use super::*;
use crate::domain::identifier::Linkable;
use jiff::civil::date;
use proptest::prelude::*;
use std::collections::BTreeSet;

const TODAY: Date = date(2026, 6, 30);

/// A row of a type, column by column.
#[derive(Clone)]
struct Sample {
    record_type: RecordType,
    columns: Vec<String>,
    values: Vec<String>,
}

impl Sample {
    fn of(record_type: RecordType, cells: &[(&str, &str)]) -> Self {
        let common = [("record_id", "r-1"), ("extracted_at", "2026-04-02")];
        let cells = || common.iter().chain(cells);
        Self {
            record_type,
            columns: cells().map(|(c, _)| (*c).to_owned()).collect(),
            values: cells().map(|(_, v)| (*v).to_owned()).collect(),
        }
    }

    fn with(mut self, column: &str, value: &str) -> Self {
        if let Some(at) = self.columns.iter().position(|c| c == column) {
            value.clone_into(&mut self.values[at]);
        } else {
            self.columns.push(column.to_owned());
            self.values.push(value.to_owned());
        }
        self
    }

    fn layout(&self) -> RowLayout {
        RowLayout::new(self.record_type, &self.columns).unwrap()
    }

    fn violations(&self) -> Vec<(&'static str, Rule)> {
        match self.layout().check(&self.values, TODAY) {
            Ok(_) => vec![],
            Err(found) => found.into_iter().map(|v| (v.field, v.rule)).collect(),
        }
    }
}

fn birth() -> Sample {
    Sample::of(
        RecordType::LiveBirth,
        &[
            ("event_date", "2026-03-01"),
            ("nhs_number", "9990000018"),
            ("date_of_birth", "2026-03-01"),
            ("plurality", "1"),
        ],
    )
}

fn registration() -> Sample {
    Sample::of(
        RecordType::Registration,
        &[
            ("event_date", "2026-03-10"),
            ("nhs_number", "9990000018"),
            ("date_of_birth", "2025-03-01"),
            ("centre", "CC01"),
            ("start_date", "2026-03-10"),
        ],
    )
}

/// Made of the definition's own examples.
fn example(record_type: RecordType) -> Sample {
    let definition = record_type.definition();
    let columns: Vec<String> = definition.columns().map(str::to_owned).collect();
    let values = columns.iter().map(|column| definition.example(column)).collect();
    Sample { record_type, columns, values }
}

/// All goals reached.
fn profile() -> Sample {
    let all = RecordType::EarlyYearsProfile.definition().payload;
    let goals = all.iter().filter(|field| field.name.contains("_g"));
    let profile = goals.fold(example(RecordType::EarlyYearsProfile), |p, g| p.with(g.name, "2"));
    profile.with("good_level", "yes")
}

fn sessions() -> Sample {
    example(RecordType::SessionAttendance).with("possible", "120").with("attended", "120")
}

#[test]
fn what_is_about_nobody_needs_no_identity_and_has_none() {
    for record_type in [RecordType::ProviderSession, RecordType::SchoolContact] {
        let sample = example(record_type);
        let layout = sample.layout();
        let content = layout.check(&sample.values, TODAY).ok().unwrap().content.unwrap();
        assert!(!content.principal.tells_who() && content.others.is_empty());
        let named = [sample.columns.clone(), vec!["nhs_number".to_owned()]].concat();
        assert!(RowLayout::new(record_type, &named).is_err());
    }
    let layout = profile().layout();
    let profile = profile().with("supersedes", "r-0").with("ethnicity", "APKN");
    let row = layout.check(&profile.values, TODAY).ok().unwrap();
    assert_eq!(row.supersedes, Some("r-0"));
    let withdrawal = profile.with("operation", "withdraw");
    assert_eq!(withdrawal.violations(), vec![("supersedes", Rule::Supersedes)]);
}

fn aim() -> Sample {
    Sample::of(
        RecordType::LearningAim,
        &[
            ("event_date", "2026-01-10"),
            ("uln", "9999999999"),
            ("start_date", "2026-01-10"),
            ("completion_status", "1"),
        ],
    )
}

fn eligible() -> Sample {
    Sample::of(
        RecordType::TwoYearOldEligibility,
        &[
            ("event_date", "2026-03-10"),
            ("nhs_number", "9990000018"),
            ("date_of_birth", "2024-01-01"),
            ("list_date", "2026-03-10"),
            ("criterion", "economic"),
        ],
    )
}

fn place() -> Sample {
    Sample::of(
        RecordType::FundedPlace,
        &[
            ("event_date", "2026-01-10"),
            ("nhs_number", "9990000018"),
            ("date_of_birth", "2023-01-01"),
            ("term", "2026-spring"),
            ("funded_age", "2"),
        ],
    )
}

fn family() -> Sample {
    Sample::of(
        RecordType::FamilyCase,
        &[
            ("event_date", "2026-01-10"),
            ("nhs_number", "9990000018"),
            ("case_id", "case 7"),
            ("case_type", "cp"),
            ("opened", "2026-01-10"),
            ("member_role", "child"),
            ("reference_child", "yes"),
        ],
    )
}

fn consent() -> Sample {
    example(RecordType::Consent)
}

fn all_samples() -> [Sample; 6] {
    [birth(), registration(), aim(), eligible(), place(), family()]
}

/// A ULN that a typing officer may put into the NHS column.
fn some_uln() -> String {
    (9_990_000_000u64..)
        .map(|n| n.to_string())
        .find(|text| identifier::check(Scheme::Uln, text).is_ok())
        .unwrap()
}

#[test]
fn good_rows_pass_and_come_out_typed() {
    for sample in all_samples() {
        assert_eq!(sample.violations(), vec![], "{}", sample.record_type);
    }
    let sample = birth()
        .with("postcode", "cv11ah")
        .with("sex", " F ")
        .with("lsoa_2011", "E01009522")
        .with("mother_forename", " Ann ")
        .with("birth_order", "1")
        .with("consent_ref", "");
    let layout = sample.layout();
    let row = layout.check(&sample.values, TODAY).ok().unwrap();
    assert_eq!((row.record_id, row.extracted_at), ("r-1", date(2026, 4, 2)));
    assert_eq!(row.consent_ref, None);
    let content = row.content.unwrap();
    assert_eq!(content.event_date, date(2026, 3, 1));
    assert_eq!(content.principal.nhs.unwrap().text, "9990000018");
    assert_eq!(content.principal.postcode.as_deref(), Some("CV1 1AH"));
    assert_eq!(content.principal.sex, Some(Sex::Female));
    assert_eq!(content.principal.lsoa.unwrap().to_string(), "E01009522");
    let [(role, mother)] = &content.others[..] else { panic!("one other person") };
    assert_eq!((*role, mother.forename), (Role::Mother, Some("Ann")));
    assert_eq!(content.values, vec![(0, Value::Integer(1)), (1, Value::Integer(1))]);
}

#[test]
fn references_stay_apart_and_columns_may_stand_in_any_order() {
    let mut sample = family().with("criteria", "2;1");
    sample.columns.reverse();
    sample.values.reverse();
    let layout = sample.layout();
    let row = layout.check(&sample.values, TODAY).ok().unwrap();
    let content = row.content.unwrap();
    assert_eq!(content.references, vec![(0, "case 7")]);
    let numbers: Vec<_> = content.values.iter().map(|(n, _)| *n).collect();
    assert_eq!(numbers, vec![1, 2, 4, 5, 6], "ascending, as events keep them");
    let place = place().with("provider_urn", "EY123456");
    let layout = place.layout();
    let row = layout.check(&place.values, TODAY).ok().unwrap();
    assert_eq!(row.content.unwrap().references, vec![(3, "EY123456")]);
}

#[test]
fn identifiers_that_never_link_are_accepted_and_marked() {
    let sample = eligible().with("parent_nino", "OO123456C");
    let layout = sample.layout();
    let row = layout.check(&sample.values, TODAY).ok().unwrap();
    let content = row.content.unwrap();
    assert_eq!(content.principal.nhs.unwrap().linkable, Linkable::Yes);
    assert_eq!(content.others[0].1.nino.unwrap().linkable, Linkable::No);
}

#[test]
fn every_rule_is_met_with_its_field() {
    let uln = some_uln();
    let cases: Vec<(Sample, &str, Rule)> = vec![
        (birth().with("record_id", ""), "record_id", Rule::Missing),
        (birth().with("plurality", " "), "plurality", Rule::Missing),
        (birth().with("nhs_number", ""), "nhs_number", Rule::Missing),
        (birth().with("nhs_number", "999 000 0018"), "nhs_number", Rule::NhsForm),
        (birth().with("nhs_number", "9999999999"), "nhs_number", Rule::NhsAllSame),
        (birth().with("nhs_number", "9990000028"), "nhs_number", Rule::NhsCheckDigit),
        (birth().with("nhs_number", &uln), "nhs_number", Rule::UlnInNhsColumn),
        (birth().with("mother_nhs_number", "1"), "mother_nhs_number", Rule::NhsForm),
        (aim().with("uln", "12"), "uln", Rule::UlnForm),
        (aim().with("uln", "9990000028"), "uln", Rule::UlnCheckDigit),
        (aim().with("uln", "9990000018"), "uln", Rule::NhsInUlnColumn),
        (eligible().with("parent_nino", "BG123456A"), "parent_nino", Rule::NinoForm),
        (birth().with("local_id", &"x".repeat(37)), "local_id", Rule::LocalForm),
        (birth().with("uprn", "12a"), "uprn", Rule::UprnForm),
        (birth().with("postcode", "CV1 1AC"), "postcode", Rule::PostcodeForm),
        (birth().with("lsoa_2011", "W01000001"), "lsoa_2011", Rule::LsoaForm),
        (birth().with("date_of_birth", "01/03/2026"), "date_of_birth", Rule::DateForm),
        (birth().with("date_of_birth", "2026-07-01"), "date_of_birth", Rule::DateInFuture),
        (birth().with("date_of_birth", "1826-03-01"), "date_of_birth", Rule::DateTooEarly),
        (birth().with("event_date", "2026-07-01"), "event_date", Rule::DateInFuture),
        (birth().with("extracted_at", "2026-07-01"), "extracted_at", Rule::DateInFuture),
        (birth().with("extracted_at", "yesterday"), "extracted_at", Rule::TimestampForm),
        (birth().with("extracted_at", "2026-02-28"), "extracted_at", Rule::ExtractedBeforeEvent),
        (birth().with("event_date", "2026-03-02"), "event_date", Rule::EventIsBirth),
        (eligible().with("criterion", "poor"), "criterion", Rule::UnknownCode),
        (place().with("hours", "31"), "hours", Rule::IntegerRange),
        (family().with("reference_child", "true"), "reference_child", Rule::FlagForm),
        (place().with("term", "2026-winter"), "term", Rule::TermForm),
        (registration().with("centre", "cc01"), "centre", Rule::CentreForm),
        (registration().with("end_date", "2026-03-09"), "end_date", Rule::EndBeforeStart),
        (birth().with("forename", &"x".repeat(101)), "forename", Rule::NameForm),
        (birth().with("surname", "a\u{0}b"), "surname", Rule::NameForm),
        (family().with("case_id", &"x".repeat(37)), "case_id", Rule::ReferenceForm),
        (birth().with("record_id", "a\nb"), "record_id", Rule::ReferenceForm),
        (birth().with("consent_ref", "a\tb"), "consent_ref", Rule::ReferenceForm),
        (birth().with("sex", "female"), "sex", Rule::SexCode),
        (birth().with("operation", "delete"), "operation", Rule::Operation),
        (family().with("nhs_number", ""), "", Rule::NoIdentity),
        (consent().with("consent_ref", " "), "consent_ref", Rule::Missing),
        (consent().with("notice_version", "for Ann"), "notice_version", Rule::NoticeForm),
        (consent().with("operation", "withdraw"), "operation", Rule::StatementStays),
        (consent().with("supersedes", "r-0"), "supersedes", Rule::StatementStays),
        (birth().with("uprn", "1.00071E+11"), "uprn", Rule::RoundedNumber),
        (birth().with("forename", "#N/A"), "forename", Rule::FormulaError),
        (birth().with("nhs_number", " #REF! "), "nhs_number", Rule::FormulaError),
        (birth().with("operation", "#VALUE!"), "operation", Rule::FormulaError),
        (birth().with("record_id", "#N/A"), "record_id", Rule::FormulaError),
        (birth().with("supersedes", "r-1"), "supersedes", Rule::Supersedes),
        (profile().with("good_level", "no"), "good_level", Rule::FlagDisagrees),
        (profile().with("com_g02", "1"), "good_level", Rule::FlagDisagrees),
        (profile().with("upn", "P20700001604"), "upn", Rule::UpnForm),
        (profile().with("upn", "Q207000016049"), "upn", Rule::UpnCheckLetter),
        (profile().with("ethnicity", "WHITE"), "ethnicity", Rule::UnknownCode),
        (sessions().with("attended", "121"), "attended", Rule::PartAboveWhole),
    ];
    let mut met: BTreeSet<Rule> = BTreeSet::new();
    for (sample, field, rule) in cases {
        assert_eq!(sample.violations(), vec![(field, rule)], "{field} {rule:?}");
        met.insert(rule);
    }
    let mut short = birth();
    let layout = short.layout();
    short.values.pop();
    let found = layout.check(&short.values, TODAY).err().unwrap();
    assert_eq!(found, vec![Violation { field: "", rule: Rule::RowShape }]);
    met.insert(Rule::RowShape);
    // Only the store knows what was sent before.
    met.extend([Rule::NothingToWithdraw, Rule::NothingToSupersede]);
    // Only the gateway sees what came blinded, and what did not (see below).
    met.extend([Rule::ClearInBlinded, Rule::BlindedForm]);
    // Only the gateway knows its lookup.
    met.insert(Rule::PostcodeNotFound);
    assert_eq!(met.into_iter().collect::<Vec<_>>(), Rule::ALL.to_vec());
}

#[test]
fn names_and_birth_date_tell_who_but_not_less() {
    let nobody = family().with("nhs_number", "");
    let named = nobody.clone().with("forename", "Ann").with("surname", "Lee");
    assert_eq!(named.violations(), vec![("", Rule::NoIdentity)]);
    assert_eq!(named.with("date_of_birth", "2024-01-01").violations(), vec![]);
    assert_eq!(nobody.clone().with("local_id", "7").violations(), vec![]);
    // A refused value may be the one that tells who: one complaint, not two.
    assert_eq!(
        nobody.with("date_of_birth", "x").violations(),
        vec![("date_of_birth", Rule::DateForm)]
    );
}

#[test]
fn withdrawing_needs_the_record_id_and_the_day_alone() {
    let gone = registration()
        .with("operation", "withdraw")
        .with("nhs_number", "")
        .with("start_date", "never")
        .with("event_date", "");
    let layout = gone.layout();
    let row = layout.check(&gone.values, TODAY).ok().unwrap();
    assert!(row.content.is_none());
    assert_eq!(row.record_id, "r-1");
    assert_eq!(gone.with("extracted_at", "").violations(), vec![("extracted_at", Rule::Missing)]);

    let list = Sample::of(RecordType::Registration, &[("operation", "withdraw")]);
    assert_eq!(list.violations(), vec![]);
    let kept = list.with("operation", "upsert").violations();
    assert_eq!(kept.first(), Some(&("event_date", Rule::Missing)));
    assert!(kept.contains(&("centre", Rule::Missing)));
}

#[test]
fn wrong_columns_are_named_without_their_headings() {
    let layout = |columns: &[&str]| RowLayout::new(RecordType::Attendance, columns);
    let good = ["record_id", "extracted_at", "event_date", "attendee", "centre", "activity"];
    assert!(layout(&good).is_ok());
    let unknown = layout(&["record_id", "9990000018"]).unwrap_err();
    assert!(matches!(unknown, LayoutError::UnknownColumn { position: 2, .. }));
    assert!(!unknown.to_string().contains("999"));
    assert_eq!(
        layout(&["record_id", "centre", "record_id"]).unwrap_err(),
        LayoutError::DuplicateColumn { name: "record_id" }
    );
    assert_eq!(
        layout(&["centre", "record_id", "centre"]).unwrap_err(),
        LayoutError::DuplicateColumn { name: "centre" }
    );
    for missing in good {
        let rest: Vec<_> = good.into_iter().filter(|c| *c != missing).collect();
        assert!(
            matches!(layout(&rest), Err(LayoutError::MissingColumn { name, .. }) if name == missing),
            "{missing}"
        );
    }
}

proptest! {
    #[test]
    fn no_values_panic_the_check_or_come_back(
        which in 0usize..RecordType::ALL.len(),
        seed in proptest::collection::vec("[\\PC\\x00-\\x1f]{0,14}|[0-9]{10}|20[0-9]{2}-[0-9]{2}-[0-9]{2}", 24),
        width in 0usize..24,
    ) {
        let record_type = RecordType::ALL[which];
        let definition = record_type.definition();
        let columns: Vec<&str> =
            ENVELOPE.into_iter().chain(definition.fields().map(|f| f.name)).collect();
        let layout = RowLayout::new(record_type, &columns).unwrap();
        let values: Vec<String> =
            (0..columns.len()).map(|i| seed[i % seed.len()].clone()).collect();
        if let Err(found) = layout.check(&values, TODAY) {
            prop_assert!(!found.is_empty());
            for violation in found {
                prop_assert!(violation.field.is_empty() || columns.contains(&violation.field));
            }
        }
        if width != columns.len() {
            let found = layout.check(&seed[..width], TODAY).err().unwrap();
            prop_assert_eq!(found[0].rule, Rule::RowShape);
        }
    }

    #[test]
    fn no_headings_panic_the_layout_or_come_back(
        headings in proptest::collection::vec("[A-Z0-9]{12}|record_id|nhs_number|centre", 0..12),
    ) {
        for record_type in RecordType::ALL {
            if let Err(error) = RowLayout::new(*record_type, &headings) {
                let text = format!("{error} {error:?}");
                for heading in headings.iter().filter(|h| h.len() == 12) {
                    prop_assert!(!text.contains(heading.as_str()));
                }
            }
        }
    }
}

/// `PRINTS` is the inherent constant where `T` has Debug, and the trait's where it has not.
struct Probe<T>(std::marker::PhantomData<T>);
trait Silent {
    const PRINTS: bool = false;
}
impl<T> Silent for Probe<T> {}
impl<T: std::fmt::Debug> Probe<T> {
    const PRINTS: bool = true;
}

#[test]
fn what_borrows_identities_cannot_be_printed() {
    let seen = [Probe::<Violation>::PRINTS, Probe::<LayoutError>::PRINTS];
    assert_eq!(seen, [true, true], "the probe can see Debug");
    let unseen = [
        Probe::<CheckedIdentifier<'static>>::PRINTS,
        Probe::<Identity<'static>>::PRINTS,
        Probe::<Content<'static>>::PRINTS,
        Probe::<CheckedRow<'static>>::PRINTS,
    ];
    assert_eq!(unseen, [false; 4]);
}

#[test]
fn sexes_have_one_form_whatever_the_list() {
    assert_eq!(Sex::parse("1"), Sex::parse("M"));
    assert_eq!(Sex::parse("2"), Sex::parse("F"));
    assert_eq!(Sex::parse("female"), Err(Rule::SexCode));
    for sex in [Sex::Male, Sex::Female, Sex::Indeterminate, Sex::NotKnown] {
        assert_eq!(Sex::from_letter(sex.letter()), Some(sex));
    }
    assert_eq!(Sex::from_letter(b'1'), None);
}

#[test]
fn a_blinded_row_shows_what_is_counted_and_nothing_that_identifies() {
    let mut sample = birth().with("consent_ref", "c-1").with("sex", "2");
    let layout = sample.layout();
    let found = layout.check_blinded(&sample.values, TODAY).err().unwrap();
    let shown: Vec<&str> = found.iter().map(|violation| violation.field).collect();
    assert!(found.iter().all(|violation| violation.rule == Rule::ClearInBlinded), "{found:?}");
    for field in ["record_id", "consent_ref", "nhs_number"] {
        assert!(shown.contains(&field), "{field} {shown:?}");
    }
    for field in ["date_of_birth", "sex", "event_date", "lsoa_2011"] {
        assert!(!shown.contains(&field), "{field} {shown:?}");
    }
    let definition = birth().layout().definition;
    for (column, value) in sample.columns.iter().zip(&mut sample.values) {
        let kind = definition.field(column).map(|field| field.kind);
        let envelope = ["record_id", "consent_ref", "supersedes"].contains(&column.as_str());
        if envelope || kind.is_some_and(FieldKind::identifies) {
            value.clear();
        }
    }
    let checked = layout.check_blinded(&sample.values, TODAY).ok().unwrap();
    let content = checked.content.unwrap();
    assert!(content.principal.date_of_birth.is_some() && content.principal.sex.is_some());
    assert!(!content.principal.tells_who());
    // White space alone is no value anywhere else, and might be one here.
    let at = sample.columns.iter().position(|column| *column == "nhs_number").unwrap();
    sample.values[at] = " ".to_owned();
    let found = layout.check_blinded(&sample.values, TODAY).err().unwrap();
    assert_eq!(found, [Violation { field: "nhs_number", rule: Rule::ClearInBlinded }]);
    // In clear the same row lacks what it must have.
    assert!(layout.check(&sample.values, TODAY).is_err());
}
