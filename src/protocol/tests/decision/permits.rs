//! Permits outlive neither the policy nor the day that they were given under.

use std::collections::BTreeSet;

use jiff::civil::date;

use super::super::support::{TODAY, area, fully_signed, partner, template, whole_policy};
use super::{answer, ask, changed, good, revocation};
use crate::domain::AreaCode;
use crate::protocol::decision::FigureQuestion;
use crate::protocol::document::Protocol;
use crate::protocol::life::Act;
use crate::protocol::refusal::Reason;
use crate::protocol::template::Template;
use crate::protocol::vocabulary::CallerRole;

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
