//! The facts about a place: geography as published, and what is invented on top of it.
//!
//! Office for National Statistics, Open Government Licence v3.0, contains OS data, Crown copyright and database right
//!
//! LSOA codes, names, centroids, boundaries and postcodes are real; reach areas, clusters and deprivation
//! deciles are invented (src/synth/data/README.md says how).

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The line to show wherever the geography is shown.
pub const ATTRIBUTION: &str = "Office for National Statistics, Open Government Licence v3.0, contains OS data, \
                               Crown copyright and database right";

const AREAS: &str = include_str!("data/areas.csv");
const LSOAS: &str = include_str!("data/lsoas.csv");
const POSTCODES: &str = include_str!("data/postcodes.csv");

/// A place whose facts are built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Coventry, West Midlands: 195 LSOAs of 2011.
    Coventry,
}

impl std::str::FromStr for Place {
    type Err = UnknownPlace;

    /// Parses the place's name in any case ("coventry").
    fn from_str(text: &str) -> Result<Self, UnknownPlace> {
        if text.eq_ignore_ascii_case("coventry") { Ok(Self::Coventry) } else { Err(UnknownPlace) }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Coventry => f.write_str("coventry"),
        }
    }
}

/// No facts are built in for the place that was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no facts are built in for that place; use coventry")]
pub struct UnknownPlace;

/// Everything the demo needs to know about a place.
pub struct PlaceFacts {
    /// The authority's code (E06-E09).
    pub authority_code: &'static str,
    /// The authority's name.
    pub authority_name: &'static str,
    /// Invented groups of neighbouring reach areas, by code.
    pub clusters: Vec<Cluster>,
    /// Invented reach areas, by code; each belongs to one cluster.
    pub areas: Vec<ReachArea>,
    /// LSOAs of 2011, by code; each belongs to one reach area.
    pub lsoas: Vec<Lsoa>,
    /// Postcodes (upper case, one space), in order.
    pub postcodes: Vec<Postcode>,
}

/// A group of neighbouring reach areas.
pub struct Cluster {
    /// `CL1`..`CL8`.
    pub code: &'static str,
    /// Its invented name.
    pub name: &'static str,
}

/// The catchment of one centre, which has the area's code and name.
pub struct ReachArea {
    /// `CC01`..`CC17`.
    pub code: &'static str,
    /// Its invented name.
    pub name: &'static str,
    /// Position in [`PlaceFacts::clusters`].
    pub cluster: usize,
    /// Positions in [`PlaceFacts::lsoas`].
    pub lsoas: Vec<usize>,
}

/// A lower layer super output area of 2011.
pub struct Lsoa {
    /// `E01` and six digits.
    pub code: &'static str,
    /// The published name, as "Coventry 014A".
    pub name: &'static str,
    /// Centroid, degrees east (WGS 84).
    pub longitude: f64,
    /// Centroid, degrees north.
    pub latitude: f64,
    /// Position in [`PlaceFacts::areas`].
    pub area: usize,
    /// Invented deprivation decile, 1 (most deprived) to 10.
    pub decile: u8,
    /// The simplified boundary: one closed ring of (longitude, latitude) in degrees.
    pub boundary: Vec<(f64, f64)>,
}

impl Lsoa {
    /// Whether it is among the most deprived 30%.
    pub fn is_deprived(&self) -> bool {
        self.decile <= 3
    }
}

/// How many LSOAs make up a neighbourhood, at least.
const NEIGHBOURHOOD_LSOAS: usize = 3;

impl PlaceFacts {
    /// A reach area's LSOAs by neighbourhood: in threes, what is left over with the last.
    pub fn neighbourhoods<'a>(&self, lsoas: &'a [usize]) -> Vec<&'a [usize]> {
        let groups = (lsoas.len() / NEIGHBOURHOOD_LSOAS).clamp(1, 6);
        let part = |n: usize| {
            let end = if n + 1 == groups { lsoas.len() } else { (n + 1) * NEIGHBOURHOOD_LSOAS };
            &lsoas[n * NEIGHBOURHOOD_LSOAS..end]
        };
        (0..groups).map(part).collect()
    }
}

/// A postcode and the LSOA it falls in.
pub struct Postcode {
    /// Upper case with one space.
    pub code: String,
    /// Position in [`PlaceFacts::lsoas`].
    pub lsoa: usize,
}

