//! An area's card: which tables the caller may see for its purposes, and their lines.

use super::{
    Actor, Gateway, Refused, Snapshot,
    asking::{Asking, No},
    back_series::Drawn,
    figure_text::FigureText,
    figures::{CardAnswer, CardLine, CardRequest, Granted},
    released::{Frozen, Releases},
};
use crate::{
    audit::LeafKind,
    disclosure::{Card, Catalogue, FeedWeek, Figure, Table, card::LINKAGE_NOTE},
    domain::{AreaCode, Quarter, TableId},
    protocol::{FigurePermit, Refusal},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The purposes that a card claims when none is given: planning, and what early-education data
/// may serve.
pub const CARD_PURPOSES: &str = "childrens_centre_planning,early_education_take_up";

/// The permit of each table that the caller may see.
pub(super) type Permits<'a> = BTreeMap<&'a TableId, FigurePermit>;

impl Gateway {
    pub(super) fn decide_card(
        &self,
        actor: &Actor,
        request: &CardRequest,
        snapshot: &Snapshot,
        releases: &Releases,
    ) -> Result<Granted<CardAnswer>, No> {
        let mut asking = Asking::new(self, actor, snapshot, LeafKind::CardAnswered);
        let claimed = request.purposes.first().map_or("", String::as_str);
        let area = asking.area(&request.area, claimed)?;
        let quarter = asking.quarter("quarter", &request.quarter)?;
        asking.few_purposes(&request.purposes)?;
        let (permits, refused) = self.area_permits(&asking, &request.purposes, &area);
        let Some(leading) = self.leading(&permits) else {
            return Err(asking.refused_by(refused.as_ref()));
        };
        let frozen = match quarter {
            Some(quarter) => releases.of(quarter),
            None => releases.latest(),
        };
        let Some(frozen) = frozen else { return Err(asking.no(Refused::not_found())) };
        let drawn = Drawn::new(snapshot, &area, self.today());
        let card = drawn.and_then(|drawn| {
            releases.card(&self.catalogue, &area, frozen.release.quarter, &drawn).ok()
        });
        let Some(card) = card else { return Err(asking.no(Refused::not_found())) };
        asking.grant(leading, frozen);
        for permit in permits.values() {
            asking.from.permit(permit);
        }
        let lines = self.card_lines(&card, &permits, frozen, releases);
        let figures = lines.iter().flat_map(|line| line.trend.iter().chain([&line.figure]));
        let mut quarters: BTreeSet<Quarter> = figures.map(|figure| figure.quarter).collect();
        quarters.insert(card.period);
        let shown = |frozen: &&Arc<Frozen>| quarters.contains(&frozen.release.quarter);
        for frozen in releases.all().iter().filter(shown) {
            asking.from.release(frozen);
        }
        let answer = CardAnswer {
            area_name: self.area_name(snapshot, frozen, &area),
            quarter: card.period,
            notices: releases.notices(&quarters),
            lines,
            linkage_note: LINKAGE_NOTE,
            release: frozen.digest,
            area,
        };
        Ok(Granted { answer, leaf: asking.leaf, from: asking.from })
    }

    /// Asks for each table under the purposes in their order; the refusal is the first table's.
    pub(super) fn area_permits(
        &self,
        asking: &Asking<'_>,
        purposes: &[String],
        area: &AreaCode,
    ) -> (Permits<'_>, Option<Refusal>) {
        let (mut permits, mut first) = (Permits::new(), None);
        let mut purposes = purposes.iter().map(String::as_str);
        let claimed = purposes.next().unwrap_or_default();
        for table in tables_of(&self.catalogue) {
            let ask = |purpose| asking.permit(table, area, purpose);
            let granted = purposes
                .clone()
                .fold(ask(claimed), |granted, purpose| granted.or_else(|_| ask(purpose)));
            match granted {
                Ok(permit) => drop(permits.insert(table, permit)),
                Err(refusal) => first = first.or(Some(refusal)),
            }
        }
        (permits, first)
    }

    /// The lines whose tables are permitted, in the catalogue's order.
    fn card_lines(
        &self,
        card: &Card,
        permits: &Permits<'_>,
        frozen: &Frozen,
        releases: &Releases,
    ) -> Vec<CardLine> {
        let lines = card.entries.iter().filter_map(|entry| {
            let indicator = self.catalogue.indicator(&entry.figure.indicator)?;
            let table = self.catalogue.table(indicator.measure.table())?;
            permits.get(&table.id)?;
            let shown = |figure: &Figure| {
                let measure = indicator.measure_of(figure.part.as_deref()).ok()?;
                permits.get(measure.table())?;
                Some(releases.shown(FigureText::of(&self.catalogue, figure, measure)))
            };
            let before = entry.trend.iter().filter(|figure| figure.period < card.period);
            Some(CardLine {
                number: entry.number,
                title: indicator.title.clone(),
                definition: entry.definition.clone(),
                denominator: entry.denominator.clone(),
                target: entry.target.as_ref().map(|t| t.words.clone()).unwrap_or_default(),
                figure: shown(&entry.figure)?,
                parts: entry.parts.iter().filter_map(shown).collect(),
                trend: before.filter_map(shown).collect(),
                feeds: feeds_of(table, &frozen.release.feeds),
            })
        });
        lines.collect()
    }

    /// The name that the area has in the release's own boundaries; where these don't have it, as it
    /// is drawn since.
    pub(super) fn area_name(
        &self,
        snapshot: &Snapshot,
        frozen: &Frozen,
        area: &AreaCode,
    ) -> String {
        let of_then = snapshot.areas_version(&frozen.release.geography.version);
        let of_then = of_then.filter(|areas| areas.area(area).is_some());
        let areas = of_then.or_else(|| snapshot.areas_with(area, self.today()));
        areas.and_then(|areas| areas.area(area)).map(|a| a.name.clone()).unwrap_or_default()
    }

    /// The permit of the first indicator's table that is permitted.
    pub(super) fn leading<'a>(&self, permits: &'a Permits<'_>) -> Option<&'a FigurePermit> {
        self.catalogue.indicators.iter().find_map(|i| permits.get(i.measure.table()))
    }
}

/// Every table that an indicator or a part reads, in the catalogue's order of indicators.
fn tables_of(catalogue: &Catalogue) -> Vec<&TableId> {
    let mut tables: Vec<&TableId> = Vec::new();
    for indicator in &catalogue.indicators {
        let measures = indicator.parts().map(|part| &part.measure);
        for measure in std::iter::once(&indicator.measure).chain(measures) {
            if !tables.contains(&measure.table()) {
                tables.push(measure.table());
            }
        }
    }
    tables
}

pub(super) fn feeds_of(table: &Table, feeds: &[FeedWeek]) -> Vec<FeedWeek> {
    feeds.iter().filter(|feed| table.sources.contains(&feed.record_type)).cloned().collect()
}
