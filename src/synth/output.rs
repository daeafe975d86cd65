//! The files: one CSV for each partner and record type, the centres' consents.
//!
//! Rows stand in the order of their extracts, and within one in an order that tells nothing of families.
//! Record ids are numbered in that order; a repeat or a withdrawal bears the number of its record.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::SynthError;
use super::calendar::Day;
use super::dice::mix;
use super::dirt::{Consent, WITHDRAWN_AFTER_DAYS};
use super::people::{Coin, Person, PersonId};
use super::record::{Feed, Flaw, Partner, Sent};
use super::render::{Sheet, World};

/// What one file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSummary {
    /// The partner's id.
    pub partner: &'static str,
    /// The record type.
    pub record_type: crate::domain::RecordType,
    /// Where it is, relative to the output folder.
    pub path: PathBuf,
    /// Rows below the header.
    pub rows: u64,
    /// Rows that break an identifier's rule, so that intake must reject them.
    pub broken: u64,
    /// Rows that withdraw an earlier row.
    pub withdrawals: u64,
}

/// What a row does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    First,
    /// The same facts under a new record id.
    Double,
    /// The same row.
    Repeat,
    Withdraw,
}

/// A row of the file to be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    known: Day,
    kind: Kind,
    tie: u64,
    entry: usize,
}

/// Writes a feed's file.
pub(super) fn write_feed(
    world: &World<'_>,
    feed: &Feed,
    dir: &Path,
) -> Result<FileSummary, SynthError> {
    let folder = dir.join(feed.partner.id());
    fs::create_dir_all(&folder).map_err(|source| SynthError::Folder { source })?;
    let path = PathBuf::from(feed.partner.id()).join(format!("{}.csv", feed.record_type.name()));
    let mut sheet = Sheet::new(create(&dir.join(&path))?);
    sheet.header(feed.record_type)?;
    let mut numbers = vec![0u32; feed.entries.len()];
    let mut next = 0;
    let mut summary = FileSummary {
        partner: feed.partner.id(),
        record_type: feed.record_type,
        path,
        rows: 0,
        broken: 0,
        withdrawals: 0,
    };
    for line in lines(feed) {
        let entry = &feed.entries[line.entry];
        let number = match line.kind {
            Kind::First | Kind::Double => {
                next += 1;
                if line.kind == Kind::First {
                    numbers[line.entry] = next;
                }
                next
            }
            Kind::Repeat | Kind::Withdraw => numbers[line.entry],
        };
        sheet.row(world, feed, entry, (number, line.kind, line.known))?;
        summary.rows += 1;
        summary.broken += u64::from(entry.flaw == Flaw::CheckDigit);
        summary.withdrawals += u64::from(line.kind == Kind::Withdraw);
    }
    sheet.finish()?;
    Ok(summary)
}

fn lines(feed: &Feed) -> Vec<Line> {
    let mut lines = Vec::with_capacity(feed.entries.len() + feed.entries.len() / 64);
    for (entry, (number, record)) in (0u64..).zip(&feed.entries).enumerate() {
        let mut add = |kind, known| lines.push(Line { known, kind, tie: mix(number), entry });
        add(Kind::First, record.known);
        match record.sent {
            Sent::Once => {}
            Sent::Repeated => add(Kind::Repeat, record.known),
            Sent::Doubled => add(Kind::Double, record.known),
            Sent::Mistaken => add(Kind::Withdraw, record.known.plus(WITHDRAWN_AFTER_DAYS)),
        }
    }
    lines.sort_unstable();
    lines
}

/// Writes the consents that the centres' records refer to, and returns how many.
pub(super) fn write_consents(
    world: &World<'_>,
    feeds: &[Feed],
    dir: &Path,
) -> Result<u64, SynthError> {
    let mut first: BTreeMap<PersonId, Day> = BTreeMap::new();
    for feed in feeds.iter().filter(|feed| feed.partner == Partner::Centres) {
        for entry in &feed.entries {
            let day = first.entry(entry.person).or_insert(entry.event);
            *day = entry.event.min(*day);
        }
    }
    let mut out = create(&dir.join(Partner::Centres.id()).join("consent.csv"))?;
    let mut write =
        |line: &dyn Display| writeln!(out, "{line}").map_err(|source| SynthError::Write { source });
    let own = "consent_ref,state,given_by,recorded_on,notice_version";
    write(&format_args!("{own},record_id,extracted_at,event_date"))?;
    for (number, (id, day)) in (1u32..).zip(&first) {
        let person = world.people.person(*id);
        let state = Consent::of(person, world.people.household_of(*id).canary);
        let recorded = match state {
            Consent::Given => *day,
            Consent::Refused | Consent::Withdrawn => day.plus(40).min(world.period.latest),
        };
        let given_by = if person.coin(Coin::GivenBy) < 40 { "carer" } else { "parent" };
        let notice = if person.coin(Coin::Notice) < 600 { "2023-1" } else { "2025-1" };
        let (reference, state) = (ConsentRef(*id), state.code());
        let on = recorded.date();
        let record = format_args!("C23-{number:07},{on},{on}");
        write(&format_args!("{reference},{state},{given_by},{on},{notice},{record}"))?;
    }
    out.flush().map_err(|source| SynthError::Write { source })?;
    u64::try_from(first.len()).map_err(|_| SynthError::Scale)
}

/// Creates a file of the output.
pub(super) fn create(path: &Path) -> Result<BufWriter<File>, SynthError> {
    let file = File::create(path).map_err(|source| SynthError::Write { source })?;
    Ok(BufWriter::with_capacity(1 << 16, file))
}

/// The reference of the one consent that the centres hold for a person.
pub(super) struct ConsentRef(pub(super) PersonId);

impl Display for ConsentRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CN{:07}", u64::from(self.0.number()) * ID_SPREAD % ID_RANGE)
    }
}

const ID_RANGE: u64 = 10_000_000;
const ID_SPREAD: u64 = 7_654_321;
const ID_STEP: u64 = 1_234_567;

/// A partner's own id of a person: opaque, and another with each partner.
pub(super) fn local_id(partner: Partner, person: &Person, id: PersonId, out: &mut String) {
    // A multiplication that can be undone, so that no two people have the same number.
    let number = u64::from(id.number()) * ID_SPREAD + u64::from(partner.number()) * ID_STEP;
    // Writing to a String cannot fail.
    let _ = write!(out, "{}{:07}", partner.letter(), number % ID_RANGE);
    if let Some(token) = &person.token {
        let _ = write!(out, "-{token}");
    }
}
