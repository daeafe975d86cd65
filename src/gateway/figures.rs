//! Answering with figures: cards and queries, looked up in frozen releases.
//!
//! For each table behind an answer the policy is asked once, and its permit is what lets
//! the figure out. Nothing is counted here, so the same question about the same quarters
//! has the same answer, byte for byte, for ever, or the notice of a release that was
//! withdrawn; the texts of numbers are made in one place ([`FigureText::of`]).
//!
//! Whether an area or an indicator is unknown or only not the caller's can't be told apart.

use super::{
    Actor, DECISIONS, Denied, Gateway, GatewayError, RefusalKind, Refused, Snapshot,
    asked::{AnsweredFrom, Asked},
    close_plan::blame,
    figure_text::{FigureText, ReleaseNotice},
    released::{Frozen, Releases},
};
use crate::{
    audit::{Hash, Leaf, LeafKind, ProtocolReference, Token},
    disclosure::{
        Catalogue, Digest, FeedWeek, Figure, Indicator, Measure, Table, card::LINKAGE_NOTE, figure,
    },
    domain::{AreaCode, IndicatorId, Quarter, TableId},
    protocol::{CallerRole, FigurePermit, FigureQuestion, Purpose, Reason, Refusal},
    store::{ActError, Effect, Logged},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A table that no catalogue has: what an unknown indicator is decided by.
const NO_TABLE: &str = "no_such_table";
/// Roles that may see figures, the widest first.
const READERS: [CallerRole; 3] =
    [CallerRole::DataOfficer, CallerRole::Auditor, CallerRole::Consumer];

/// Asks for an area's card.
#[derive(Debug, Clone)]
pub struct CardRequest {
    /// The area's code.
    pub area: String,
    /// The quarter; empty for the latest released.
    pub quarter: String,
    /// The purposes claimed; each line is shown under the first that its table allows.
    pub purposes: Vec<String>,
}

/// Asks for one indicator of one area.
#[derive(Debug, Clone)]
pub struct QueryRequest {
    /// The indicator.
    pub indicator: String,
    /// The area's code.
    pub area: String,
    /// First quarter; empty for the latest released.
    pub from: String,
    /// Last quarter; empty for the first.
    pub to: String,
    /// The breakdown dimension; empty for the whole.
    pub by: String,
    /// The purpose claimed.
    pub purpose: String,
}

/// One indicator of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardLine {
    /// Its number in the data book.
    pub number: u8,
    /// Its title.
    pub title: String,
    /// What is counted.
    pub definition: String,
    /// Out of what.
    pub denominator: String,
    /// The target, or empty.
    pub target: String,
    /// The card's quarter.
    pub figure: FigureText,
    /// Its parts, where they are published for the area.
    pub parts: Vec<FigureText>,
    /// Earlier quarters, oldest first.
    pub trend: Vec<FigureText>,
    /// The feeds behind it, as fresh as they were at the close.
    pub feeds: Vec<FeedWeek>,
}

/// An area's card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardAnswer {
    /// The area.
    pub area: AreaCode,
    /// Its name.
    pub area_name: String,
    /// The quarter.
    pub quarter: Quarter,
    /// The indicators that the caller may see, in the catalogue's order.
    pub lines: Vec<CardLine>,
    /// What linkage may miss.
    pub linkage_note: &'static str,
    /// The release's digest.
    pub release: Digest,
    /// The notices of the card's quarters that were withdrawn, oldest quarter first.
    pub notices: Vec<ReleaseNotice>,
}

/// One indicator over quarters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryAnswer {
    /// Oldest quarter first; within a quarter in the order of the parts.
    pub figures: Vec<FigureText>,
    /// What is counted.
    pub definition: String,
    /// The notices of the answer's quarters that were withdrawn, oldest first.
    pub notices: Vec<ReleaseNotice>,
}

/// What was decided about an answer.
struct Granted<T> {
    answer: T,
    leaf: Leaf,
    from: AnsweredFrom,
}

/// A refusal with the leaf that says so.
type No = Box<(Leaf, Refused)>;

impl Gateway {
    /// An area's card: every indicator whose table the caller may see for the purpose.
    ///
    /// # Errors
    /// The first table's clause when none is permitted; `not_found` when there is no such
    /// release.
    pub async fn card(
        &self,
        actor: &Actor,
        request: &CardRequest,
    ) -> Result<Logged<CardAnswer>, Denied> {
        let asked = Asked::card(request);
        self.answer(actor, &asked, |snapshot, releases| {
            self.decide_card(actor, request, snapshot, releases)
        })
        .await
    }

