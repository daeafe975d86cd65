//! Two sets of areas compared: what became of each area, and from when on it has figures.
//!
//! Why it exists: a boundary change decides which trends end. Whoever draws one should see that
//! before it is in force; the gateway goes by the same rule
//! ([`super::Geography::rows_before`]): an area's back series is the area of before, or the sum
//! of whole published reach areas, or nothing. A split, and whatever an LSOA moved into or out
//! of, has figures from the next quarter only; that no release is ever counted again for new
//! boundaries is what keeps a shaved-off street from showing as a difference.
//!
//! Sets of different census years are compared by what their LSOAs have in common: a group of
//! LSOAs of 2011 and those of 2021 that cover the same ground is one place here, and an area
//! that holds a part of such a group holds a part of the place.

use super::catalogue::Level;
use crate::domain::AreaCode;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The places of an area: whether it holds each wholly.
pub type Places = BTreeMap<u32, bool>;

/// An area as it is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// What it is.
    pub level: Level,
    /// Its code.
    pub code: AreaCode,
    /// Its name.
    pub name: String,
    /// What it holds.
    pub places: Places,
}

/// What an area of the new set is, seen from the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// As before.
    Unchanged,
    /// As before under another code.
    Renamed,
    /// Several areas of before, whole.
    Merged,
    /// One of the parts that an area of before was divided into.
    Split,
    /// Something moved in or out.
    Redrawn,
    /// On ground that was nobody's before.
    New,
}

/// Where an area's earlier figures come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BackSeries {
    /// They are those of this area of before, of the same level.
    AsPublished(AreaCode),
    /// They are sums of these published reach areas.
    SumOf(Vec<AreaCode>),
    /// There are none: its figures begin with the next quarter.
    FromNextQuarter,
}

/// An area of the new set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Became {
    /// What it is.
    pub level: Level,
    /// Its code.
    pub code: AreaCode,
    /// Its name.
    pub name: String,
    /// What it is, seen from before.
    pub change: Change,
    /// The areas of before, of its level, that it holds anything of.
    pub from: Vec<AreaCode>,
    /// Where its earlier figures come from.
    pub back_series: BackSeries,
}

/// An area of the old set that is not in the new one as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// What it was.
    pub level: Level,
    /// Its code.
    pub code: AreaCode,
    /// Its name.
    pub name: String,
    /// The areas of its level that hold anything of it now.
    pub into: Vec<AreaCode>,
}

/// A place that left its area while the rest of it stayed together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The place.
    pub place: u32,
    /// The reach area that it was in.
    pub from: AreaCode,
    /// The one that it is in now.
    pub to: AreaCode,
}

/// Two sets compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Every area of the new set, in its order.
    pub areas: Vec<Became>,
    /// Every area of the old one whose code or ground is another now.
    pub gone: Vec<Gone>,
    /// What moved between reach areas.
    pub moved: Vec<Moved>,
}

/// Compares two sets.
#[must_use]
pub fn compare(old: &[Drawn], new: &[Drawn]) -> Comparison {
    let areas = new.iter().map(|area| became(old, new, area)).collect();
    let is_same = |area: &Drawn| {
        new.iter().any(|now| {
            (&now.code, now.level, &now.places) == (&area.code, area.level, &area.places)
        })
    };
    let gone = old.iter().filter(|area| !is_same(area)).map(|area| Gone {
        level: area.level,
        code: area.code.clone(),
        name: area.name.clone(),
        into: codes(touching(new, area)),
    });
    Comparison { areas, gone: gone.collect(), moved: moved(old, new) }
}

fn became(old: &[Drawn], new: &[Drawn], area: &Drawn) -> Became {
    let touched: Vec<&Drawn> = touching(old, area).collect();
    let change = match touched[..] {
        [] => Change::New,
        [before] if before.places == area.places && before.code == area.code => Change::Unchanged,
        [before] if before.places == area.places => Change::Renamed,
        [before] if is_divided(before, new) => Change::Split,
        _ if touched.len() > 1 && is_sum(&touched, area) => Change::Merged,
        _ => Change::Redrawn,
    };
    Became {
        level: area.level,
        code: area.code.clone(),
        name: area.name.clone(),
        change,
        from: codes(touched.iter().copied()),
        back_series: back_series(old, area, &touched),
    }
}

