//! Requests for tables that are not published: recorded, costed, decided.
//!
//! A request changes nothing that is counted. It is entered with its price in privacy beside it,
//! computed from catalogue and limits alone; a data officer grants or refuses it, once, with a
//! reason; and a granted table is counted only once it stands in a catalogue that all controllers
//! have signed. Who asked, that it was asked and how it was decided are leaves; the words stay in
//! the store, for those who decide.

use super::{
    Actor, Denied, Gateway, RefusalKind, Refused,
    close_plan::limits,
    decide::{Decided, Declined},
};
use crate::{
    audit::{Hash, LeafKind},
    disclosure::{Limits, WantedTable, catalogue::Base, wanted::MOST_CELLS, wanted::Rhythm},
    protocol::{CallerRole, Purpose},
    store::{
        ActError, Effect, Logged, Outcome, Rights, StoreError,
        table_requests::{self, NewRequest, State},
    },
};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// A run of so many digits in a text could be somebody's number.
const LONGEST_NUMBER: usize = 5;
/// Open requests of one organisation: whoever decides reads them all.
const MOST_OPEN: usize = 20;
const TOO_MANY: Refused = Refused::new(
    RefusalKind::Conflict,
    "too_many_requests_open",
    "twenty of your organisation's requests are open: ask again when some are decided",
);
/// The lifetimes that are taken where none is named.
const USUAL_PERIODS: (u32, u32) = (20, 5);

/// A request as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRequest {
    /// As kept.
    pub kept: table_requests::Request,
    /// What is wanted.
    pub wanted: WantedTable,
}

impl State {
    /// The code that programs read, and the decision's leaf has.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Granted => "granted",
            Self::Refused => "refused",
        }
    }
}

impl Gateway {
    /// Enters a request; tells its number and what the table would cost, JSON.
    ///
    /// # Errors
    /// Violations by field; `no_geography` while no areas are in force.
    pub async fn ask_table(
        &self,
        actor: &Actor,
        wanted: WantedTable,
    ) -> Result<Logged<(u64, String)>, Denied> {
        let wanted = match checked(wanted) {
            Ok(wanted) => wanted,
            Err((field, rule)) => {
                return Err(self.refuse_malformed(actor, Refused::invalid(field, rule)).await);
            }
        };
        let own = |request: &&TableRequest| {
            request.kept.partner == actor.partner && request.kept.state == State::Open
        };
        if self.table_requests().await?.iter().filter(own).count() >= MOST_OPEN {
            return Err(self.refuse_malformed(actor, TOO_MANY).await);
        }
        let logged = self
            .settle(actor, |snapshot| {
                let mut leaf = actor.leaf(LeafKind::TableAsked, self);
                let Some(areas) = snapshot.areas(self.today()) else {
                    let sentence = "no geography is in force, so that nothing can be costed";
                    let refused = Refused::new(RefusalKind::NotFound, "no_geography", sentence);
                    return Err(Declined::new(leaf, refused));
                };
                let root = snapshot.policy().root().and_then(|root| limits(root.document()));
                let limits = root.unwrap_or_else(Limits::recommended);
                let cost = wanted.cost(&self.catalogue, areas.counted(), limits);
                let texts = serde_json::to_string(&wanted)
                    .and_then(|document| Ok((document, serde_json::to_string(&cost)?)));
                let Ok((document, cost)) = texts else {
                    let refused = Refused::invalid("wanted", "a table that can be kept");
                    return Err(Declined::new(leaf, refused));
                };
                leaf.purpose = wanted.purpose.parse().ok();
                leaf.notes.document = Some(digest(&document));
                let new =
                    NewRequest { partner: actor.partner.clone(), document, cost: cost.clone() };
                Ok(Decided { leaf, effect: Effect::AskTable(Box::new(new)), answer: cost })
            })
            .await?;
        Ok(logged.map(|(outcome, cost)| match outcome {
            Outcome::Total(number) => (number, cost),
            _ => (0, cost),
        }))
    }

