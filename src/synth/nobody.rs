//! The centres' records that are about nobody: sessions for providers, contacts with schools. As many at
//! every scale, since a place has as many providers and schools.

use std::fs;
use std::path::{Path, PathBuf};

use super::SynthError;
use super::calendar::{Day, Period};
use super::dice::{Dice, Stage};
use super::ground::Ground;
use super::output::{FileSummary, create};
use super::record::Partner;
use crate::domain::RecordType;
use crate::domain::records::{provider_session, school_contact};

/// Providers of an area: as many as the funded places name.
const PROVIDERS: usize = 8;
/// Schools of an area.
const SCHOOLS: usize = 3;
/// Every other quarter there is a round of each.
const EVERY: usize = 2;

const ENVELOPE: [&str; 4] = ["record_id", "operation", "extracted_at", "event_date"];
const SESSIONS: [&str; 5] = ["provider_urn", "provider_kind", "session", "attended", "centre"];
const CONTACTS: [&str; 4] = ["school_urn", "contact", "engaged", "centre"];

/// Writes both files.
pub(super) fn write(
    (ground, period): (&Ground, &Period),
    seed: u64,
    dir: &Path,
) -> Result<Vec<FileSummary>, SynthError> {
    let mut dice = Dice::new(seed, Stage::Nobody);
    let (mut sessions, mut contacts) = (Vec::new(), Vec::new());
    for closing in period.quarters.iter().step_by(EVERY) {
        for (area, facts) in ground.facts.areas.iter().enumerate() {
            let held = closing.first.plus(dice.between(5, 70));
            for provider in 0..PROVIDERS {
                let urn = format!("EY{:06}", 500_000 + (area * PROVIDERS + provider) * 37);
                let kind = provider_session::KIND.codes[provider % 4].to_owned();
                let session = provider_session::SESSION.codes[0].to_owned();
                let attended = if dice.chance(0.55) { "yes" } else { "no" }.to_owned();
                sessions.push((held, [urn, kind, session, attended, facts.code.to_owned()]));
            }
            for school in 0..SCHOOLS {
                let day = closing.first.plus(dice.between(5, 80));
                let urn = format!("{:06}", 103_600 + area * SCHOOLS + school);
                let kinds = &school_contact::CONTACT.codes;
                let contact = kinds[dice.index(kinds.len())].to_owned();
                let engaged = if dice.chance(0.6) { "yes" } else { "no" }.to_owned();
                contacts.push((day, [urn, contact, engaged, facts.code.to_owned()]));
            }
        }
    }
    let known = |day: Day| day.next_weekday(Partner::Centres.extracts_on());
    Ok(vec![
        sheet(dir, RecordType::ProviderSession, &SESSIONS, sessions, known)?,
        sheet(dir, RecordType::SchoolContact, &CONTACTS, contacts, known)?,
    ])
}

fn sheet<const N: usize>(
    dir: &Path,
    record_type: RecordType,
    columns: &[&str; N],
    mut rows: Vec<(Day, [String; N])>,
    known: impl Fn(Day) -> Day,
) -> Result<FileSummary, SynthError> {
    let partner = Partner::Centres.id();
    fs::create_dir_all(dir.join(partner)).map_err(|source| SynthError::Folder { source })?;
    let path = PathBuf::from(partner).join(format!("{}.csv", record_type.name()));
    let mut out = csv::Writer::from_writer(create(&dir.join(&path))?);
    out.write_record(ENVELOPE.iter().chain(columns)).map_err(SynthError::csv)?;
    rows.sort_by_key(|(day, _)| *day);
    let (prefix, count) = (Partner::Centres.letter(), rows.len());
    for (number, (day, values)) in (1u32..).zip(rows) {
        let id = format!("{prefix}{}-{number:07}", record_type.number());
        let (extracted, event) = (known(day).date().to_string(), day.date().to_string());
        let envelope = [id, "upsert".to_owned(), extracted, event];
        out.write_record(envelope.iter().chain(&values)).map_err(SynthError::csv)?;
    }
    out.flush().map_err(|source| SynthError::Write { source })?;
    let rows = u64::try_from(count).map_err(|_| SynthError::Scale)?;
    Ok(FileSummary { partner, record_type, path, rows, broken: 0, withdrawals: 0 })
}