fn back_series(old: &[Drawn], area: &Drawn, touched: &[&Drawn]) -> BackSeries {
    if let [before] = touched
        && before.places == area.places
    {
        return BackSeries::AsPublished(before.code.clone());
    }
    let base = old.iter().filter(|before| before.level == Level::ReachArea);
    let parts: Vec<&Drawn> = base.filter(|before| share_ground(before, area)).collect();
    if is_sum(&parts, area) {
        BackSeries::SumOf(codes(parts.into_iter()))
    } else {
        BackSeries::FromNextQuarter
    }
}

/// Whether areas lie wholly inside one, and nothing of it is outside them.
fn is_sum(parts: &[&Drawn], whole: &Drawn) -> bool {
    let covered = |place: &u32| parts.iter().any(|part| part.places.contains_key(place));
    parts.iter().all(|part| is_inside(part, whole))
        && whole.places.iter().all(|(place, is_whole)| *is_whole && covered(place))
}

fn is_inside(part: &Drawn, whole: &Drawn) -> bool {
    part.places.keys().all(|place| whole.places.get(place) == Some(&true))
}

/// Whether an area fell into parts that hold nothing else.
fn is_divided(before: &Drawn, new: &[Drawn]) -> bool {
    let parts: Vec<&Drawn> = touching(new, before).collect();
    parts.len() > 1 && is_sum(&parts, before)
}

fn share_ground(one: &Drawn, other: &Drawn) -> bool {
    one.places.keys().any(|place| other.places.contains_key(place))
}

fn touching<'a>(set: &'a [Drawn], area: &'a Drawn) -> impl Iterator<Item = &'a Drawn> {
    set.iter().filter(move |other| other.level == area.level && share_ground(other, area))
}

fn codes<'a>(areas: impl Iterator<Item = &'a Drawn>) -> Vec<AreaCode> {
    let codes: BTreeSet<&AreaCode> = areas.map(|area| &area.code).collect();
    codes.into_iter().cloned().collect()
}

/// Places that a reach area lost to one that is neither its successor nor a part of it.
fn moved(old: &[Drawn], new: &[Drawn]) -> Vec<Moved> {
    let mut moved = Vec::new();
    for before in old.iter().filter(|area| area.level == Level::ReachArea) {
        let Some(successor) = successor(before, new) else { continue };
        for now in touching(new, before).filter(|now| now.code != successor.code) {
            if is_inside(now, before) || is_inside(before, now) {
                continue;
            }
            let shared = before.places.keys().filter(|place| now.places.contains_key(place));
            moved.extend(shared.map(|place| Moved {
                place: *place,
                from: before.code.clone(),
                to: now.code.clone(),
            }));
        }
    }
    moved.sort_by_key(|moved| moved.place);
    moved
}

