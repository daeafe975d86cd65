//! The decision at a region's size: 1,000 protocols in force, each of 50 flows from six parties;
//! beside a bare lookup of the same key in a hash map of the same size.
//!
//! Authorising is measured as it costs a record that comes alone: the decision about stream and
//! columns and then about the record. The figure of memory is how much the process's resident
//! memory grew by the compiled policy, which is made here from documents that are signed one by
//! one and dropped, so that nothing freed before can hide what it takes.

mod rebuild;
mod region;

use self::region::Region;
use super::{
    BenchError, Row,
    sample::{Sample, resident_mib, row},
    site::Scratch,
};
use crate::{
    domain::{AreaCode, PartnerId, RecordType, TableId},
    protocol::{
        CallerRole, FigureQuestion, IntakePermit, IntakeQuestion, Policy, ProtocolVersion,
        RecordFacts, vocabulary::Purpose,
    },
};
use jiff::civil::{Date, date};
use std::{collections::HashMap, hint::black_box, time::Instant};

/// Flows of a protocol.
const FLOWS: usize = 50;
/// Parties of a protocol.
const PARTIES: usize = 6;
/// Organisations in all.
const PARTNERS: usize = 60;
/// Changes that are waited for.
const CHANGES: usize = 5;
/// Decisions that are timed.
const ROUNDS: usize = 200_000;
/// Decisions about figures that are timed: each asks every document that lists the table.
const FIGURES: usize = 4_000;
/// The day of everything.
const TODAY: Date = date(2026, 5, 1);
/// Who sees every table's figures about the whole.
const READER: &str = "performance";
const WHOLE: &str = "E12000001";
/// The areas: each with ten LSOAs.
const AREAS: usize = 200;

pub(super) async fn measure(
    scratch: &mut Scratch,
    protocols: u64,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
    say(&format!("protocols: {protocols} signed documents of {FLOWS} flows each"));
    let count = usize::try_from(protocols).unwrap_or(usize::MAX);
    let region = Region::new()?;
    // The first signatures, parses and tables of the libraries: not the policy's.
    drop(region.compile(1)?);
    let before = resident_mib();
    let policy = region.compile(count)?;
    let grown = before.zip(resident_mib()).map(|(before, after)| after - before);
    let questions = region.questions(count)?;
    let bare = bare(&questions);
    say("protocols: deciding");
    let limit = time(&questions, ROUNDS, |asked| bare.get(&asked.key).copied().is_some())?;
    let authorise = time(&questions, ROUNDS, |asked| asked.authorise(&policy).is_some())?;
    let permits: Option<Vec<IntakePermit>> =
        questions.iter().map(|asked| asked.authorise(&policy)).collect();
    let permits = permits.ok_or(BenchError::CutShort)?;
    let open: HashMap<&Key, &IntakePermit> =
        questions.iter().map(|asked| &asked.key).zip(&permits).collect();
    let admit = time(&questions, ROUNDS, |asked| {
        open.get(&asked.key).is_some_and(|permit| {
            permit.still_holds(&policy, TODAY).and_then(|()| permit.admits(&asked.facts)).is_ok()
        })
    })?;
    let figure = time(&questions, FIGURES, |asked| asked.figure(&policy))?;
    drop((policy, permits));
    let [change, rebuild] = region.rebuild(scratch, count, say).await?;
    let engine = scratch.engine();
    let line = |name, (sample, nanos): &(Sample, f64), rss| Row {
        // Far below what the other measures' times are rounded to.
        p50_ms: sample.percentile_ms(50),
        p99_ms: sample.percentile_ms(99),
        ..row((name, "ns"), engine, (*nanos, limit.1), sample, rss)
    };
    Ok(vec![
        line("protocols_authorise", &authorise, grown),
        line("protocols_admit", &admit, None),
        line("protocols_figure", &figure, None),
        change,
        rebuild,
    ])
}

type Key = (PartnerId, RecordType, String);

/// What is asked, with all that it borrows.
struct Asked {
    key: Key,
    protocol: crate::domain::ProtocolId,
    columns: Vec<&'static str>,
    facts: RecordFacts,
    reader: PartnerId,
    area: AreaCode,
    table: TableId,
}

impl Asked {
    fn authorise(&self, policy: &Policy) -> Option<IntakePermit> {
        let question = IntakeQuestion {
            partner: &self.key.0,
            role: CallerRole::Provider,
            protocol: &self.protocol,
            version: ProtocolVersion::FIRST,
            record_type: self.key.1.name(),
            columns: &self.columns,
            today: TODAY,
        };
        let permit = policy.authorise_intake(&question).ok()?;
        permit.admits(&self.facts).ok().map(|()| permit)
    }

    fn figure(&self, policy: &Policy) -> bool {
        let question = FigureQuestion {
            partner: &self.reader,
            role: CallerRole::DataOfficer,
            table: &self.table,
            area: &self.area,
            confined_to: None,
            purpose: Purpose::ChildrensCentrePlanning.code(),
            today: TODAY,
        };
        policy.authorise_figure(&question).is_ok()
    }
}

/// The bare limit: the same key, looked up.
fn bare(questions: &[Asked]) -> HashMap<Key, usize> {
    questions.iter().enumerate().map(|(at, asked)| (asked.key.clone(), at)).collect()
}

/// Times decisions over all questions in turn: each alone, and nanoseconds a decision of all
/// together, without the clock's own cost.
fn time(
    questions: &[Asked],
    rounds: usize,
    decide: impl Fn(&Asked) -> bool,
) -> Result<(Sample, f64), BenchError> {
    let each = |at: usize| &questions[at.wrapping_mul(7_919) % questions.len()];
    let mut granted = true;
    let begun = Instant::now();
    for at in 0..rounds {
        granted &= black_box(decide(black_box(each(at))));
    }
    let elapsed = begun.elapsed();
    let mut calls = Vec::with_capacity(rounds / 10);
    for at in 0..rounds / 10 {
        let begun = Instant::now();
        black_box(decide(black_box(each(at))));
        calls.push(begun.elapsed());
    }
    // Nothing is measured that was not granted.
    if !granted {
        return Err(BenchError::CutShort);
    }
    let nanos = elapsed.as_secs_f64() * 1e9 / rounds as f64;
    Ok((Sample { elapsed, calls }, nanos))
}