    /// The requests, the oldest first: all for data officers and auditors, else those of the
    /// caller's own organisation.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn list_table_requests(
        &self,
        actor: &Actor,
    ) -> Result<Logged<Vec<TableRequest>>, Denied> {
        let sees_all = [CallerRole::DataOfficer, CallerRole::Auditor];
        let sees_all = sees_all.into_iter().any(|role| actor.may_be(role));
        let mut all = self.table_requests().await?;
        all.retain(|request| sees_all || request.kept.partner == actor.partner);
        let logged = self
            .settle(actor, |_| {
                let leaf = self.look(actor, "table_requests");
                Ok(Decided { leaf, effect: Effect::None, answer: all.clone() })
            })
            .await?;
        Ok(logged.map(|(_, all)| all))
    }

    /// Decides an open request, once.
    ///
    /// # Errors
    /// `wrong_role` but for data officers; `not_found`; `already_decided`; a violation for a
    /// reason that is none.
    pub async fn decide_table_request(
        &self,
        actor: &Actor,
        number: u64,
        granted: bool,
        reason: &str,
    ) -> Result<Logged<()>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer]).await?;
        if let Err(rule) = words(reason, 500) {
            return Err(self.refuse_malformed(actor, Refused::invalid("reason", rule)).await);
        }
        // Decided by somebody else meanwhile, the second look says so.
        for _ in 0..2 {
            let all = self.table_requests().await?;
            let Some(request) = all.iter().find(|request| request.kept.number == number) else {
                return Err(self.refuse_malformed(actor, Refused::not_found()).await);
            };
            if request.kept.state != State::Open {
                let sentence = "the request is decided; enter another one to ask again";
                let refused = Refused::new(RefusalKind::Conflict, "already_decided", sentence);
                return Err(self.refuse_malformed(actor, refused).await);
            }
            let mut leaf = actor.leaf(LeafKind::TableDecided, self);
            let state = if granted { State::Granted } else { State::Refused };
            leaf.notes.cause = state.code().parse().ok();
            leaf.notes.about = Some(request.kept.partner.clone());
            leaf.notes.document = Some(digest(&request.kept.document));
            let decided =
                table_requests::Decided { number, granted, reason: reason.trim().to_owned() };
            let effect = Effect::DecideTable(Box::new(decided));
            match self.commit(leaf, effect, None).await {
                Ok(logged) => return Ok(logged.map(|_| ())),
                Err(ActError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(super::GatewayError::Unsettled.into())
    }

    async fn table_requests(&self) -> Result<Vec<TableRequest>, StoreError> {
        let mut tx = self.store.read(Rights::Figures).await?;
        let all = table_requests::all(&mut tx).await?;
        all.into_iter()
            .map(|kept| {
                let row = i64::try_from(kept.number).unwrap_or(i64::MAX);
                let column = "document";
                let wanted = serde_json::from_str(&kept.document)
                    .map_err(|_| StoreError::Corrupt { table: "table_request", column, row })?;
                Ok(TableRequest { kept, wanted })
            })
            .collect()
    }
}

fn digest(document: &str) -> Hash {
    Hash::new(Sha256::digest(document.as_bytes()).into())
}

/// A text of words: nothing that could be somebody's number.
fn words(text: &str, most: usize) -> Result<(), &'static str> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > most || text.chars().any(char::is_control) {
        return Err("words on one line, of the length that is allowed");
    }
    let mut run = 0;
    for c in text.chars() {
        run = match c {
            c if c.is_numeric() => run + 1,
            c if c.is_alphabetic() => 0,
            // As numbers and dates are printed: in groups.
            _ => run,
        };
        if run > LONGEST_NUMBER {
            return Err("words about nobody: no number of six digits or more, also in groups");
        }
    }
    Ok(())
}

/// The request with what it left out, or the first field at fault and its rule.
fn checked(mut wanted: WantedTable) -> Result<WantedTable, (&'static str, &'static str)> {
    words(&wanted.title, 120).map_err(|rule| ("title", rule))?;
    words(&wanted.reason, 500).map_err(|rule| ("reason", rule))?;
    if Purpose::from_code(&wanted.purpose).is_none() {
        return Err(("purpose", "a purpose of the protocols' vocabulary"));
    }
    let most = usize::try_from(MOST_CELLS).unwrap_or(usize::MAX);
    let distinct: BTreeSet<&String> = wanted.cells.iter().collect();
    if wanted.cells.is_empty() || wanted.cells.len() > most || distinct.len() < wanted.cells.len() {
        return Err(("cells", "1 to 64, each once"));
    }
    for cell in &wanted.cells {
        words(cell, 60).map_err(|rule| ("cells", rule))?;
    }
    let usual = match wanted.rhythm {
        Rhythm::Quarterly => USUAL_PERIODS.0,
        Rhythm::Yearly => USUAL_PERIODS.1,
    };
    if wanted.periods == 0 {
        wanted.periods = usual;
    }
    if wanted.periods > 400 {
        return Err(("periods", "0 to 400"));
    }
    if wanted.per_thousand == 0 {
        wanted.per_thousand = 1_000;
    }
    if wanted.per_thousand > 10_000 {
        return Err(("per_thousand", "0 to 10,000"));
    }
    wanted.title = wanted.title.trim().to_owned();
    wanted.reason = wanted.reason.trim().to_owned();
    Ok(wanted)
}

/// What a base is called on the wire.
#[must_use]
pub fn base_of(name: &str) -> Option<Base> {
    match name {
        "reach_area" => Some(Base::ReachArea),
        "authority" => Some(Base::Authority),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> WantedTable {
        WantedTable {
            title: " Fathers at centres ".to_owned(),
            purpose: "childrens_centre_planning".to_owned(),
            reason: "A course for 12 fathers".to_owned(),
            cells: vec!["came".to_owned(), "did not".to_owned()],
            base: Base::ReachArea,
            rhythm: Rhythm::Yearly,
            periods: 0,
            per_thousand: 0,
        }
    }

    #[test]
    fn what_is_left_out_is_filled_in_and_what_is_wrong_is_named() {
        let read = checked(wanted()).unwrap();
        assert_eq!(
            (read.title.as_str(), read.periods, read.per_thousand),
            ("Fathers at centres", 5, 1_000)
        );
        type Spoil = fn(&mut WantedTable);
        let spoils: [(&str, Spoil); 9] = [
            ("title", |w| w.title = "  ".to_owned()),
            ("reason", |w| w.reason = "of 9990000000".to_owned()),
            ("reason", |w| w.reason = "of 999 000 0000".to_owned()),
            ("reason", |w| w.reason = "born on 01/02/2023".to_owned()),
            ("reason", |w| w.reason = "QQ 12 34 56 C".to_owned()),
            ("purpose", |w| w.purpose = "marketing".to_owned()),
            ("cells", |w| w.cells.push("came".to_owned())),
            ("cells", |w| w.cells.clear()),
            ("periods", |w| w.periods = 401),
        ];
        for (field, spoil) in spoils {
            let mut wrong = wanted();
            spoil(&mut wrong);
            assert_eq!(checked(wrong).unwrap_err().0, field);
        }
    }
}
