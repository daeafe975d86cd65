//! What is published, found by the words that people use for it.
//!
//! For any caller of the register, whatever it may see: that a figure exists, at which levels and
//! with which margin, follows from the catalogue that every controller signed, and is what saves
//! an agency from being asked for data a second time. No value is in the answer, and the words
//! of the question are kept nowhere, not even in the log.

use super::{Actor, Denied, Gateway, Refused, book_line::number_of, decide::Decided};
use crate::{
    disclosure::{
        expected::{ExpectedError, expected_errors},
        find,
    },
    domain::{IndicatorId, Quarter},
    store::{Effect, Logged},
};

/// The most characters of a question.
const LONGEST: usize = 200;

/// A published indicator that fits a question.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundFigure {
    /// The indicator.
    pub indicator: IndicatorId,
    /// Its number in the data book.
    pub number: String,
    /// Its title.
    pub title: String,
    /// What is counted.
    pub definition: String,
    /// Out of what.
    pub denominator: String,
    /// Ids and titles of the parts that fit by words of their own.
    pub parts: Vec<(String, String)>,
    /// The dimensions it is published by.
    pub dimensions: Vec<String>,
    /// What to expect at each level it is published for.
    pub margins: Vec<ExpectedError>,
    /// The first and the newest released quarter that have it.
    pub released: Option<(Quarter, Quarter)>,
    /// How well it fits, 0 to 1.
    pub fit: f64,
}

impl Gateway {
    /// The published indicators that fit a question, the best first; all for an empty one.
    ///
    /// # Errors
    /// A violation for a question that is too long.
    pub async fn find_figures(
        &self,
        actor: &Actor,
        question: &str,
    ) -> Result<Logged<Vec<FoundFigure>>, Denied> {
        // Before anything is looked for: a long question would take long.
        if question.chars().count() > LONGEST {
            let refused = Refused::invalid("question", "at most 200 characters");
            return Err(self.refuse_malformed(actor, refused).await);
        }
        let releases = self.releases(&self.snapshot()).await?;
        let found = find(&self.catalogue, question);
        let logged = self
            .settle(actor, |snapshot| {
                let leaf = self.look(actor, "figures");
                let areas = snapshot.areas(self.today());
                let margins = areas
                    .map(|areas| expected_errors(&self.catalogue, areas.counted()))
                    .unwrap_or_default();
                let described = found.iter().filter_map(|found| {
                    let indicator = self.catalogue.indicator(&found.indicator)?;
                    let table = indicator.measure.table();
                    let mut quarters = releases
                        .all()
                        .iter()
                        .filter(|frozen| frozen.release.table(table).is_some())
                        .map(|frozen| frozen.release.quarter);
                    let first = quarters.next();
                    let last = quarters.next_back().or(first);
                    let of_it = |error: &&ExpectedError| {
                        error.indicator == indicator.id && error.part.is_none()
                    };
                    let fits = |id: &String| found.parts.contains(id);
                    let parts = indicator.parts().filter(|part| fits(&part.id));
                    Some(FoundFigure {
                        indicator: indicator.id.clone(),
                        number: number_of(indicator),
                        title: indicator.title.clone(),
                        definition: indicator.definition.clone(),
                        denominator: indicator.denominator.clone(),
                        parts: parts.map(|part| (part.id.clone(), part.title.clone())).collect(),
                        dimensions: indicator.by.iter().map(|by| by.dimension.clone()).collect(),
                        margins: margins.iter().filter(of_it).cloned().collect(),
                        released: first.zip(last),
                        fit: found.fit,
                    })
                });
                Ok(Decided { leaf, effect: Effect::None, answer: described.collect::<Vec<_>>() })
            })
            .await?;
        Ok(logged.map(|(_, found)| found))
    }
}