    /// One indicator of an area over quarters.
    ///
    /// # Errors
    /// The clause that refused; `not_found` when no quarter of the range is released for
    /// the area.
    pub async fn query_figures(
        &self,
        actor: &Actor,
        request: &QueryRequest,
    ) -> Result<Logged<QueryAnswer>, Denied> {
        let asked = Asked::query(request);
        self.answer(actor, &asked, |snapshot, releases| {
            self.decide_query(actor, request, snapshot, releases)
        })
        .await
    }

    /// Decides on a snapshot, logs, and answers; decides anew where the policy changed.
    async fn answer<T>(
        &self,
        actor: &Actor,
        asked: &Asked,
        decide: impl Fn(&Snapshot, &Releases) -> Result<Granted<T>, No>,
    ) -> Result<Logged<T>, Denied> {
        self.require(actor, &READERS).await?;
        self.require_quorum(actor).await?;
        for _ in 0..DECISIONS {
            let snapshot = self.snapshot();
            let releases = self.releases(&snapshot).await?;
            let granted = match decide(&snapshot, &releases) {
                Ok(granted) => granted,
                Err(no) => {
                    let (mut leaf, refused) = *no;
                    let item = asked.item(actor, None);
                    let kept = self.keep(&mut leaf, vec![item], true)?;
                    return Err(self.refuse_keeping(leaf, refused, kept).await);
                }
            };
            let Granted { answer, mut leaf, from } = granted;
            let item = asked.item(actor, Some(from));
            let effect = self.keep(&mut leaf, vec![item], true)?.with(Effect::None);
            match self.commit(leaf, effect, Some(snapshot.epoch())).await {
                Ok(logged) => return Ok(logged.map(|_| answer)),
                Err(ActError::PolicyChanged) => self.policy_moved(actor).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(GatewayError::Unsettled.into())
    }

    fn decide_card(
        &self,
        actor: &Actor,
        request: &CardRequest,
        snapshot: &Snapshot,
        releases: &Releases,
    ) -> Result<Granted<CardAnswer>, No> {
        let mut asking = Asking::new(self, actor, snapshot, LeafKind::CardAnswered);
        let (area, quarter) = (&request.area, &request.quarter);
        let none = String::new();
        let claimed = request.purposes.first().unwrap_or(&none);
        let area = asking.area(area, claimed)?;
        let quarter = asking.quarter("quarter", quarter)?;
        let mut permits: BTreeMap<&TableId, FigurePermit> = BTreeMap::new();
        let mut first: Option<Refusal> = None;
        for table in tables_of(&self.catalogue) {
            let granted = request
                .purposes
                .iter()
                .skip(1)
                .fold(asking.permit(table, &area, claimed), |granted, purpose| {
                    granted.or_else(|_| asking.permit(table, &area, purpose))
                });
            match granted {
                Ok(permit) => drop(permits.insert(table, permit)),
                Err(refusal) => first = first.or(Some(refusal)),
            }
        }
        let Some(leading) = self.leading(&permits) else {
            return Err(asking.refused_by(first.as_ref()));
        };
        let frozen = match quarter {
            Some(quarter) => releases.of(quarter),
            None => releases.latest(),
        };
        let Some(frozen) = frozen else { return Err(asking.no(Refused::not_found())) };
        let card = releases.card(&self.catalogue, &area, frozen.release.quarter);
        let Ok(card) = card else { return Err(asking.no(Refused::not_found())) };
        asking.grant(leading, frozen);
        for permit in permits.values() {
            asking.from.permit(permit);
        }
        let lines = card.entries.iter().filter_map(|entry| {
            let indicator = self.catalogue.indicator(&entry.figure.indicator)?;
            let table = self.catalogue.table(indicator.measure.table())?;
            permits.get(&table.id)?;
            let shown = |figure: &Figure| {
                let measure = indicator.measure_of(figure.part.as_deref()).ok()?;
                permits.get(measure.table())?;
                Some(releases.shown(FigureText::of(&self.catalogue, figure, measure)))
            };
            Some(CardLine {
                number: entry.number,
                title: indicator.title.clone(),
                definition: entry.definition.clone(),
                denominator: entry.denominator.clone(),
                target: entry.target.clone().unwrap_or_default(),
                figure: shown(&entry.figure)?,
                parts: entry.parts.iter().filter_map(shown).collect(),
                trend: {
                    let before = entry.trend.iter().filter(|figure| figure.period < card.period);
                    before.filter_map(shown).collect()
                },
                feeds: feeds_of(table, &frozen.release.feeds),
            })
        });
        let lines: Vec<CardLine> = lines.collect();
        let figures = lines.iter().flat_map(|line| line.trend.iter().chain([&line.figure]));
        let mut quarters: BTreeSet<Quarter> = figures.map(|figure| figure.quarter).collect();
        quarters.insert(card.period);
        let shown = |frozen: &&Arc<Frozen>| quarters.contains(&frozen.release.quarter);
        for frozen in releases.all().iter().filter(shown) {
            asking.from.release(frozen);
        }
        let answer = CardAnswer {
            area_name: area_name(snapshot, frozen, &area),
            quarter: card.period,
            notices: releases.notices(&quarters),
            lines,
            linkage_note: LINKAGE_NOTE,
            release: frozen.digest,
            area,
        };
        Ok(Granted { answer, leaf: asking.leaf, from: asking.from })
    }

    /// The permit of the first indicator's table that is permitted.
    fn leading<'a>(
        &self,
        permits: &'a BTreeMap<&TableId, FigurePermit>,
    ) -> Option<&'a FigurePermit> {
        self.catalogue.indicators.iter().find_map(|i| permits.get(i.measure.table()))
    }

