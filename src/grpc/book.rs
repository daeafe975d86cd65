//! Data books and found figures on the wire.

use crate::{
    disclosure::{Unit, wanted::level_name},
    gateway::{
        Beside, BesideLine, BookAnswer, BookArea, BookLine, BookRequest, ChangeText, FoundFigure,
        PartLine, TargetText,
    },
    wire::v1,
};

impl From<v1::GetDataBookRequest> for BookRequest {
    fn from(wire: v1::GetDataBookRequest) -> Self {
        let v1::GetDataBookRequest { area, quarter, year, purposes } = wire;
        Self { area, quarter, year, purposes }
    }
}

impl From<BookAnswer> for v1::GetDataBookResponse {
    fn from(book: BookAnswer) -> Self {
        let releases = book.releases.into_iter().map(|(quarter, digest)| v1::BookRelease {
            quarter: quarter.to_string(),
            digest: digest.as_bytes().to_vec(),
        });
        Self {
            areas: book.areas.into_iter().map(v1::BookArea::from).collect(),
            quarter: book.quarter.to_string(),
            period: book.period.iter().map(ToString::to_string).collect(),
            lines: book.lines.into_iter().map(v1::BookLine::from).collect(),
            releases: releases.collect(),
            catalogue_version: book.catalogue,
            geography_version: book.geography,
            linkage_note: book.linkage_note.to_owned(),
            sum_note: book.sum_note.to_owned(),
            notices: book.notices.into_iter().map(v1::ReleaseNotice::from).collect(),
            receipt: None,
        }
    }
}

impl From<BookArea> for v1::BookArea {
    fn from(area: BookArea) -> Self {
        let beside = match area.beside {
            Beside::Own => v1::BesideKind::Own,
            Beside::Sibling => v1::BesideKind::Sibling,
            Beside::Inside => v1::BesideKind::Inside,
            Beside::Around => v1::BesideKind::Around,
        };
        Self {
            code: area.code.to_string(),
            name: area.name,
            level: level_name(area.level).to_owned(),
            beside: beside.into(),
            estimated_under_fives: area.estimate,
        }
    }
}

impl From<BookLine> for v1::BookLine {
    fn from(line: BookLine) -> Self {
        Self {
            number: line.number,
            title: line.title,
            definition: line.definition,
            denominator: line.denominator,
            target: line.target,
            standing: line.standing.map(v1::TargetStanding::from),
            figure: Some(line.figure.into()),
            trend: line.trend.into_iter().map(v1::Figure::from).collect(),
            changes: line.changes.into_iter().map(v1::FigureChange::from).collect(),
            parts: line.parts.into_iter().map(v1::BookPart::from).collect(),
            beside: line.beside.into_iter().map(v1::BesideFigure::from).collect(),
            comparisons: line.comparisons,
            feeds: line.feeds.into_iter().map(v1::FeedWeek::from).collect(),
        }
    }
}

impl From<TargetText> for v1::TargetStanding {
    fn from(standing: TargetText) -> Self {
        Self {
            code: standing.code.to_owned(),
            words: standing.words.to_owned(),
            baseline: standing.baseline.map(|quarter| quarter.to_string()).unwrap_or_default(),
            change: standing.change,
            lower: standing.lower,
            upper: standing.upper,
        }
    }
}

impl From<ChangeText> for v1::FigureChange {
    fn from(change: ChangeText) -> Self {
        Self {
            against: change.against.to_owned(),
            since: change.since.to_string(),
            value: change.value,
            lower: change.lower,
            upper: change.upper,
            margin: change.margin,
            unit: change.unit.to_owned(),
            distinct: change.is_distinct,
        }
    }
}

impl From<PartLine> for v1::BookPart {
    fn from(part: PartLine) -> Self {
        let PartLine { title, dimension, figure } = part;
        Self { title, dimension, figure: Some(figure.into()) }
    }
}

impl From<BesideLine> for v1::BesideFigure {
    fn from(line: BesideLine) -> Self {
        let distinct_from = line.distinct_from.iter().map(ToString::to_string).collect();
        Self { figure: Some(line.figure.into()), distinct_from }
    }
}

impl From<FoundFigure> for v1::FoundFigure {
    fn from(found: FoundFigure) -> Self {
        let margin = |error: crate::disclosure::expected::ExpectedError| v1::ExpectedMargin {
            level: level_name(error.level).to_owned(),
            size: error.assumed_size,
            margin: error.margin,
            unit: match error.unit {
                Unit::Count => "count",
                Unit::Percent => "percent",
                Unit::Points => "points",
            }
            .to_owned(),
        };
        let quarter = |which: fn((crate::domain::Quarter, crate::domain::Quarter)) -> _| {
            let found: Option<crate::domain::Quarter> = found.released.map(which);
            found.map(|quarter| quarter.to_string()).unwrap_or_default()
        };
        let (since, until) = (quarter(|(first, _)| first), quarter(|(_, last)| last));
        Self {
            indicator: found.indicator.to_string(),
            number: found.number,
            title: found.title,
            definition: found.definition,
            denominator: found.denominator,
            parts: found
                .parts
                .into_iter()
                .map(|(part, title)| v1::FoundPart { part, title })
                .collect(),
            dimensions: found.dimensions,
            margins: found.margins.into_iter().map(margin).collect(),
            since,
            until,
            fit: found.fit,
        }
    }
}
