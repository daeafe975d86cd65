//! An area's data book: its figures of a quarter or a year, with everything that a reader needs
//! beside them, in one logged act.
//!
//! It shows nothing that cards and queries would not: for each area and each table the policy is
//! asked, and what it does not permit is not there. What it adds is computed from releases alone
//! ([`crate::disclosure::difference`]): differences with their own margins, which areas can be
//! told apart, how figures stand to their targets. Nothing of it is stored, so that the same
//! book has the same figures for ever.

use super::{
    Actor, Denied, FigureText, Gateway, Refused, ReleaseNotice, Snapshot,
    asked::Asked,
    asking::{Asking, No},
    back_series::Drawn,
    book_line::{Maker, Neighbour},
    card::Permits,
    figures::Granted,
    released::{Frozen, Releases},
};
use crate::{
    audit::{LeafKind, SizeClass},
    disclosure::{
        Digest, FeedWeek, Level,
        card::{LINKAGE_NOTE, SUM_NOTE},
    },
    domain::{AreaCode, Quarter},
    store::Logged,
};
use std::{collections::BTreeSet, sync::Arc};

/// Asks for a data book.
#[derive(Debug, Clone)]
pub struct BookRequest {
    /// The area's code.
    pub area: String,
    /// The quarter; empty for the latest released, or where a year is asked for.
    pub quarter: String,
    /// The calendar year; 0 for a quarter's book.
    pub year: u32,
    /// The purposes claimed; each line is shown under the first that its table allows.
    pub purposes: Vec<String>,
}

/// Why an area stands beside another in a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Beside {
    /// It is the area that the book is about.
    Own,
    /// It is of the same level.
    Sibling,
    /// It is a reach area inside.
    Inside,
    /// It holds the area.
    Around,
}

/// An area of a book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookArea {
    /// Its code.
    pub code: AreaCode,
    /// Its name, as of the book's boundaries.
    pub name: String,
    /// What it is.
    pub level: Level,
    /// Why it is there.
    pub beside: Beside,
    /// The published estimate of its under-fives, persons; 0 where none is known. It is nobody's
    /// count of ours, and stands beside it.
    pub estimate: u32,
}

/// A difference as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeText {
    /// `previous`, `year_before` or `baseline`.
    pub against: &'static str,
    /// The quarter it is a difference from.
    pub since: Quarter,
    /// The difference with its sign.
    pub value: String,
    /// Lower end of its 95% interval.
    pub lower: String,
    /// Upper end of it.
    pub upper: String,
    /// What to print after ±.
    pub margin: String,
    /// `persons`, `families`, `points` or `ratio`.
    pub unit: &'static str,
    /// Whether it can be told from none.
    pub is_distinct: bool,
}

/// How a figure stands to its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetText {
    /// A code: `not_distinguishable`, ...
    pub code: &'static str,
    /// The same in words.
    pub words: &'static str,
    /// The quarter of the baseline, where there is one.
    pub baseline: Option<Quarter>,
    /// The change against it in percent of it, with its sign and its interval; empty where none.
    pub change: String,
    /// Lower end of the change's 95% interval; empty where none.
    pub lower: String,
    /// Upper end of it; empty where none, or where it has no bound.
    pub upper: String,
}

/// A part of an indicator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartLine {
    /// What it is called.
    pub title: String,
    /// By what the indicator is parted here: `age`, ...
    pub dimension: String,
    /// Its figure.
    pub figure: FigureText,
}

/// A figure of an area beside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BesideLine {
    /// Its figure, which names the area.
    pub figure: FigureText,
    /// The areas, of those it was compared with, that it can be told from.
    pub distinct_from: Vec<AreaCode>,
}

/// One indicator of a book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookLine {
    /// Its number, with the letter where it has one.
    pub number: String,
    /// Its title.
    pub title: String,
    /// What is counted.
    pub definition: String,
    /// Out of what.
    pub denominator: String,
    /// The target in words, or empty.
    pub target: String,
    /// How the figure stands to it; none where there is no target.
    pub standing: Option<TargetText>,
    /// The newest figure of the book's period.
    pub figure: FigureText,
    /// Earlier ones, oldest first.
    pub trend: Vec<FigureText>,
    /// What changed.
    pub changes: Vec<ChangeText>,
    /// Its parts, in the same quarter.
    pub parts: Vec<PartLine>,
    /// The same figure of other areas, by name; the own among them where they are compared.
    pub beside: Vec<BesideLine>,
    /// How many comparisons of areas were made together.
    pub comparisons: u32,
    /// The feeds behind it, as fresh as they were at that quarter's close.
    pub feeds: Vec<FeedWeek>,
}