/// The facts of a place; parsed once.
pub fn place(place: Place) -> &'static PlaceFacts {
    static COVENTRY: LazyLock<PlaceFacts> = LazyLock::new(coventry);
    match place {
        Place::Coventry => &COVENTRY,
    }
}

/// The data lines of an embedded file, split at commas. Embedded text is ours: a test checks its shape, so
/// a missing column is an empty string here rather than an error nobody can meet.
fn lines(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().skip(1).map(|line| line.split(',').collect())
}

fn coventry() -> PlaceFacts {
    let mut clusters: Vec<Cluster> = Vec::new();
    let mut areas: Vec<ReachArea> = Vec::new();
    for row in lines(AREAS) {
        if let [code, name, cluster, cluster_name] = row[..] {
            if clusters.last().is_none_or(|last| last.code != cluster) {
                clusters.push(Cluster { code: cluster, name: cluster_name });
            }
            areas.push(ReachArea { code, name, cluster: clusters.len() - 1, lsoas: Vec::new() });
        }
    }
    let mut lsoas = Vec::new();
    for row in lines(LSOAS) {
        if let [code, name, longitude, latitude, area, decile, boundary] = row[..] {
            let area = areas.iter().position(|known| known.code == area).unwrap_or_default();
            areas[area].lsoas.push(lsoas.len());
            lsoas.push(Lsoa {
                code,
                name,
                longitude: longitude.parse().unwrap_or_default(),
                latitude: latitude.parse().unwrap_or_default(),
                area,
                decile: decile.parse().unwrap_or_default(),
                boundary: ring(boundary),
            });
        }
    }
    let position: BTreeMap<&str, usize> =
        lsoas.iter().enumerate().map(|(position, lsoa)| (lsoa.code, position)).collect();
    let mut postcodes: Vec<Postcode> = lines(POSTCODES)
        .filter_map(|row| Some((*position.get(row.first()?)?, *row.get(1)?)))
        .flat_map(|(lsoa, codes)| {
            codes.split(' ').map(move |code| Postcode { code: spaced(code), lsoa })
        })
        .collect();
    postcodes.sort_by(|a, b| a.code.cmp(&b.code));
    PlaceFacts {
        authority_code: "E08000026",
        authority_name: "Coventry",
        clusters,
        areas,
        lsoas,
        postcodes,
    }
}

/// "CV11AH" as "CV1 1AH": the inward part is always the last three characters.
fn spaced(code: &str) -> String {
    let (outward, inward) = code.split_at(code.len().saturating_sub(3));
    format!("{outward} {inward}")
}

/// Pairs in units of 0.0001 degree.
fn ring(text: &str) -> Vec<(f64, f64)> {
    let numbers: Vec<f64> = text.split(' ').filter_map(|n| n.parse::<f64>().ok()).collect();
    numbers.chunks_exact(2).map(|pair| (pair[0] / 10_000.0, pair[1] / 10_000.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coventry_has_its_areas_lsoas_and_postcodes() {
        let facts = place(Place::Coventry);
        assert_eq!(facts.clusters.len(), 8);
        assert_eq!(facts.areas.len(), 17);
        assert_eq!(facts.lsoas.len(), 195);
        assert_eq!(facts.postcodes.len(), 6_337);
        for (number, area) in facts.areas.iter().enumerate() {
            assert_eq!(area.code, format!("CC{:02}", number + 1));
            assert!((11..=12).contains(&area.lsoas.len()), "{}", area.code);
        }
        for lsoa in &facts.lsoas {
            assert!(lsoa.code.starts_with("E01") && lsoa.code.len() == 9);
            assert!((1..=10).contains(&lsoa.decile));
            assert!((52.3..52.5).contains(&lsoa.latitude));
            assert!((-1.7..-1.3).contains(&lsoa.longitude));
            assert!(lsoa.boundary.len() >= 4);
            assert_eq!(lsoa.boundary.first(), lsoa.boundary.last());
        }
        for pair in facts.postcodes.windows(2) {
            assert!(pair[0].code < pair[1].code);
        }
    }

    #[test]
    fn places_parse_by_name() {
        assert_eq!("Coventry".parse(), Ok(Place::Coventry));
        assert_eq!("atlantis".parse::<Place>(), Err(UnknownPlace));
        assert_eq!(Place::Coventry.to_string(), "coventry");
    }

    #[test]
    fn attribution_is_the_published_line() {
        assert!(include_str!("data/README.md").contains(ATTRIBUTION));
    }
}
