//! May a figure be seen?

use jiff::civil::date;

use super::super::support::{partner, whole_policy};
use super::{FigureCase, answer, auditor, card, changed, figure, officer, revocation};
use crate::protocol::document::Protocol;
use crate::protocol::life::Act;
use crate::protocol::template::Template;
use crate::protocol::vocabulary::CallerRole;

const OK: &str = "ok";
/// Benefit data go into it, which serve no planning.
const NO: &str = "purpose_not_listed /purposes";
const NONE: &str = "table_not_listed -";

/// Who sees which table of the whole authority (a manager: of its own area), for planning.
#[rustfmt::skip]
const TABLES: [(&str, [&str; 5]); 8] = [
    // table          manager officer auditor health                                    dwp
    ("engagement",   [OK,     OK,     OK,     "audience_not_listed /outputs/0/audiences", NONE]),
    ("under_fives",  [OK,     OK,     OK,     "audience_not_listed /outputs/1/audiences", NONE]),
    ("births",       [OK,     OK,     OK,     "audience_not_listed /outputs/2/audiences", NONE]),
    ("prompt",       [OK,     OK,     OK,     "audience_not_listed /outputs/3/audiences", NONE]),
    ("twos",         [NO,     NO,     NO,     "audience_not_listed /outputs/4/audiences", "audience_not_listed /outputs/0/audiences"]),
    ("referrals",    [OK,     OK,     OK,     "audience_not_listed /outputs/5/audiences", NONE]),
    ("families",     [OK,     OK,     OK,     "audience_not_listed /outputs/6/audiences", NONE]),
    ("family_types", ["audience_not_listed /outputs/7/audiences", OK, OK, "audience_not_listed /outputs/7/audiences", NONE]),
];

pub(super) fn count() -> usize {
    cases().len() + TABLES.iter().map(|(_, cells)| cells.len()).sum::<usize>()
}

#[test]
fn tables_cell_by_cell() {
    let policy = whole_policy(1);
    let sender = |partner| FigureCase { partner, ..officer() };
    let oversight = || FigureCase { area: "E08000026", ..auditor() };
    for (table, cells) in TABLES {
        let callers = [card(), officer(), oversight(), sender("health"), sender("dwp")];
        for (caller, expected) in callers.into_iter().zip(cells) {
            let case = FigureCase { table, ..caller };
            assert_eq!(answer(&figure(&policy, &case)), expected, "{table} by {}", case.partner);
        }
    }
}

fn cases() -> Vec<(FigureCase, &'static str)> {
    let take_up = "early_education_take_up";
    vec![
        (card(), "ok"),
        (officer(), "ok"),
        (FigureCase { confined: Some("CC01"), ..card() }, "ok"),
        (FigureCase { confined: Some("CC02"), ..card() }, "area_not_covered -"),
        (FigureCase { area: "CL1", ..officer() }, "ok"),
        (FigureCase { area: "CC03", ..officer() }, "ok"),
        (FigureCase { area: "CL1", ..card() }, "area_not_covered /outputs/0/audiences/2/areas"),
        (FigureCase { area: "CC99", ..officer() }, "area_not_covered /outputs/0/audiences/0/areas"),
        (
            FigureCase { area: "E01009522", ..officer() },
            "area_not_covered /outputs/0/audiences/0/areas",
        ),
        (FigureCase { table: "incomes", ..card() }, "table_not_listed -"),
        (FigureCase { partner: "nobody", ..card() }, "not_a_party -"),
        // Oversight is an audience and no party.
        (FigureCase { purpose: "audit", ..auditor() }, "ok"),
        (
            FigureCase { role: CallerRole::DataOfficer, ..auditor() },
            "audience_not_listed /outputs/0/audiences",
        ),
        (FigureCase { table: "incomes", ..auditor() }, "table_not_listed -"),
        (
            FigureCase { role: CallerRole::Provider, ..card() },
            "audience_not_listed /outputs/0/audiences",
        ),
        (
            FigureCase { role: CallerRole::DataOfficer, ..card() },
            "audience_not_listed /outputs/0/audiences",
        ),
        (
            FigureCase { partner: "dwp", role: CallerRole::DataOfficer, ..card() },
            "table_not_listed -",
        ),
        (
            FigureCase { partner: "health", role: CallerRole::DataOfficer, ..card() },
            "audience_not_listed /outputs/0/audiences",
        ),
        (FigureCase { purpose: "public_health", ..card() }, "purpose_not_listed /purposes"),
        (FigureCase { purpose: "curiosity", ..card() }, "purpose_not_listed /purposes"),
        (FigureCase { purpose: "", ..card() }, "purpose_not_listed /purposes"),
        (FigureCase { purpose: "inspection", ..card() }, "ok"),
        (FigureCase { purpose: take_up, ..card() }, "purpose_not_listed /outputs/0/sources"),
        (FigureCase { table: "twos", purpose: take_up, ..card() }, "ok"),
        (FigureCase { table: "twos", ..card() }, "purpose_not_listed /purposes"),
        (FigureCase { table: "family_types", ..officer() }, "ok"),
        (
            FigureCase { table: "family_types", area: "CC01", ..officer() },
            "area_not_covered /outputs/7/audiences/0/areas",
        ),
        (
            FigureCase { table: "family_types", ..card() },
            "audience_not_listed /outputs/7/audiences",
        ),
        (FigureCase { today: date(2027, 4, 1), ..card() }, "protocol_expired /expires"),
        (
            FigureCase { today: date(2024, 3, 31), ..card() },
            "protocol_not_yet_effective /effective",
        ),
    ]
}

#[test]
fn figures_case_by_case() {
    let policy = whole_policy(1);
    for (number, (case, expected)) in cases().iter().enumerate() {
        assert_eq!(answer(&figure(&policy, case)), *expected, "case {number}");
    }
}

#[test]
fn each_agency_whose_data_go_into_a_table_has_a_say() {
    let hidden = |sender: Template, protocol: &mut Protocol| {
        if sender == Template::Health {
            protocol.outputs[0].audiences.truncate(2);
        }
    };
    let engagement = "audience_not_listed /outputs/0/audiences";
    let policy = changed(hidden, |_| vec![]);
    assert_eq!(answer(&figure(&policy, &card())), engagement);
    assert_eq!(answer(&figure(&policy, &officer())), "ok");
    // Its word holds while it is suspended and after it has revoked.
    for act in [Act::Suspend { party: partner("health") }, revocation("health")] {
        let acts = |sender| if sender == Template::Health { vec![act.clone()] } else { vec![] };
        assert_eq!(answer(&figure(&changed(hidden, acts), &card())), engagement);
        assert_eq!(answer(&figure(&changed(|_, _| {}, acts), &card())), "ok");
    }
    // Superseded versions have none.
    let gone = |sender| if sender == Template::Health { vec![Act::Supersede] } else { vec![] };
    assert_eq!(answer(&figure(&changed(hidden, gone), &card())), "ok");
    // The caller's own suspension stops its own figures.
    let own = |sender| {
        if sender == Template::Centres {
            vec![Act::Suspend { party: partner("centres") }]
        } else {
            vec![]
        }
    };
    let policy = changed(|_, _| {}, own);
    assert_eq!(answer(&figure(&policy, &card())), "protocol_suspended ");
    assert_eq!(answer(&figure(&policy, &officer())), "ok");
}
