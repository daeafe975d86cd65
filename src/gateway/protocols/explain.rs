//! "May we?": the one decision, asked before anybody sends or looks.
//!
//! A caller asks for its own organisation; data officers and auditors for any. The answer
//! to others than a party says no more than the decision itself would tell them.
//!
//! Records may be asked about as a batch with all its columns, or by single fields, a place and
//! a day: "may health send health_review.outcome about E01009600 today?"

use crate::{
    domain::{AreaCode, PartnerId, ProtocolId, RecordType, TableId},
    gateway::{
        Actor, Denied, Gateway, ProtocolRecord, RefusalKind, Refused, Snapshot,
        decide::{Decided, Decision, Declined},
        partners::reads_all,
    },
    protocol::{
        CallerRole, Clause, FigureQuestion, Geography, IntakePermit, IntakeQuestion,
        ProtocolVersion, Purpose, Reason, Refusal, SendingQuestion,
    },
    store::{Effect, Logged},
};
use jiff::civil::Date;

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExplainedAct {
    /// Records would be sent under a protocol.
    Intake {
        /// The protocol relied on.
        protocol: ProtocolId,
        /// The record type, as the caller wrote it.
        record_type: String,
        /// The columns, as the caller wrote them.
        columns: Vec<String>,
    },
    /// Single fields would be sent, about people who live somewhere.
    Sending {
        /// The protocol relied on; any that lists the feed when left out.
        protocol: Option<ProtocolId>,
        /// The record type, as the caller wrote it.
        record_type: String,
        /// The fields, as the caller wrote them.
        fields: Vec<String>,
        /// Where the subjects live: an LSOA or an area.
        area: Option<AreaCode>,
    },
    /// A figure would be looked at.
    Figure {
        /// The table that it comes from.
        table: TableId,
        /// The area that it is about.
        area: AreaCode,
    },
}

/// A question about the decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedQuestion {
    /// Who would act; `None` for the caller's own organisation.
    pub partner: Option<PartnerId>,
    /// The purpose claimed, as the caller wrote it.
    pub purpose: String,
    /// On which day; `None` for today.
    pub day: Option<Date>,
    /// What would be done.
    pub act: ExplainedAct,
}

/// What the decision would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Whether it would be allowed.
    pub allowed: bool,
    /// The clause that allows it, `protocol/version#pointer`; or the refusal's reason code.
    pub clause: String,
    /// The same in words.
    pub sentence: String,
}

impl Gateway {
    /// Answers whether a record or a figure would be allowed on a day, and by which clause.
    ///
    /// # Errors
    /// `not_your_organisation` for another than the caller's, but for data officers and
    /// auditors.
    pub async fn explain_decision(
        &self,
        actor: &Actor,
        question: &ExplainedQuestion,
    ) -> Result<Logged<Explained>, Denied> {
        let logged = self
            .settle(actor, |snapshot| self.decide_explanation(actor, snapshot, question))
            .await?;
        Ok(logged.map(|(_, explained)| explained))
    }

    fn decide_explanation(
        &self,
        actor: &Actor,
        snapshot: &Snapshot,
        question: &ExplainedQuestion,
    ) -> Decision<Explained> {
        let mut leaf = self.look(actor, "protocols");
        let partner = question.partner.as_ref().unwrap_or(&actor.partner);
        if *partner != actor.partner && !reads_all(actor) {
            let sentence = "you may ask for your own organisation only";
            let refused = Refused::new(RefusalKind::Forbidden, "not_your_organisation", sentence);
            return Err(Declined::new(leaf, refused));
        }
        let day = question.day.unwrap_or_else(|| self.today());
        let asked = Asked { partner, purpose: &question.purpose, snapshot, day };
        let answer = match &question.act {
            ExplainedAct::Intake { protocol, record_type, columns } => {
                leaf.notes.record_type = record_type.parse::<RecordType>().ok();
                self.intake_explained(&asked, protocol, record_type, columns)
            }
            ExplainedAct::Sending { protocol, record_type, fields, area } => {
                leaf.notes.record_type = record_type.parse::<RecordType>().ok();
                let protocol = protocol.as_ref();
                self.sending_explained(&asked, protocol, record_type, fields, area.as_ref())
            }
            ExplainedAct::Figure { table, area } => {
                // Only what is known here is named in the log, never what a caller made up.
                leaf.table = self.catalogue.table(table).map(|known| known.id.clone());
                let areas = snapshot.newest_areas().and_then(|areas| areas.area(area));
                leaf.area = areas.map(|known| known.code.clone());
                self.figure_explained(actor, &asked, table, area)
            }
        };
        // Only a partner of the register is named in the log: it takes no free text.
        leaf.notes.about = snapshot.register().partner(partner).map(|(p, _)| p.partner.clone());
        Ok(Decided { leaf, effect: Effect::None, answer })
    }

