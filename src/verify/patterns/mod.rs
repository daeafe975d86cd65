//! Patterns worth a look: what an auditor would otherwise have to search for by hand.
//!
//! Each finding says who, when, how many, by which threshold and in which entries, and
//! nothing follows from it of itself: people have reasons, and patterns have none. The user is
//! a pseudonym; only the partner that employs the person can say who it is.
//!
//! Leaves are taken one by one in the log's order. Memory holds what is recent of each user.

mod burst;
pub mod config;
mod volume;
mod walk;

use super::leaf::Leaf;
use burst::{Burst, Limit};
use config::Config;
use jiff::{Timestamp, Zoned, civil::Weekday, tz::TimeZone};
use serde::Serialize;
use std::collections::BTreeMap;
use volume::Volume;
use walk::{PARTS, Walk};

/// Entries that a finding names; the rest is counted.
pub const MOST_ENTRIES: usize = 50;
/// Where hours and days are reckoned.
const LONDON: &str = "Europe/London";
const MICROS_A_MINUTE: i64 = 60_000_000;
/// Questions outside hours belong together for so long: a night.
const NIGHT: i64 = 12 * 60 * MICROS_A_MINUTE;

/// Which pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// One user is refused again and again.
    RepeatedRefusals,
    /// A partner does many times what it usually does.
    SuddenVolume,
    /// One user asks about many areas.
    ManyAreas,
    /// One user asks when nobody is at work.
    OutsideHours,
    /// One user walks through areas, indicators or quarters in order.
    Enumeration,
}

impl Pattern {
    /// As a word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::RepeatedRefusals => "repeated_refusals",
            Self::SuddenVolume => "sudden_volume",
            Self::ManyAreas => "many_areas",
            Self::OutsideHours => "outside_hours",
            Self::Enumeration => "enumeration",
        }
    }
}

/// Something worth a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PatternFinding {
    /// Which pattern.
    pub pattern: Pattern,
    /// The partner; empty where the caller was not recognised.
    pub partner: String,
    /// The user's pseudonym; empty where the finding is about the partner.
    pub user: String,
    /// The first entry's time.
    pub from: String,
    /// The last entry's time.
    pub until: String,
    /// How many entries.
    pub count: u64,
    /// Why it is listed, with the threshold.
    pub reason: String,
    /// The first entries, by index.
    pub entries: Vec<u64>,
    /// How many more entries there are.
    pub entries_omitted: u64,
}

/// When and where.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    from: i64,
    until: i64,
    count: u64,
    entries: Vec<u64>,
}

impl Span {
    const fn new(at: i64) -> Self {
        Self { from: at, until: at, count: 0, entries: Vec::new() }
    }

    fn add(&mut self, at: i64, index: u64) {
        self.from = self.from.min(at);
        self.until = self.until.max(at);
        self.count += 1;
        if self.entries.len() < MOST_ENTRIES {
            self.entries.push(index);
        }
    }
}

/// Partner and user.
type Actor = (String, String);

/// What is known of everybody so far.
#[derive(Debug)]
pub struct Patterns {
    config: Config,
    zone: TimeZone,
    refusals: BTreeMap<Actor, Burst>,
    areas: BTreeMap<Actor, Burst>,
    nights: BTreeMap<Actor, Burst>,
    walks: BTreeMap<Actor, Walk>,
    /// By partner and sort of act.
    volumes: BTreeMap<(String, &'static str), Volume>,
    found: Vec<PatternFinding>,
}

impl Patterns {
    /// Looks for these; `None` where the time zone is not known, which can't happen with the
    /// zones that are built in.
    #[must_use]
    pub fn new(config: Config) -> Option<Self> {
        Some(Self {
            config,
            zone: TimeZone::get(LONDON).ok()?,
            refusals: BTreeMap::new(),
            areas: BTreeMap::new(),
            nights: BTreeMap::new(),
            walks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            found: Vec::new(),
        })
    }

