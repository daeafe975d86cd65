//! The one decision, case by case: each case names the clause that answers it.
//!
//! One table a file; [`the_tables_have_at_least_200_cases`] counts them.

mod explained;
mod figures;
mod intake;
mod permits;
mod records;
mod releases;
mod states;

use std::collections::BTreeSet;

use jiff::civil::{Date, date};

use super::support::{Places, TODAY, area, entry, lsoa, partner, root, template};
use crate::protocol::decision::{FigureQuestion, IntakeQuestion};
use crate::protocol::document::{Protocol, ProtocolVersion};
use crate::protocol::life::{Act, Handling, RevocationReason};
use crate::protocol::permit::{
    ConsentEvidence, ConsentState, IntakePermit, RecordFacts, Whereabouts,
};
use crate::protocol::policy::{Entry, Policy};
use crate::protocol::refusal::{Clause, Refusal};
use crate::protocol::template::Template;
use crate::protocol::vocabulary::{CallerRole, Purpose, SignatoryRole};

#[test]
fn the_tables_have_at_least_200_cases() {
    let all = [
        intake::count(),
        states::count(),
        records::count(),
        figures::count(),
        releases::count(),
        explained::count(),
    ];
    assert!(all.iter().sum::<usize>() >= 200, "{all:?}");
}

/// How a question differs from one that is granted.
struct Case {
    partner: &'static str,
    role: CallerRole,
    protocol: &'static str,
    version: u32,
    record_type: &'static str,
    columns: Vec<&'static str>,
    today: Date,
}

fn good() -> Case {
    Case {
        partner: "health",
        role: CallerRole::Provider,
        protocol: "isp-health",
        version: 1,
        record_type: "health_review",
        columns: vec![
            "record_id",
            "date_of_birth",
            "nhs_number",
            "review",
            "outcome",
            "event_date",
        ],
        today: TODAY,
    }
}

fn ask(policy: &Policy, case: &Case) -> Result<IntakePermit, Refusal> {
    policy.authorise_intake(&IntakeQuestion {
        partner: &partner(case.partner),
        role: case.role,
        protocol: &case.protocol.parse().unwrap(),
        version: ProtocolVersion::new(case.version).unwrap(),
        record_type: case.record_type,
        columns: &case.columns,
        today: case.today,
    })
}

fn answer<T>(result: &Result<T, Refusal>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(refusal) => {
            let pointer = refusal.clause().map_or_else(|| "-".to_owned(), Clause::pointer);
            format!("{} {pointer}", refusal.reason())
        }
    }
}

fn with(entries: Vec<Entry>) -> Policy {
    Policy::compile(1, Some(root()), entries, &Places)
}

fn revocation(party: &str) -> Act {
    Act::Revoke {
        party: partner(party),
        role: SignatoryRole::Siro,
        handling: Handling::Purge,
        reason: RevocationReason::BasisLost,
    }
}

fn record() -> RecordFacts {
    RecordFacts {
        place: Whereabouts::Lsoa(lsoa("E01009522")),
        event_date: date(2026, 4, 1),
        extracted_at: date(2026, 4, 20),
        consent: ConsentEvidence::Reference { state: ConsentState::Declared, given_on: None },
    }
}

fn consent(state: ConsentState, given_on: Option<Date>) -> RecordFacts {
    RecordFacts { consent: ConsentEvidence::Reference { state, given_on }, ..record() }
}

fn figure(policy: &Policy, case: &FigureCase) -> Result<Purpose, Refusal> {
    let confined = case.confined.map(|code| BTreeSet::from([area(code)]));
    let question = FigureQuestion {
        partner: &partner(case.partner),
        role: case.role,
        table: &case.table.parse().unwrap(),
        area: &area(case.area),
        confined_to: confined.as_ref(),
        purpose: case.purpose,
        today: case.today,
    };
    policy.authorise_figure(&question).map(|permit| permit.purpose())
}

struct FigureCase {
    partner: &'static str,
    role: CallerRole,
    table: &'static str,
    area: &'static str,
    confined: Option<&'static str>,
    purpose: &'static str,
    today: Date,
}

fn card() -> FigureCase {
    FigureCase {
        partner: "centres",
        role: CallerRole::Consumer,
        table: "engagement",
        area: "CC01",
        confined: None,
        purpose: "childrens_centre_planning",
        today: TODAY,
    }
}

fn officer() -> FigureCase {
    FigureCase { partner: "authority", role: CallerRole::DataOfficer, area: "E08000026", ..card() }
}

fn auditor() -> FigureCase {
    FigureCase { partner: "oversight", role: CallerRole::Auditor, ..card() }
}

/// All agencies' protocols, some changed, some with further acts.
fn changed(
    change: impl Fn(Template, &mut Protocol),
    acts: impl Fn(Template) -> Vec<Act>,
) -> Policy {
    let entries = Template::ALL.iter().map(|sender| {
        let mut protocol = template(*sender);
        change(*sender, &mut protocol);
        entry(&protocol, &acts(*sender))
    });
    Policy::compile(2, Some(root()), entries, &Places)
}