/// The area of the same code, or else the one that holds most of it.
fn successor<'a>(before: &Drawn, new: &'a [Drawn]) -> Option<&'a Drawn> {
    let on = new.iter().filter(|now| now.level == before.level && share_ground(now, before));
    let common = |now: &Drawn| before.places.keys().filter(|p| now.places.contains_key(p)).count();
    // Of equals the first by code.
    on.max_by(|a, b| {
        let by_code = (a.code == before.code).cmp(&(b.code == before.code));
        by_code.then(common(a).cmp(&common(b))).then_with(|| b.code.cmp(&a.code))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(code: &str, places: &[u32]) -> Drawn {
        let places = places.iter().map(|place| (*place, true)).collect();
        let level = if code.starts_with("CL") { Level::Cluster } else { Level::ReachArea };
        Drawn { level, code: code.parse().unwrap(), name: code.to_owned(), places }
    }

    fn told(comparison: &Comparison) -> Vec<(&str, Change, String)> {
        let areas = comparison.areas.iter();
        let series = |series: &BackSeries| match series {
            BackSeries::AsPublished(code) => format!("= {code}"),
            BackSeries::SumOf(codes) => {
                codes.iter().map(ToString::to_string).collect::<Vec<_>>().join("+")
            }
            BackSeries::FromNextQuarter => "next".to_owned(),
        };
        areas.map(|a| (a.code.as_str(), a.change, series(&a.back_series))).collect()
    }

    #[test]
    fn each_area_is_named_by_what_happened_to_it() {
        let old = [
            area("CL1", &[1, 2, 3, 4]),
            area("CL2", &[5, 6, 7, 8, 9]),
            area("A", &[1, 2]),
            area("B", &[3]),
            area("C", &[4]),
            area("D", &[5, 6]),
            area("E", &[7, 8]),
            area("F", &[9]),
        ];
        let new = [
            area("CL1", &[1, 2, 3, 4]),
            area("CL3", &[5, 6, 7, 8, 9, 10]),
            area("A", &[1, 2]),
            area("G", &[3, 4]),
            area("H", &[5]),
            area("I", &[6]),
            area("E", &[7]),
            area("F", &[8, 9]),
            area("J", &[10]),
        ];
        let comparison = compare(&old, &new);
        assert_eq!(
            told(&comparison),
            [
                ("CL1", Change::Unchanged, "= CL1".to_owned()),
                ("CL3", Change::Redrawn, "next".to_owned()),
                ("A", Change::Unchanged, "= A".to_owned()),
                ("G", Change::Merged, "B+C".to_owned()),
                ("H", Change::Split, "next".to_owned()),
                ("I", Change::Split, "next".to_owned()),
                ("E", Change::Redrawn, "next".to_owned()),
                ("F", Change::Redrawn, "next".to_owned()),
                ("J", Change::New, "next".to_owned()),
            ]
        );
        let moved: Vec<_> =
            comparison.moved.iter().map(|m| (m.place, m.from.as_str(), m.to.as_str())).collect();
        assert_eq!(moved, [(8, "E", "F")]);
        let gone: Vec<_> = comparison.gone.iter().map(|gone| gone.code.as_str()).collect();
        assert_eq!(gone, ["CL2", "B", "C", "D", "E", "F"]);
        assert_eq!(
            compare(&old, &old).areas.iter().filter(|a| a.change != Change::Unchanged).count(),
            0
        );
    }

    #[test]
    fn a_cluster_of_mergers_and_splits_has_a_back_series_of_its_own() {
        let old =
            [area("CL1", &[1, 2]), area("CL2", &[3, 4]), area("A", &[1, 2]), area("B", &[3, 4])];
        let new =
            [area("CL9", &[1, 2, 3, 4]), area("X", &[1]), area("Y", &[2]), area("B", &[3, 4])];
        let comparison = compare(&old, &new);
        assert_eq!(told(&comparison)[0], ("CL9", Change::Merged, "A+B".to_owned()));
    }

    #[test]
    fn parts_of_a_place_are_no_whole_of_it() {
        let part = |code: &str, places: &[(u32, bool)]| Drawn {
            places: places.iter().copied().collect(),
            ..area(code, &[])
        };
        // Place 2 was divided between A and B; now one of them has it.
        let old = [part("A", &[(1, true), (2, false)]), part("B", &[(2, false), (3, true)])];
        let whole = [part("A", &[(1, true), (2, true)]), part("B", &[(3, true)])];
        let comparison = compare(&old, &whole);
        assert!(told(&comparison).iter().all(|(_, change, _)| *change == Change::Redrawn));
        // Together they are the same ground.
        let one = [part("M", &[(1, true), (2, true), (3, true)])];
        assert_eq!(told(&compare(&old, &one)), [("M", Change::Merged, "A+B".to_owned())]);
        // And the other way round: who has a part of a place has no back series.
        let back = compare(&whole, &old);
        assert!(back.areas.iter().all(|a| a.back_series == BackSeries::FromNextQuarter));
    }
}