    /// Adds the next entry.
    pub fn note(&mut self, index: u64, leaf: &Leaf<'_>) {
        let Some(at) = leaf.at.and_then(|at| at.parse::<Timestamp>().ok()) else { return };
        let micros = at.as_microsecond();
        let text = |field: Option<&str>| field.unwrap_or_default().to_owned();
        let actor = (text(leaf.partner), text(leaf.user));
        let refused = leaf.decision == Some("refused");
        let question = is_question(leaf);
        if refused && self.config.repeated_refusals.enabled {
            let limit = self.refusals_limit();
            let burst = self.refusals.entry(actor.clone()).or_default();
            let ended = burst.note(micros, index, leaf.reason.unwrap_or_default(), limit);
            self.found_refusals(&actor, ended);
        }
        let sort = match leaf.kind {
            Some("batch_accepted") => Some("batches"),
            _ if question => Some("questions"),
            _ => None,
        };
        let local = at.to_zoned(self.zone.clone());
        if let Some(sort) = sort.filter(|_| self.config.sudden_volume.enabled) {
            let volume = self.volumes.entry((actor.0.clone(), sort)).or_default();
            let ended = volume.note(local.date(), (micros, index), &self.config.sudden_volume);
            self.found_volume(&actor.0, sort, ended);
        }
        if question {
            self.note_question(&actor, leaf, (micros, index), &local);
        }
    }

    fn note_question(
        &mut self,
        actor: &Actor,
        leaf: &Leaf<'_>,
        (micros, index): (i64, u64),
        local: &Zoned,
    ) {
        let area = leaf.area.unwrap_or_default();
        if self.config.many_areas.enabled && !area.is_empty() {
            let limit = self.areas_limit();
            let burst = self.areas.entry(actor.clone()).or_default();
            let ended = burst.note(micros, index, area, limit);
            self.found_areas(actor, ended);
        }
        if self.config.outside_hours.enabled && self.is_outside(local) {
            let limit = self.night_limit();
            let burst = self.nights.entry(actor.clone()).or_default();
            let ended = burst.note(micros, index, "", limit);
            self.found_night(actor, ended);
        }
        if self.config.enumeration.enabled {
            let part = |field: Option<&str>| field.unwrap_or_default().to_owned();
            let asked = [part(leaf.area), part(leaf.indicator), part(leaf.period)];
            let steps = u64::from(self.config.enumeration.steps);
            let pause = minutes(self.config.enumeration.minutes);
            let walk = self.walks.entry(actor.clone()).or_default();
            let ended = walk.note((micros, index), &asked, steps, pause);
            self.found_walk(actor, ended);
        }
    }

    fn is_outside(&self, local: &Zoned) -> bool {
        let hours = &self.config.outside_hours;
        let weekend = matches!(local.date().weekday(), Weekday::Saturday | Weekday::Sunday);
        (weekend && !hours.weekends) || local.time() < hours.from || local.time() >= hours.until
    }

    fn refusals_limit(&self) -> Limit {
        let config = &self.config.repeated_refusals;
        Limit { most: count(config.refusals), micros: minutes(config.minutes), distinct: false }
    }

    fn areas_limit(&self) -> Limit {
        let config = &self.config.many_areas;
        Limit { most: count(config.areas), micros: minutes(config.minutes), distinct: true }
    }

    fn night_limit(&self) -> Limit {
        Limit { most: count(self.config.outside_hours.questions), micros: NIGHT, distinct: false }
    }

    /// Everything found, in the order of the entries where each begins.
    #[must_use]
    pub fn finish(mut self) -> Vec<PatternFinding> {
        for (actor, burst) in std::mem::take(&mut self.refusals) {
            self.found_refusals(&actor, burst.finish());
        }
        for (actor, burst) in std::mem::take(&mut self.areas) {
            self.found_areas(&actor, burst.finish());
        }
        for (actor, burst) in std::mem::take(&mut self.nights) {
            self.found_night(&actor, burst.finish());
        }
        let steps = u64::from(self.config.enumeration.steps);
        for (actor, walk) in std::mem::take(&mut self.walks) {
            self.found_walk(&actor, walk.finish(steps));
        }
        for ((partner, sort), mut volume) in std::mem::take(&mut self.volumes) {
            let ended = volume.end(&self.config.sudden_volume);
            self.found_volume(&partner, sort, ended);
        }
        self.found.sort_by_key(|found| (found.entries.first().copied(), found.pattern));
        self.found
    }

