//! The one decision, case by case.

use std::collections::BTreeSet;

use jiff::civil::{Date, date};

use super::support::{
    Places, TODAY, active, all_columns, area, entry, fully_signed, keys, lsoa, now, partner,
    register, root, sign, template, whole_policy,
};
use crate::domain::{AreaCode, RecordType};
use crate::protocol::decision::{FigureQuestion, IntakeQuestion};
use crate::protocol::document::{Protocol, ProtocolVersion};
use crate::protocol::life::{Act, Handling, Life, RevocationReason};
use crate::protocol::permit::{
    ConsentEvidence, ConsentState, IntakePermit, RecordFacts, Whereabouts,
};
use crate::protocol::policy::{Entry, Policy};
use crate::protocol::refusal::{Clause, Reason, Refusal};
use crate::protocol::signing::{Draft, Signed, Verified, verify};
use crate::protocol::template::Template;
use crate::protocol::vocabulary::{CallerRole, Purpose, SignatoryRole};

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

#[test]
fn intake_case_by_case() {
    let policy = whole_policy(1);
    let columns = |list: &[&'static str]| list.to_vec();
    let cases: Vec<(Case, &str)> = vec![
        (good(), "ok"),
        (
            Case {
                record_type: "live_birth",
                columns: all_columns(RecordType::LiveBirth),
                ..good()
            },
            "ok",
        ),
        (Case { record_type: "bank_account", ..good() }, "unknown_record_type -"),
        (Case { record_type: "", ..good() }, "unknown_record_type -"),
        (Case { record_type: "Health_review", ..good() }, "unknown_record_type -"),
        (Case { protocol: "isp-police", ..good() }, "protocol_unknown -"),
        (Case { version: 2, ..good() }, "protocol_unknown -"),
        (Case { partner: "dwp", ..good() }, "not_a_party /parties"),
        (Case { partner: "oversight", ..good() }, "not_a_party /parties"),
        (Case { partner: "nobody", ..good() }, "not_a_party /parties"),
        (Case { role: CallerRole::DataOfficer, ..good() }, "wrong_role "),
        (Case { role: CallerRole::Consumer, ..good() }, "wrong_role "),
        (Case { role: CallerRole::Auditor, ..good() }, "wrong_role "),
        (Case { partner: "authority", ..good() }, "flow_not_granted /flows"),
        (Case { record_type: "attendance", ..good() }, "flow_not_granted /flows"),
        (Case { record_type: "family_case", ..good() }, "flow_not_granted /flows"),
        (Case { today: date(2024, 3, 31), ..good() }, "protocol_not_yet_effective /effective"),
        (Case { today: date(2024, 4, 1), ..good() }, "ok"),
        (Case { today: date(2027, 3, 31), ..good() }, "ok"),
        (Case { today: date(2027, 4, 1), ..good() }, "protocol_expired /expires"),
        (
            Case { columns: columns(&["date_of_birth", "review", "outcome", "income"]), ..good() },
            "field_not_listed /flows/1/fields",
        ),
        (
            Case { columns: columns(&["date_of_birth", "review", "outcome", "ulna"]), ..good() },
            "field_not_listed /flows/1/fields",
        ),
        (
            Case { columns: columns(&["date_of_birth", "review", "outcome", ""]), ..good() },
            "field_not_listed /flows/1/fields",
        ),
        (
            Case { columns: columns(&["date_of_birth", "review", "Outcome"]), ..good() },
            "field_not_listed /flows/1/fields",
        ),
        // A field of another record type of the same protocol.
        (
            Case {
                columns: columns(&["date_of_birth", "review", "outcome", "mother_surname"]),
                ..good()
            },
            "field_not_listed /flows/1/fields",
        ),
        (
            Case { columns: columns(&["date_of_birth", "review"]), ..good() },
            "required_field_missing /flows/1/fields/10",
        ),
        (
            Case { columns: columns(&["review", "outcome"]), ..good() },
            "required_field_missing /flows/1/fields/4",
        ),
        (Case { columns: columns(&[]), ..good() }, "required_field_missing /flows/1/fields/4"),
        (Case { columns: columns(&["date_of_birth", "review", "outcome"]), ..good() }, "ok"),
    ];
    for (number, (case, expected)) in cases.iter().enumerate() {
        assert_eq!(answer(&ask(&policy, case)), *expected, "case {number}");
    }
    let listed = ask(&policy, &Case { columns: columns(&["review", "income"]), ..good() });
    assert_eq!(listed.unwrap_err().column(), Some(1));
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

#[test]
fn states_case_by_case() {
    let protocol = template(Template::Health);
    let draft: Signed<Protocol, Draft> = Signed::draft(&protocol.canonical().unwrap()).unwrap();
    let partly = sign::<Protocol>(draft.envelope().clone(), &keys()[0], now());
    let Ok(Verified::Partly(partly)) = verify(partly, &register(&keys()), now()) else { panic!() };
    let unreadable = Entry::Unreadable { id: protocol.id.clone(), version: ProtocolVersion::FIRST };
    let suspend = |party: &str| Act::Suspend { party: partner(party) };
    let other = template(Template::Dwp);
    let mut lost = protocol.clone();
    lost.flows[0].areas = vec![area("CC99")];
    let cases: Vec<(Vec<Entry>, &str)> = vec![
        (vec![], "protocol_unknown -"),
        (vec![Entry::Draft(draft)], "protocol_not_active "),
        (vec![Entry::PartlySigned(partly)], "protocol_not_active "),
        (
            vec![Entry::FullySigned(fully_signed(&protocol), Life::of(&protocol))],
            "protocol_not_active ",
        ),
        (vec![entry(&protocol, &[])], "ok"),
        (vec![entry(&protocol, &[suspend("health")])], "protocol_suspended "),
        // Only its own flows: the authority's suspension leaves Health's running.
        (vec![entry(&protocol, &[suspend("authority")])], "ok"),
        (vec![entry(&protocol, &[revocation("health")])], "protocol_revoked "),
        (vec![entry(&protocol, &[revocation("authority")])], "protocol_revoked "),
        (vec![entry(&protocol, &[suspend("health"), revocation("health")])], "protocol_revoked "),
        (vec![entry(&protocol, &[Act::Supersede])], "protocol_superseded "),
        (
            vec![entry(&protocol, &[Act::Expire { today: date(2028, 1, 1) }])],
            "protocol_expired /expires",
        ),
        (vec![unreadable], "protocol_unreadable -"),
        // Twice the same version: neither counts.
        (vec![entry(&protocol, &[]), entry(&protocol, &[])], "protocol_unreadable -"),
        // An area that does not exist, a life that is another protocol's.
        (vec![entry(&lost, &[])], "protocol_unreadable -"),
        (
            vec![Entry::FullySigned(fully_signed(&protocol), active(&other))],
            "protocol_unreadable -",
        ),
    ];
    for (number, (entries, expected)) in cases.into_iter().enumerate() {
        assert_eq!(answer(&ask(&with(entries), &good())), expected, "case {number}");
    }
}

#[test]
fn a_newer_version_stands_beside_the_one_it_replaces() {
    let first = template(Template::Health);
    let mut second = first.clone();
    second.version = ProtocolVersion::new(2).unwrap();
    second.supersedes = Some(fully_signed(&first).digest());
    let policy = with(vec![entry(&first, &[Act::Supersede]), entry(&second, &[])]);
    assert_eq!(answer(&ask(&policy, &good())), "protocol_superseded ");
    assert_eq!(answer(&ask(&policy, &Case { version: 2, ..good() })), "ok");
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

#[test]
fn records_case_by_case() {
    let policy = whole_policy(1);
    let permit = ask(&policy, &good()).unwrap();
    let at = |code: &str| Whereabouts::Lsoa(lsoa(code));
    let cases = [
        (record(), "ok"),
        (RecordFacts { place: at("E01009700"), ..record() }, "ok"),
        (RecordFacts { place: Whereabouts::NotStated, ..record() }, "ok"),
        (RecordFacts { place: at("E01009999"), ..record() }, "area_not_covered /flows/1/areas"),
        (RecordFacts { place: at("E01009521"), ..record() }, "area_not_covered /flows/1/areas"),
        (
            RecordFacts { place: Whereabouts::NotFound, ..record() },
            "area_not_covered /flows/1/areas",
        ),
        // In force from 2024-04-01, 2,000 days back.
        (
            RecordFacts { event_date: date(2018, 10, 9), ..record() },
            "event_date_outside_term /effective",
        ),
        (
            RecordFacts { event_date: date(2018, 10, 10), ..record() },
            "event_too_old /flows/1/max_backdate_days",
        ),
        (
            RecordFacts { event_date: date(2020, 10, 27), ..record() },
            "event_too_old /flows/1/max_backdate_days",
        ),
        (RecordFacts { event_date: date(2020, 10, 28), ..record() }, "ok"),
        (RecordFacts { event_date: date(2027, 3, 31), ..record() }, "ok"),
        (
            RecordFacts { event_date: date(2027, 4, 1), ..record() },
            "event_date_outside_term /expires",
        ),
        // 900 days of lag until 2026-05-01.
        (
            RecordFacts {
                event_date: date(2023, 11, 1),
                extracted_at: date(2023, 11, 13),
                ..record()
            },
            "ok",
        ),
        (
            RecordFacts {
                event_date: date(2023, 11, 1),
                extracted_at: date(2023, 11, 12),
                ..record()
            },
            "extract_too_late /flows/1/max_lag_days",
        ),
        (RecordFacts { consent: ConsentEvidence::Absent, ..record() }, "ok"),
        (consent(ConsentState::Refused, None), "ok"),
    ];
    for (number, (record, expected)) in cases.iter().enumerate() {
        assert_eq!(answer(&permit.admits(record)), *expected, "case {number}");
    }
}

#[test]
fn consent_case_by_case() {
    let ask_centres = |policy: &Policy| {
        let columns = all_columns(RecordType::Registration);
        let case = Case {
            partner: "centres",
            protocol: "isp-centres",
            record_type: "registration",
            columns,
            ..good()
        };
        ask(policy, &case).unwrap()
    };
    let permit = ask_centres(&whole_policy(1));
    let cases = [
        (consent(ConsentState::Declared, None), "ok"),
        (consent(ConsentState::Given, None), "ok"),
        (
            RecordFacts { consent: ConsentEvidence::Absent, ..record() },
            "consent_missing /flows/0/consent",
        ),
        (consent(ConsentState::Refused, None), "consent_not_given /flows/0/consent"),
        (consent(ConsentState::Withdrawn, None), "consent_not_given /flows/0/consent"),
        (consent(ConsentState::Expired, None), "consent_not_given /flows/0/consent"),
        (consent(ConsentState::Unknown, None), "consent_not_given /flows/0/consent"),
    ];
    for (number, (record, expected)) in cases.iter().enumerate() {
        assert_eq!(answer(&permit.admits(record)), *expected, "case {number}");
    }
    let mut protocol = template(Template::Centres);
    protocol.flows[0].consent_max_age_days = Some(365);
    let permit = ask_centres(&with(vec![entry(&protocol, &[])]));
    let cases = [
        (consent(ConsentState::Given, Some(date(2025, 5, 1))), "ok"),
        (
            consent(ConsentState::Given, Some(date(2025, 4, 30))),
            "consent_not_given /flows/0/consent_max_age_days",
        ),
        (consent(ConsentState::Given, None), "consent_not_given /flows/0/consent_max_age_days"),
        (
            consent(ConsentState::Withdrawn, Some(date(2026, 4, 30))),
            "consent_not_given /flows/0/consent",
        ),
    ];
    for (number, (record, expected)) in cases.iter().enumerate() {
        assert_eq!(answer(&permit.admits(record)), *expected, "aged case {number}");
    }
}

#[test]
fn a_narrower_flow_admits_its_own_areas_only() {
    let mut protocol = template(Template::Health);
    protocol.flows[1].areas = vec![area("CC02"), area("E01009523")];
    let permit = ask(&with(vec![entry(&protocol, &[])]), &good()).unwrap();
    for (code, expected) in
        [("E01009600", "ok"), ("E01009523", "ok"), ("E01009522", "no"), ("E01009700", "no")]
    {
        let facts = RecordFacts { place: Whereabouts::Lsoa(lsoa(code)), ..record() };
        assert_eq!(permit.admits(&facts).is_ok(), expected == "ok", "{code}");
    }
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

#[test]
fn figures_case_by_case() {
    let policy = whole_policy(1);
    let take_up = "early_education_take_up";
    let cases = [
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
    ];
    for (number, (case, expected)) in cases.iter().enumerate() {
        assert_eq!(answer(&figure(&policy, case)), *expected, "case {number}");
    }
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

#[test]
fn releases_case_by_case() {
    use RecordType::{
        Attendance, FundedPlace, HealthReview, LearningAim, LiveBirth, Referral, Registration,
        TwoYearOldEligibility,
    };
    let release = |policy: &Policy, table: &str, needed: &[RecordType]| {
        policy.may_release(&table.parse().unwrap(), needed, TODAY)
    };
    let policy = whole_policy(1);
    let residents = [LiveBirth, HealthReview, Registration, Attendance];
    let twos = [&residents[..], &[TwoYearOldEligibility, FundedPlace]].concat();
    let engagement = release(&policy, "engagement", &residents).unwrap();
    let versions: Vec<_> =
        engagement.protocols().iter().map(|(id, v)| format!("{id}/{v}")).collect();
    assert_eq!(versions, ["isp-centres/1", "isp-health/1"]);
    assert_eq!(
        engagement.purposes(),
        [Purpose::ChildrensCentrePlanning, Purpose::Inspection, Purpose::Audit]
    );
    let permit = release(&policy, "twos", &twos).unwrap();
    assert_eq!(permit.purposes(), [Purpose::EarlyEducationTakeUp]);
    assert_eq!(permit.protocols().len(), 4);
    assert_eq!(release(&policy, "referrals", &[Referral]).unwrap().sources().len(), 2);

    // Benefit data for another table than eligibility.
    let wrong = release(&policy, "engagement", &[Registration, TwoYearOldEligibility]);
    assert_eq!(answer(&wrong), "table_not_listed /outputs");
    let wrong = release(&policy, "births", &[LearningAim]);
    assert_eq!(answer(&wrong), "table_not_listed /outputs");
    let wrong = release(&policy, "engagement", &[Referral]);
    assert_eq!(answer(&wrong), "source_not_granted /outputs/0/sources");
    // Not in the root policy; nothing needed.
    assert_eq!(answer(&release(&policy, "prompt", &residents)), "table_not_listed -");
    assert_eq!(answer(&release(&policy, "births", &[])), "table_not_listed -");
    let none = Policy::compile(1, None, vec![entry(&template(Template::Health), &[])], &Places);
    assert_eq!(answer(&release(&none, "births", &[LiveBirth])), "root_policy_missing -");
    let later = policy.may_release(&"births".parse().unwrap(), &[LiveBirth], date(2028, 1, 1));
    assert_eq!(answer(&later), "root_policy_missing -");
    // Nobody sends it.
    let alone = with(vec![entry(&template(Template::Health), &[])]);
    assert_eq!(answer(&release(&alone, "engagement", &residents)), "flow_not_granted -");

    let stop = |act: Act| {
        move |sender| if sender == Template::Families { vec![act.clone()] } else { vec![] }
    };
    let suspended = changed(|_, _| {}, stop(Act::Suspend { party: partner("families") }));
    assert_eq!(answer(&release(&suspended, "referrals", &[Referral])), "protocol_suspended ");
    assert!(engagement.still_holds(&suspended, TODAY).is_ok());
    let revoked = changed(|_, _| {}, stop(revocation("families")));
    let without = release(&revoked, "referrals", &[Referral]).unwrap();
    assert_eq!(without.sources().len(), 1);
    assert_eq!(without.sources()[0].partner(), &partner("centres"));
    let before = release(&policy, "referrals", &[Referral]).unwrap();
    assert_eq!(answer(&before.still_holds(&revoked, TODAY)), "source_not_granted -");

    // No purpose in common.
    let apart = |sender: Template, protocol: &mut Protocol| {
        if sender == Template::Families {
            for output in &mut protocol.outputs {
                output.sources.retain(|source| source.purpose == Purpose::Audit);
            }
        } else if sender == Template::Centres {
            for output in &mut protocol.outputs {
                output.sources.retain(|source| source.purpose != Purpose::Audit);
            }
        }
    };
    let refused = release(&changed(apart, |_| vec![]), "referrals", &[Referral]);
    assert_eq!(refused.unwrap_err().reason(), Reason::PurposeNotListed);
}

#[test]
fn permits_are_decided_anew_when_the_epoch_changes() {
    let policy = whole_policy(1);
    let intake = ask(&policy, &good()).unwrap();
    assert_eq!((intake.epoch(), intake.clause().pointer().as_str()), (1, "/flows/1"));
    assert_eq!(intake.protocol().as_str(), "isp-health");
    assert_eq!(intake.digest(), fully_signed(&template(Template::Health)).digest());
    assert_eq!(
        intake.legal_basis().to_string(),
        "nhs_act_2006_s251 art6_1_e art9_2_h dpa_sch1_para2"
    );
    assert!(intake.lists(&["date_of_birth", "review", "outcome", "sex"]).is_ok());
    assert_eq!(intake.lists(&["plurality"]).unwrap_err().reason(), Reason::FieldNotListed);

    let suspend = |sender| {
        if sender == Template::Health {
            vec![Act::Suspend { party: partner("health") }]
        } else {
            vec![]
        }
    };
    let suspended = changed(|_, _| {}, suspend);
    assert!(intake.still_holds(&policy, TODAY).is_ok());
    assert_eq!(answer(&intake.still_holds(&suspended, TODAY)), "protocol_suspended ");
    assert_eq!(answer(&intake.still_holds(&policy, date(2027, 4, 1))), "protocol_expired /expires");
    // Listed until now, struck out since.
    let struck = |sender: Template, protocol: &mut Protocol| {
        if sender == Template::Health {
            protocol.flows[1].fields.retain(|field| field.name != "nhs_number");
        }
    };
    let narrower = changed(struck, |_| vec![]);
    assert_eq!(answer(&intake.still_holds(&narrower, TODAY)), "field_not_listed /flows/1/fields");
    let renewed = intake.renew(&whole_policy(7), TODAY).unwrap();
    assert_eq!(renewed.epoch(), 7);

    let areas: BTreeSet<AreaCode> = BTreeSet::from([area("CC01")]);
    let question = FigureQuestion {
        partner: &partner("centres"),
        role: CallerRole::Consumer,
        table: &"engagement".parse().unwrap(),
        area: &area("CC01"),
        confined_to: Some(&areas),
        purpose: "inspection",
        today: TODAY,
    };
    let seen = policy.authorise_figure(&question).unwrap();
    assert_eq!(seen.clause().to_string(), "isp-centres version 1 /outputs/0/audiences/2");
    assert!(seen.still_holds(&suspended, TODAY).is_ok());
    let own =
        |sender| if sender == Template::Centres { vec![revocation("centres")] } else { vec![] };
    assert_eq!(answer(&seen.still_holds(&changed(|_, _| {}, own), TODAY)), "protocol_revoked ");
}

#[test]
fn what_the_caller_is_told_hides_whether_a_protocol_exists() {
    assert_eq!(Reason::NotAParty.told(), Reason::ProtocolUnknown);
    for reason in Reason::ALL.iter().filter(|reason| **reason != Reason::NotAParty) {
        assert_eq!(reason.told(), *reason);
    }
    let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes.len(), Reason::ALL.len());
}