/// A data book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookAnswer {
    /// The area, then those beside it, by group and name.
    pub areas: Vec<BookArea>,
    /// The newest quarter in it.
    pub quarter: Quarter,
    /// The released quarters of its period.
    pub period: Vec<Quarter>,
    /// The indicators that the caller may see, in the catalogue's order.
    pub lines: Vec<BookLine>,
    /// The releases that figures are from.
    pub releases: Vec<(Quarter, Digest)>,
    /// The version of the catalogue that the newest was counted by.
    pub catalogue: String,
    /// The version of its boundaries.
    pub geography: String,
    /// What linkage may miss.
    pub linkage_note: &'static str,
    /// Why parts need not add up.
    pub sum_note: &'static str,
    /// The notices of quarters that were withdrawn, oldest first.
    pub notices: Vec<ReleaseNotice>,
}

impl Gateway {
    /// An area's data book: every indicator whose table the caller may see for the purposes.
    ///
    /// # Errors
    /// As [`Gateway::card`]; a violation for a quarter and a year at once.
    pub async fn data_book(
        &self,
        actor: &Actor,
        request: &BookRequest,
    ) -> Result<Logged<BookAnswer>, Denied> {
        let asked = Asked::book(request);
        self.answer(actor, &asked, |snapshot, releases| {
            self.decide_book(actor, request, snapshot, releases)
        })
        .await
    }

    fn decide_book(
        &self,
        actor: &Actor,
        request: &BookRequest,
        snapshot: &Snapshot,
        releases: &Releases,
    ) -> Result<Granted<BookAnswer>, No> {
        let mut asking = Asking::new(self, actor, snapshot, LeafKind::DataBookAnswered);
        let claimed = request.purposes.first().map_or("", String::as_str);
        let area = asking.area(&request.area, claimed)?;
        let (from, to) = period(&asking, request, releases)?;
        asking.few_purposes(&request.purposes)?;
        let (permits, refused) = self.area_permits(&asking, &request.purposes, &area);
        let Some(leading) = self.leading(&permits) else {
            return Err(asking.refused_by(refused.as_ref()));
        };
        let inside: Vec<&Arc<Frozen>> = releases
            .all()
            .iter()
            .filter(|frozen| (from..=to).contains(&frozen.release.quarter))
            .collect();
        let Some(drawn) = Drawn::new(snapshot, &area, self.today()) else {
            return Err(asking.no(Refused::not_found()));
        };
        let holds = |frozen: &&&Arc<Frozen>| drawn.rows_of(&frozen.release).is_some();
        let Some(newest) = inside.iter().rev().find(holds).copied() else {
            return Err(asking.no(Refused::not_found()));
        };
        asking.grant(leading, newest);
        let neighbours = self.neighbours(&asking, &request.purposes, newest, &drawn);
        let maker = Maker {
            catalogue: &self.catalogue,
            releases,
            drawn: &drawn,
            area: &area,
            period: (from, to),
            permits: &permits,
            neighbours: &neighbours,
        };
        let lines: Vec<BookLine> =
            self.catalogue.indicators.iter().filter_map(|i| maker.line(i)).collect();
        // What came from where: only what is in the book.
        for permit in permits.values() {
            asking.from.permit(permit);
        }
        let shown: BTreeSet<&AreaCode> =
            lines.iter().flat_map(|line| &line.beside).map(|beside| &beside.figure.area).collect();
        for neighbour in neighbours.iter().filter(|n| shown.contains(&n.code)) {
            asking.from.beside(&neighbour.code);
            neighbour.permits.values().for_each(|permit| asking.from.permit(permit));
        }
        let figures = || lines.iter().flat_map(BookLine::figures);
        let mut quarters: BTreeSet<Quarter> = figures().map(|figure| figure.quarter).collect();
        quarters.insert(newest.release.quarter);
        asking.leaf.size_class = Some(SizeClass::of(figures().count() as u64));
        let used = || releases.all().iter().filter(|f| quarters.contains(&f.release.quarter));
        used().for_each(|frozen| asking.from.release(frozen));
        let of = |code: &AreaCode, located, beside| BookArea {
            name: self.area_name(snapshot, newest, code),
            ..book_area(snapshot, newest, code, located, beside)
        };
        let mut areas = vec![of(&area, drawn.rows_of(&newest.release), Beside::Own)];
        let others = neighbours.iter().filter(|n| shown.contains(&n.code));
        areas.extend(others.map(|n| of(&n.code, Some(n.located.clone()), n.beside)));
        let answer = BookAnswer {
            areas,
            quarter: newest.release.quarter,
            period: inside.iter().map(|frozen| frozen.release.quarter).collect(),
            releases: used().map(|frozen| (frozen.release.quarter, frozen.digest)).collect(),
            catalogue: newest.release.catalogue.version.clone(),
            geography: newest.release.geography.version.clone(),
            linkage_note: LINKAGE_NOTE,
            sum_note: SUM_NOTE,
            notices: releases.notices(&quarters),
            lines,
        };
        Ok(Granted { answer, leaf: asking.leaf, from: asking.from })
    }