    fn found_refusals(&mut self, actor: &Actor, found: Option<burst::Found>) {
        let Some(found) = found else { return };
        let config = &self.config.repeated_refusals;
        let reasons: Vec<String> =
            found.keys.iter().map(|(reason, times)| format!("{times} {reason}")).collect();
        let reason = format!(
            "{} refusals ({}); listed from {} within {} minutes on",
            found.span.count,
            reasons.join(", "),
            config.refusals,
            config.minutes
        );
        self.find(Pattern::RepeatedRefusals, actor, found.span, reason);
    }

    fn found_areas(&mut self, actor: &Actor, found: Option<burst::Found>) {
        let Some(found) = found else { return };
        let config = &self.config.many_areas;
        let reason = format!(
            "questions about {} areas; listed from {} within {} minutes on",
            found.keys.len(),
            config.areas,
            config.minutes
        );
        self.find(Pattern::ManyAreas, actor, found.span, reason);
    }

    fn found_night(&mut self, actor: &Actor, found: Option<burst::Found>) {
        let Some(found) = found else { return };
        let hours = &self.config.outside_hours;
        let days = if hours.weekends { "" } else { " on a weekday" };
        let reason = format!(
            "{} questions outside {:.5} to {:.5}{days}; listed from {} within 12 hours on",
            found.span.count,
            hours.from.to_string(),
            hours.until.to_string(),
            hours.questions
        );
        self.find(Pattern::OutsideHours, actor, found.span, reason);
    }

    fn found_walk(&mut self, actor: &Actor, found: Option<walk::Found>) {
        let Some(found) = found else { return };
        let parts: Vec<String> = (0..PARTS.len())
            .filter(|part| found.changed[*part])
            .map(|part| format!("{} {} to {}", PARTS[part], found.first[part], found.last[part]))
            .collect();
        let reason = format!(
            "{} different questions in order ({}); listed from {} on",
            found.span.count,
            parts.join(", "),
            self.config.enumeration.steps
        );
        self.find(Pattern::Enumeration, actor, found.span, reason);
    }

    fn found_volume(&mut self, partner: &str, sort: &str, found: Option<volume::Found>) {
        let Some(found) = found else { return };
        let config = &self.config.sudden_volume;
        let reason = format!(
            "{} {sort} on one day, where the {} days before had {} on average; listed from {} and \
             {} times the average on",
            found.span.count, found.known_days, found.mean, config.acts, config.times
        );
        self.find(Pattern::SuddenVolume, &(partner.to_owned(), String::new()), found.span, reason);
    }

    fn find(&mut self, pattern: Pattern, actor: &Actor, span: Span, reason: String) {
        let Span { from, until, count, entries } = span;
        self.found.push(PatternFinding {
            pattern,
            partner: actor.0.clone(),
            user: actor.1.clone(),
            from: moment(from),
            until: moment(until),
            count,
            reason,
            entries_omitted: count.saturating_sub(entries.len() as u64),
            entries,
        });
    }
}

/// A question for figures: one that was answered, or one refused that named what it wanted.
fn is_question(leaf: &Leaf<'_>) -> bool {
    match leaf.kind {
        Some("card_answered" | "data_book_answered" | "query_answered") => true,
        Some("refused") => leaf.area.is_some() || leaf.indicator.is_some(),
        _ => false,
    }
}

fn minutes(minutes: u32) -> i64 {
    i64::from(minutes) * MICROS_A_MINUTE
}

fn count(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn moment(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| String::new(), |at| format!("{at:.0}"))
}

#[cfg(test)]
mod tests;