    fn decide_query(
        &self,
        actor: &Actor,
        request: &QueryRequest,
        snapshot: &Snapshot,
        releases: &Releases,
    ) -> Result<Granted<QueryAnswer>, No> {
        let mut asking = Asking::new(self, actor, snapshot, LeafKind::QueryAnswered);
        let area = asking.area(&request.area, &request.purpose)?;
        let from = asking.quarter("from_quarter", &request.from)?;
        let to = asking.quarter("to_quarter", &request.to)?;
        let indicator = asking.indicator(&request.indicator, &area, &request.purpose)?;
        let parts: Vec<Option<&str>> = match (&indicator.by, request.by.as_str()) {
            (_, "") => vec![None],
            (Some(by), dimension) if by.dimension == dimension => {
                by.parts.iter().map(|part| Some(part.id.as_str())).collect()
            }
            _ => {
                let rule = "a dimension that the catalogue has for the indicator, or empty";
                return Err(asking.no(Refused::invalid("by", rule)));
            }
        };
        let measures: Vec<&Measure> =
            parts.iter().filter_map(|part| indicator.measure_of(*part).ok()).collect();
        let mut permit: Option<FigurePermit> = None;
        for measure in &measures {
            let table = measure.table();
            if permit.as_ref().is_some_and(|permit| permit.table() == table) {
                continue;
            }
            match asking.permit(table, &area, &request.purpose) {
                Ok(granted) => {
                    asking.from.permit(&granted);
                    permit = Some(granted);
                }
                Err(refusal) => return Err(asking.refused_by(Some(&refusal))),
            }
        }
        let Some(permit) = permit else { return Err(asking.no(Refused::not_found())) };
        let latest = releases.latest().map(|frozen| frozen.release.quarter);
        let Some(from) = from.or(latest) else { return Err(asking.no(Refused::not_found())) };
        let to = to.unwrap_or(from);
        let mut figures = Vec::new();
        for frozen in releases.all() {
            if !(from..=to).contains(&frozen.release.quarter) {
                continue;
            }
            for (part, measure) in parts.iter().zip(&measures) {
                let read = figure(&self.catalogue, &frozen.release, &indicator.id, *part, &area);
                if let Ok(read) = read {
                    let text = FigureText::of(&self.catalogue, &read, measure);
                    figures.push(releases.shown(text));
                    asking.grant(&permit, frozen);
                    asking.from.release(frozen);
                }
            }
        }
        if figures.is_empty() {
            return Err(asking.no(Refused::not_found()));
        }
        let quarters: BTreeSet<Quarter> = figures.iter().map(|figure| figure.quarter).collect();
        let notices = releases.notices(&quarters);
        let answer = QueryAnswer { figures, definition: indicator.definition.clone(), notices };
        Ok(Granted { answer, leaf: asking.leaf, from: asking.from })
    }
}

/// One question, with the leaf that grows as it is decided.
struct Asking<'a> {
    gateway: &'a Gateway,
    actor: &'a Actor,
    snapshot: &'a Snapshot,
    leaf: Leaf,
    from: AnsweredFrom,
}

impl<'a> Asking<'a> {
    fn new(gateway: &'a Gateway, actor: &'a Actor, snapshot: &'a Snapshot, kind: LeafKind) -> Self {
        let mut leaf = actor.leaf(kind, gateway);
        leaf.notes.policy_epoch = Some(snapshot.epoch());
        Self { gateway, actor, snapshot, leaf, from: AnsweredFrom::default() }
    }

    fn no(&self, refused: Refused) -> No {
        Box::new((self.leaf.clone(), refused))
    }

