//! May a table be released, from whose data?

use jiff::civil::date;

use super::super::support::{Places, TODAY, entry, partner, root, template, whole_policy};
use super::{answer, changed, revocation, with};
use crate::domain::RecordType;
use crate::protocol::document::Protocol;
use crate::protocol::life::Act;
use crate::protocol::policy::{Entry, Policy};
use crate::protocol::refusal::Reason;
use crate::protocol::template::Template;
use crate::protocol::vocabulary::Purpose;

const OK: &str = "ok";
/// Its sender's protocol does not list the table at all.
const TABLE: &str = "table_not_listed /outputs";
const SOURCE_0: &str = "source_not_granted /outputs/0/sources";

/// Which data may serve which table, alone. Benefit data serve eligibility and nothing else.
#[rustfmt::skip]
const PURPOSE_LIMITATION: [(&str, [&str; 5]); 9] = [
    // record type               engagement births                                  twos                                    referrals families
    ("live_birth",               [OK,       OK,                                     OK,                                     OK,       OK]),
    ("health_review",            [OK,       OK,                                     OK,                                     OK,       OK]),
    ("two_year_old_eligibility", [TABLE,    TABLE,                                  OK,                                     TABLE,    TABLE]),
    ("funded_place",             [TABLE,    TABLE,                                  OK,                                     TABLE,    TABLE]),
    ("learning_aim",             [TABLE,    TABLE,                                  SOURCE_0,                               TABLE,    TABLE]),
    ("family_case",              [TABLE,    TABLE,                                  TABLE,                                  SOURCE_0, OK]),
    ("registration",             [OK,       OK,                                     OK,                                     OK,       OK]),
    ("attendance",               [OK,       OK,                                     OK,                                     OK,       OK]),
    ("referral",                 [SOURCE_0, "source_not_granted /outputs/2/sources", "source_not_granted /outputs/4/sources", OK,     "source_not_granted /outputs/6/sources"]),
];

pub(super) fn count() -> usize {
    PURPOSE_LIMITATION.iter().map(|(_, cells)| cells.len()).sum()
}

#[test]
fn purpose_limitation_cell_by_cell() {
    purpose_limitation(&whole_policy(1));
    // The same where a policy was taken over from the one before.
    let before = whole_policy(1);
    let same = Template::ALL.iter().map(|one| {
        let document = template(*one);
        Entry::AsBefore { id: document.id, version: document.version }
    });
    let after = Policy::after(Some(&before), 2, Some(root()), same.clone(), &Places);
    assert!(after.faults().is_empty());
    purpose_limitation(&after);
    // What no earlier policy could read permits nothing.
    let none = Policy::after(None, 2, None, same, &Places);
    assert_eq!(none.faults().len(), Template::ALL.len());
    let births = none.may_release(&"births".parse().unwrap(), &[RecordType::LiveBirth], TODAY);
    assert!(births.is_err());
}

fn purpose_limitation(policy: &Policy) {
    let tables = ["engagement", "births", "twos", "referrals", "families"];
    for (record_type, cells) in PURPOSE_LIMITATION {
        for (table, expected) in tables.into_iter().zip(cells) {
            let needed = [record_type.parse().unwrap()];
            let decided = policy.may_release(&table.parse().unwrap(), &needed, TODAY);
            assert_eq!(answer(&decided), expected, "{record_type} for {table}");
        }
    }
}

#[test]
fn beside_others_benefit_data_serve_eligibility_for_its_purpose_alone() {
    let policy = whole_policy(1);
    let both = [RecordType::LiveBirth, RecordType::TwoYearOldEligibility];
    let twos = policy.may_release(&"twos".parse().unwrap(), &both, TODAY).unwrap();
    assert_eq!(twos.purposes(), [Purpose::EarlyEducationTakeUp]);
    // Were the document to list another table, or other purposes, the gateway of its basis
    // forbids the one, and the release is for no more than what all agree on.
    let wider = |sender: Template, protocol: &mut Protocol| {
        if sender == Template::Dwp {
            protocol.outputs[0].table = "engagement".parse().unwrap();
        }
    };
    let mut protocol = template(Template::Dwp);
    wider(Template::Dwp, &mut protocol);
    let text = serde_json::to_vec(&protocol).unwrap();
    let fault = Protocol::parse(&text).unwrap_err();
    assert_eq!(fault.to_string(), fault_of("/outputs/0/sources/0/flow"));
}

fn fault_of(pointer: &str) -> String {
    let rule = crate::protocol::fault::Rule::GatewayForbidsTable;
    crate::protocol::fault::Fault::at(pointer, rule).to_string()
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
