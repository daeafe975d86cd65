//! Outlines of areas, from those of their LSOAs.
//!
//! Why from edges: neighbours share theirs, each in its own direction. What two LSOAs of one area
//! share lies inside it, so an area's outline is what is left once every edge has met its
//! reverse. A map of outlines is a tenth of the size of one of LSOAs, and shows nothing below the
//! areas that figures are released for.

use crate::domain::Lsoa;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Positions are kept in units of 0.0001 degree: about ten metres.
const UNITS: f64 = 10_000.0;

/// A position: (east, north) in units.
pub(super) type Point = (i32, i32);

/// Rings of LSOAs of 2011.
#[derive(Debug, Clone, Default)]
pub struct Boundaries(BTreeMap<Lsoa, Vec<Vec<Point>>>);

/// A file of boundaries can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BoundariesError {
    /// Not GeoJSON (RFC 7946) of polygons.
    #[error("boundaries: a GeoJSON FeatureCollection of Polygons or MultiPolygons, in degrees")]
    Form,
    /// A feature's code is none.
    #[error("boundaries: each feature has the property LSOA11CD, an LSOA's code")]
    Code,
}

#[derive(Deserialize)]
struct Collection {
    features: Vec<Feature>,
}

#[derive(Deserialize)]
struct Feature {
    properties: Properties,
    geometry: Geometry,
}

#[derive(Deserialize)]
struct Properties {
    #[serde(rename = "LSOA11CD")]
    code: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "coordinates")]
enum Geometry {
    Polygon(Vec<Vec<Vec<f64>>>),
    MultiPolygon(Vec<Vec<Vec<Vec<f64>>>>),
}

impl Boundaries {
    /// From a GeoJSON text.
    ///
    /// # Errors
    /// When it is of another form.
    pub fn read(text: &str) -> Result<Self, BoundariesError> {
        let collection: Collection =
            serde_json::from_str(text).map_err(|_| BoundariesError::Form)?;
        let mut all = BTreeMap::new();
        for Feature { properties, geometry } in collection.features {
            let code = properties.code.parse().map_err(|_| BoundariesError::Code)?;
            let polygons = match geometry {
                Geometry::Polygon(rings) => vec![rings],
                Geometry::MultiPolygon(polygons) => polygons,
            };
            let rings = polygons.iter().flatten().map(|ring| units(ring));
            all.insert(code, rings.collect::<Option<_>>().ok_or(BoundariesError::Form)?);
        }
        Ok(Self(all))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The outline of an area of these LSOAs: rings, without those of it that lie inside.
    pub(super) fn outline(&self, lsoas: &[Lsoa]) -> Vec<Vec<Point>> {
        let mut edges: BTreeSet<(Point, Point)> = BTreeSet::new();
        for ring in lsoas.iter().filter_map(|lsoa| self.0.get(lsoa)).flatten() {
            for pair in ring.windows(2) {
                let (from, to) = (pair[0], pair[1]);
                if from != to && !edges.remove(&(to, from)) {
                    edges.insert((from, to));
                }
            }
        }
        let mut rings = Vec::new();
        while let Some((first, mut at)) = edges.pop_first() {
            let mut ring = vec![first];
            while at != first {
                ring.push(at);
                let next = edges.range((at, (i32::MIN, i32::MIN))..).next().copied();
                let Some((from, to)) = next.filter(|(from, _)| *from == at) else { break };
                edges.remove(&(from, to));
                at = to;
            }
            rings.push(ring);
        }
        rings
    }
}

/// A ring in units, the first point again at its end.
fn units(ring: &[Vec<f64>]) -> Option<Vec<Point>> {
    let unit = |degrees: f64| {
        let units = (degrees * UNITS).round();
        // What a number of degrees can be.
        (units.abs() <= 180.0 * UNITS).then(|| format!("{units:.0}").parse().ok()).flatten()
    };
    let point = |pair: &Vec<f64>| Some((unit(*pair.first()?)?, unit(*pair.get(1)?)?));
    ring.iter().map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two squares side by side, and one apart.
    fn squares() -> Boundaries {
        let square = |code: &str, x: f64| {
            format!(
                "{{\"type\":\"Feature\",\"properties\":{{\"LSOA11CD\":\"{code}\"}},\"geometry\":\
                 {{\"type\":\"Polygon\",\"coordinates\":[[[{x},0],[{0},0],[{0},1],[{x},1],[{x},0]]]}}}}",
                x + 1.0
            )
        };
        let all = [square("E01000001", 0.0), square("E01000002", 1.0), square("E01000003", 5.0)];
        let text = format!("{{\"type\":\"FeatureCollection\",\"features\":[{}]}}", all.join(","));
        Boundaries::read(&text).unwrap()
    }

    #[test]
    fn what_two_share_lies_inside() {
        let lsoa = |code: &str| code.parse::<Lsoa>().unwrap();
        let both = squares().outline(&[lsoa("E01000001"), lsoa("E01000002")]);
        // One ring of six corners: the shared side is gone.
        assert_eq!(both.iter().map(Vec::len).collect::<Vec<_>>(), [6]);
        let apart = squares().outline(&[lsoa("E01000001"), lsoa("E01000003")]);
        assert_eq!(apart.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4]);
        assert!(squares().outline(&[lsoa("E01000009")]).is_empty());
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(Boundaries::read("{}").err(), Some(BoundariesError::Form));
        let point = "{\"features\":[{\"properties\":{\"LSOA11CD\":\"x\"},\"geometry\":\
                     {\"type\":\"Polygon\",\"coordinates\":[]}}]}";
        assert_eq!(Boundaries::read(point).err(), Some(BoundariesError::Code));
        let far = "{\"features\":[{\"properties\":{\"LSOA11CD\":\"E01000001\"},\"geometry\":\
                   {\"type\":\"Polygon\",\"coordinates\":[[[400000,1]]]}}]}";
        assert_eq!(Boundaries::read(far).err(), Some(BoundariesError::Form));
    }
}