    /// The area asked about. The leaf names it only where it exists, and the purpose only
    /// where it is of the vocabulary: the log takes in no text of a caller's own.
    fn area(&mut self, area: &str, purpose: &str) -> Result<AreaCode, No> {
        self.leaf.purpose = Purpose::from_code(purpose).and_then(|p| p.code().parse().ok());
        let Ok(area) = area.parse::<AreaCode>() else {
            return Err(self.no(Refused::invalid("area", "1 to 16 letters, digits or -")));
        };
        let today = self.gateway.today();
        if self.snapshot.areas(today).is_some_and(|areas| areas.area(&area).is_some()) {
            self.leaf.area = Some(area.clone());
        }
        Ok(area)
    }

    fn quarter(&self, field: &'static str, text: &str) -> Result<Option<Quarter>, No> {
        if text.is_empty() {
            return Ok(None);
        }
        let rule = "a year, Q and 1 to 4, like 2026Q1, or empty";
        text.parse().map(Some).map_err(|_| self.no(Refused::invalid(field, rule)))
    }

    /// The indicator; an unknown one is refused like one of a table that is not listed.
    fn indicator(
        &mut self,
        text: &str,
        area: &AreaCode,
        purpose: &str,
    ) -> Result<&'a Indicator, No> {
        let gateway = self.gateway;
        let known = text.parse().ok().and_then(|id: IndicatorId| gateway.catalogue.indicator(&id));
        if let Some(indicator) = known {
            self.leaf.indicator = Some(indicator.id.clone());
            return Ok(indicator);
        }
        let refusal = NO_TABLE.parse().ok().and_then(|t| self.permit(&t, area, purpose).err());
        Err(self.refused_by(refusal.as_ref()))
    }

    /// Asks the policy, in each of the caller's roles; the last refusal is the one told.
    fn permit(
        &self,
        table: &TableId,
        area: &AreaCode,
        purpose: &str,
    ) -> Result<FigurePermit, Refusal> {
        let today = self.gateway.today();
        let ask = |role| {
            self.snapshot.policy().authorise_figure(&FigureQuestion {
                partner: &self.actor.partner,
                role,
                table,
                area,
                confined_to: self.actor.areas.as_ref(),
                purpose,
                today,
            })
        };
        let mut roles = READERS.into_iter().filter(|role| self.actor.may_be(*role));
        // `require` let the caller pass, so that it has one of the roles.
        let first = ask(roles.next().unwrap_or(CallerRole::Consumer));
        roles.fold(first, |decided, role| decided.or_else(|_| ask(role)))
    }

    /// What the caller is told of a refusal. That a table is not listed and that it is
    /// listed for others look the same; the log says which.
    fn refused_by(&mut self, refusal: Option<&Refusal>) -> No {
        if let Some(refusal) = refusal {
            blame(&mut self.leaf, refusal);
        }
        let refused = match refusal.map(|refusal| (refusal, refusal.reason())) {
            Some((
                refusal,
                Reason::AreaNotCovered
                | Reason::PurposeNotListed
                | Reason::SourceNotGranted
                | Reason::ProtocolNotActive
                | Reason::ProtocolSuperseded
                | Reason::ProtocolRevoked
                | Reason::ProtocolSuspended
                | Reason::ProtocolNotYetEffective
                | Reason::ProtocolExpired,
            )) => Refused::by(refusal),
            _ => {
                let reason = Reason::TableNotListed;
                Refused::new(RefusalKind::Forbidden, reason.code(), reason.words())
            }
        };
        self.no(refused)
    }

    /// Writes into the leaf what allowed the answer and which release it is from.
    fn grant(&mut self, permit: &FigurePermit, frozen: &Frozen) {
        let clause = permit.clause();
        self.leaf.purpose = permit.purpose().code().parse().ok();
        self.leaf.legal_basis = permit.legal_basis().gateway.code().parse::<Token>().ok();
        self.leaf.protocol = Some(ProtocolReference {
            digest: Hash::new(*clause.digest().as_bytes()),
            id: clause.protocol().clone(),
            version: clause.version().number(),
        });
        self.leaf.clause = clause.pointer().parse().ok();
        self.leaf.area = Some(permit.area().clone());
        self.leaf.table = Some(permit.table().clone());
        self.leaf.notes.release = Some(Hash::new(*frozen.digest.as_bytes()));
        self.leaf.notes.period = Some(frozen.release.quarter);
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

fn feeds_of(table: &Table, feeds: &[FeedWeek]) -> Vec<FeedWeek> {
    feeds.iter().filter(|feed| table.sources.contains(&feed.record_type)).cloned().collect()
}

/// The name that the area had in the release's own boundaries.
fn area_name(snapshot: &Snapshot, frozen: &Arc<Frozen>, area: &AreaCode) -> String {
    let areas = snapshot.areas_version(&frozen.release.geography.version);
    areas.and_then(|areas| areas.area(area)).map(|a| a.name.clone()).unwrap_or_default()
}
