//! Answering with figures: cards and queries, looked up in frozen releases.
//!
//! For each table behind an answer the policy is asked once, and its permit is what lets
//! the figure out. Nothing is counted here, so the same question about the same quarters
//! has the same answer, byte for byte, for ever, or the notice of a release that was
//! withdrawn; the texts of numbers are made in one place ([`FigureText::of`]).
//!
//! Whether an area or an indicator is unknown or only not the caller's can't be told apart.

use super::{
    Actor, DECISIONS, Denied, Gateway, GatewayError, Refused, Snapshot,
    asked::{AnsweredFrom, Asked},
    asking::{Asking, No, READERS},
    back_series::Drawn,
    figure_text::{FigureText, ReleaseNotice},
    released::Releases,
};
use crate::{
    audit::{Leaf, LeafKind},
    disclosure::{Digest, FeedWeek, Measure, figure_of_rows},
    domain::{AreaCode, Quarter},
    protocol::FigurePermit,
    store::{ActError, Effect, Logged},
};
use std::collections::BTreeSet;

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
pub(super) struct Granted<T> {
    pub(super) answer: T,
    pub(super) leaf: Leaf,
    pub(super) from: AnsweredFrom,
}

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
    pub(super) async fn answer<T>(
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
        let parts: Vec<Option<&str>> = match (request.by.as_str(), indicator.parts_by(&request.by))
        {
            ("", _) => vec![None],
            (_, Some(parts)) => parts.iter().map(|part| Some(part.id.as_str())).collect(),
            (_, None) => {
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
        let asked = || {
            let all = releases.all().iter();
            all.filter(move |frozen| (from..=to).contains(&frozen.release.quarter))
        };
        let drawn = Drawn::new(snapshot, &area, self.today());
        let mut figures = Vec::new();
        for frozen in asked() {
            let release = &frozen.release;
            let Some(rows) = drawn.as_ref().and_then(|drawn| drawn.rows_of(release)) else {
                continue;
            };
            for (part, measure) in parts.iter().zip(&measures) {
                let (id, rows) = (&indicator.id, rows.clone());
                let read = figure_of_rows(&self.catalogue, release, id, *part, &area, rows);
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