    fn intake_explained(
        &self,
        asked: &Asked<'_>,
        protocol: &ProtocolId,
        record_type: &str,
        columns: &[String],
    ) -> Explained {
        let record = asked.snapshot.protocol(protocol, 0);
        let version = record.and_then(|record| ProtocolVersion::new(record.stored.version));
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let intake = IntakeQuestion {
            partner: asked.partner,
            role: CallerRole::Provider,
            protocol,
            version: version.unwrap_or(ProtocolVersion::FIRST),
            record_type,
            columns: &columns,
            today: asked.day,
        };
        let policy = asked.snapshot.policy();
        let permit = match policy.authorise_intake(&intake) {
            Ok(permit) => permit,
            Err(refusal) => return refused(&refusal),
        };
        // The permit is dropped: an explanation allows nothing.
        if !asked.purpose.is_empty() && !asked.lists_purpose(&permit) {
            return told(Reason::PurposeNotListed, None);
        }
        let explanation = policy.explain_intake(&intake, None);
        Explained {
            allowed: true,
            clause: written(&permit.clause()),
            sentence: explanation.to_string(),
        }
    }

    fn sending_explained(
        &self,
        asked: &Asked<'_>,
        protocol: Option<&ProtocolId>,
        record_type: &str,
        fields: &[String],
        area: Option<&AreaCode>,
    ) -> Explained {
        let record = protocol.and_then(|protocol| asked.snapshot.protocol(protocol, 0));
        let version = record.and_then(|record| ProtocolVersion::new(record.stored.version));
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let lsoas = area.map(|area| {
            let areas = asked.snapshot.newest_areas();
            let known = areas.and_then(|areas| areas.lsoas(area));
            // An LSOA outside every area of the geography can be asked about, too.
            known.unwrap_or_else(|| area.as_str().parse().into_iter().collect())
        });
        if lsoas.as_ref().is_some_and(Vec::is_empty) {
            return told(Reason::AreaNotCovered, None);
        }
        let question = SendingQuestion {
            partner: asked.partner,
            protocol: protocol.map(|id| (id, version.unwrap_or(ProtocolVersion::FIRST))),
            record_type,
            fields: &fields,
            area: area.zip(lsoas.as_deref()),
            day: asked.day,
            today: self.today(),
        };
        let (explanation, permit) = asked.snapshot.policy().explain_sending(&question);
        if let Err(refusal) = explanation.answer() {
            if refusal.reason() != refusal.reason().told() {
                return refused(refusal);
            }
            let (clause, sentence) = (refusal.reason().code().to_owned(), explanation.to_string());
            return Explained { allowed: false, clause, sentence };
        }
        let Some(permit) = permit else { return told(Reason::FlowNotGranted, None) };
        if !asked.purpose.is_empty() && !asked.lists_purpose(&permit) {
            return told(Reason::PurposeNotListed, None);
        }
        Explained {
            allowed: true,
            clause: written(&permit.clause()),
            sentence: explanation.to_string(),
        }
    }

    fn figure_explained(
        &self,
        actor: &Actor,
        asked: &Asked<'_>,
        table: &TableId,
        area: &AreaCode,
    ) -> Explained {
        let own = actor.partner == *asked.partner;
        let entry = asked.snapshot.register().partner(asked.partner).map(|(entry, _)| entry);
        let roles = if own { Some(&actor.roles) } else { entry.map(|entry| &entry.roles) };
        let confined_to = match (own, entry) {
            (true, _) => actor.areas.as_ref(),
            (false, entry) => entry.map(|e| &e.areas).filter(|areas| !areas.is_empty()),
        };
        let mut nearest = None;
        for role in roles.into_iter().flatten().filter(|role| **role != CallerRole::Provider) {
            let figure = FigureQuestion {
                partner: asked.partner,
                role: *role,
                table,
                area,
                confined_to,
                purpose: asked.purpose,
                today: asked.day,
            };
            let policy = asked.snapshot.policy();
            match policy.authorise_figure(&figure) {
                Ok(permit) => {
                    return Explained {
                        allowed: true,
                        clause: written(permit.clause()),
                        sentence: policy.explain_figure(&figure).to_string(),
                    };
                }
                Err(refusal) => nearest = Some(refusal),
            }
        }
        nearest.map_or_else(|| told(Reason::WrongRole, None), |refusal| refused(&refusal))
    }
}

/// What both kinds of question share.
struct Asked<'a> {
    partner: &'a PartnerId,
    purpose: &'a str,
    snapshot: &'a Snapshot,
    day: Date,
}

impl Asked<'_> {
    /// Whether the permitting protocol lists the purpose claimed.
    fn lists_purpose(&self, permit: &IntakePermit) -> bool {
        let record = self.snapshot.protocol(permit.protocol(), permit.version().number());
        let agreed = record.and_then(ProtocolRecord::agreed);
        let listed = agreed.map_or(&[][..], |(document, _)| &document.purposes);
        Purpose::from_code(self.purpose).is_some_and(|purpose| listed.contains(&purpose))
    }
}

fn written(clause: &Clause) -> String {
    format!("{}/{}#{}", clause.protocol(), clause.version().number(), clause.pointer())
}

/// A refusal as its own caller would be told it.
fn refused(refusal: &Refusal) -> Explained {
    let reason = refusal.reason().told();
    // A reason that hides another hides the clause too.
    let clause = refusal.clause().filter(|_| reason == refusal.reason());
    told(reason, clause)
}

fn told(reason: Reason, clause: Option<&Clause>) -> Explained {
    let place = clause.map(|clause| format!(" ({})", written(clause))).unwrap_or_default();
    Explained {
        allowed: false,
        clause: reason.code().to_owned(),
        sentence: format!("{}{place}", reason.words()),
    }
}
