//! The truth against a recount from the files by other means than the truth's own.

use std::collections::BTreeSet;

use super::*;
use crate::domain::record::About;
use crate::synth::output::local_id;
use crate::synth::truth::Truth;

/// Links every row of the files to its person, by ids that only this test knows how to undo.
fn linked(
    dir: &Path,
    made: &Made,
    summary: &Summary,
) -> BTreeMap<u32, Vec<(RecordType, bool, Row)>> {
    let mut by_id = BTreeMap::new();
    let mut by_name = BTreeMap::new();
    for household in &made.people.households {
        for id in household.children.iter().chain([&household.adult]).chain(&household.second_adult)
        {
            let person = made.people.person(*id);
            for partner in [Partner::Health, Partner::Learning, Partner::Families, Partner::Centres]
            {
                let mut text = String::new();
                local_id(partner, person, *id, &mut text);
                by_id.insert(text, *id);
            }
            by_id.insert(person.nhs_number.to_string(), *id);
            let born = person.born.date().to_string();
            by_name.insert((person.forename.to_string(), person.surname.to_string(), born), *id);
        }
    }
    let mut refused = BTreeSet::new();
    let mut reader = csv::Reader::from_path(dir.join("centres/consent.csv")).unwrap();
    for row in reader.deserialize::<Row>().map(Result::unwrap) {
        if row["state"] != "given" {
            refused.insert(row["consent_ref"].clone());
        }
    }
    let mut linked: BTreeMap<u32, Vec<(RecordType, bool, Row)>> = BTreeMap::new();
    let about = |file: &&FileSummary| file.record_type.definition().about;
    for file in summary.files.iter().filter(|file| about(file) != About::Nobody) {
        let rows = rows(dir, file);
        let withdrawn: BTreeSet<String> = rows
            .iter()
            .filter(|row| row["operation"] == "withdraw")
            .map(|row| row["record_id"].clone())
            .collect();
        for row in rows {
            let gone =
                withdrawn.contains(&row["record_id"]) || refused.contains(&row["consent_ref"]);
            if gone || !offences(file.record_type, &row).is_empty() {
                continue;
            }
            let name =
                (row["forename"].clone(), row["surname"].clone(), row["date_of_birth"].clone());
            let id = by_id.get(&row["nhs_number"]).or_else(|| by_id.get(&row["local_id"]));
            let id = id.or_else(|| by_name.get(&name)).unwrap();
            linked.entry(id.number()).or_default().push((
                file.record_type,
                file.partner == "health",
                row,
            ));
        }
    }
    linked
}

/// The types whose addresses say where somebody lives.
const SOURCES: [RecordType; 10] = [
    RecordType::LiveBirth,
    RecordType::HealthReview,
    RecordType::Movement,
    RecordType::TwoYearOldEligibility,
    RecordType::FundedPlace,
    RecordType::LearningAim,
    RecordType::FamilyCase,
    RecordType::Registration,
    RecordType::Attendance,
    RecordType::Referral,
];

/// The area in which a person lived, from its rows.
fn residence(
    made: &Made,
    rows: &[(RecordType, bool, Row)],
    last: &str,
    close: &str,
) -> Option<usize> {
    let facts = made.ground.facts;
    rows.iter()
        .filter(|(record_type, _, row)| {
            SOURCES.contains(record_type)
                && row["event_date"].as_str() <= last
                && row["extracted_at"].as_str() <= close
        })
        .filter_map(|(_, health, row)| {
            let postcode = facts.postcodes.iter().find(|p| p.code == row["postcode"])?;
            Some((row["event_date"].as_str(), *health, std::cmp::Reverse(postcode.lsoa)))
        })
        .max()
        .map(|(_, _, std::cmp::Reverse(lsoa))| facts.lsoas[lsoa].area)
}

#[test]
fn the_truth_is_what_a_perfect_linkage_of_the_files_counts() {
    let plan = plan(0.03);
    let dir = tempfile::tempdir().unwrap();
    let summary = write(&plan, dir.path()).unwrap();
    let made = make(&plan);
    let linked = linked(dir.path(), &made, &summary);
    let figures = Truth::new(&made.people, &made.ground, &made.period, &made.feeds).figures();
    for (quarter, last, close, year, five, first) in [
        ("2024Q4", "2024-12-31", "2025-02-11", "2023-12-31", "2019-12-31", "2024-10-01"),
        ("2026Q1", "2026-03-31", "2026-05-12", "2025-03-31", "2021-03-31", "2026-01-01"),
    ] {
        let mut counted: BTreeMap<(&str, usize), u32> = BTreeMap::new();
        for (id, rows) in &linked {
            let died = |(t, _, row): &(RecordType, bool, Row)| {
                *t == RecordType::Death && row["event_date"].as_str() <= last
            };
            if rows.iter().any(died) {
                continue;
            }
            let Some(area) = residence(&made, rows, last, close) else { continue };
            let of = |wanted: RecordType| {
                rows.iter()
                    .filter(move |(t, _, row)| {
                        *t == wanted && row["extracted_at"].as_str() <= close
                    })
                    .map(|(_, _, row)| row)
            };
            let mut count = |what| *counted.entry((what, area)).or_default() += 1;
            let born = made.people.persons[usize::try_from(*id).unwrap()].born.date().to_string();
            let registered = of(RecordType::Registration).any(|row| {
                let end = row["end_date"].as_str();
                row["start_date"].as_str() <= last && (end.is_empty() || end > last)
            });
            let days: BTreeSet<&str> = of(RecordType::Attendance)
                .map(|row| row["event_date"].as_str())
                .filter(|day| *day > year && *day <= last)
                .collect();
            if born.as_str() > five && born.as_str() <= last {
                count("under_fives");
                if registered {
                    count("registered");
                }
                if !days.is_empty() {
                    count("ever_attended");
                }
                if registered && days.len() >= 3 {
                    count("sustained");
                }
            }
            let in_quarter = born.as_str() >= first && born.as_str() <= last;
            if in_quarter && of(RecordType::LiveBirth).next().is_some() {
                count("births in the quarter");
            }
        }
        for (position, area) in made.ground.facts.areas.iter().enumerate() {
            let counted = |what| counted.get(&(what, position)).copied().unwrap_or_default();
            for indicator in ["under_fives", "registered", "ever_attended", "sustained"] {
                let figure = figures[quarter][indicator][area.code];
                assert_eq!(
                    figure.numerator,
                    counted(indicator),
                    "{quarter} {indicator} {}",
                    area.code
                );
            }
            assert!(
                figures[quarter]["births"][area.code].numerator >= counted("births in the quarter")
            );
        }
    }
}