    /// The areas that may stand beside another: those of its level, of a larger one the reach
    /// areas inside, and those around it; by group and code, which is no ranking.
    fn neighbours(
        &self,
        asking: &Asking<'_>,
        purposes: &[String],
        newest: &Frozen,
        drawn: &Drawn<'_>,
    ) -> Vec<Neighbour<'_>> {
        let Some((level, own)) = drawn.rows_of(&newest.release) else { return Vec::new() };
        let mut neighbours = Vec::new();
        for (_, code) in newest.release.geography.all_areas() {
            let located = drawn.other(&code).and_then(|other| other.rows_of(&newest.release));
            let Some((other, rows)) = located else { continue };
            let beside = match () {
                () if code == *drawn.area() => continue,
                () if other == level => Beside::Sibling,
                () if other == Level::ReachArea && rows.iter().all(|row| own.contains(row)) => {
                    Beside::Inside
                }
                () if own.iter().all(|row| rows.contains(row)) => Beside::Around,
                () => continue,
            };
            let (permits, _) = self.area_permits(asking, purposes, &code);
            if !permits.is_empty() {
                neighbours.push(Neighbour { code, beside, permits, located: (other, rows) });
            }
        }
        neighbours.sort_by(|a, b| (a.beside, &a.code).cmp(&(b.beside, &b.code)));
        neighbours
    }
}

impl BookLine {
    /// Every figure of it.
    fn figures(&self) -> impl Iterator<Item = &FigureText> {
        let parts = self.parts.iter().map(|part| &part.figure);
        let beside = self.beside.iter().map(|beside| &beside.figure);
        self.trend.iter().chain([&self.figure]).chain(parts).chain(beside)
    }
}

/// The quarters that are asked about.
fn period(
    asking: &Asking<'_>,
    request: &BookRequest,
    releases: &Releases,
) -> Result<(Quarter, Quarter), No> {
    let quarter = asking.quarter("quarter", &request.quarter)?;
    let wrong = |rule: &str| asking.no(Refused::invalid("year", rule));
    match (quarter, request.year) {
        (Some(_), 1..) => Err(wrong("a year or a quarter, not both")),
        (Some(quarter), 0) => Ok((quarter, quarter)),
        (None, 0) => {
            let latest = releases.latest().map(|frozen| frozen.release.quarter);
            latest.map(|q| (q, q)).ok_or_else(|| asking.no(Refused::not_found()))
        }
        (None, year) => {
            let of = |n: u8| format!("{year:04}Q{n}").parse::<Quarter>();
            of(1).and_then(|first| Ok((first, of(4)?))).map_err(|_| wrong("a year like 2026, or 0"))
        }
    }
}

fn book_area(
    snapshot: &Snapshot,
    newest: &Arc<Frozen>,
    code: &AreaCode,
    located: Option<(Level, Vec<usize>)>,
    beside: Beside,
) -> BookArea {
    let geography = &newest.release.geography;
    let (level, rows) = located.unwrap_or((Level::ReachArea, Vec::new()));
    let areas = snapshot.areas_version(&geography.version).map(|areas| areas.counted().areas());
    let estimates = rows.iter().filter_map(|row| Some(areas?.get(*row)?.under_fives));
    BookArea {
        name: String::new(),
        code: code.clone(),
        level,
        beside,
        estimate: estimates.fold(0, u32::saturating_add),
    }
}

/// Whether a line's table is permitted, and the measure with it.
pub(super) fn is_permitted(permits: &Permits<'_>, measure: &crate::disclosure::Measure) -> bool {
    permits.contains_key(measure.table())
}
