//! What the decision needs to know of places: given by the caller, so that this room reads no store.

use super::vocabulary::AreaLevel;
use crate::domain::{AreaCode, Lsoa};

/// The geography in force, as far as protocols name it.
pub trait Geography {
    /// The LSOAs of an area: the one of an LSOA code, all of a reach area's or of whatever holds some;
    /// `None` for an unknown code.
    fn lsoas(&self, area: &AreaCode) -> Option<Vec<Lsoa>>;

    /// The published areas (reach area, cluster, lead agency, authority) that nest in `area`, itself included, with
    /// their levels; `None` for a code that is not published.
    fn nested(&self, area: &AreaCode) -> Option<Vec<(AreaCode, AreaLevel)>>;

    /// Whether an area is published.
    fn holds(&self, area: &AreaCode) -> bool {
        self.nested(area).is_some()
    }
}
