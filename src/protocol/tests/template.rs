//! What the templates promise: every column listed, consent where the centres send, purposes that reach.

use super::support::{TODAY, all_columns, area, partner, template, whole_policy};
use crate::domain::RecordType;
use crate::domain::record::ENVELOPE;
use crate::protocol::decision::IntakeQuestion;
use crate::protocol::document::ProtocolVersion;
use crate::protocol::template::Template;
use crate::protocol::vocabulary::{ConsentRule, FieldAction, Purpose};

#[test]
fn every_agency_may_send_all_columns_of_its_record_types() {
    let policy = whole_policy(1);
    assert!(policy.faults().is_empty());
    let mut sent = Vec::new();
    for sender in Template::ALL {
        for record_type in sender.record_types() {
            let columns = [all_columns(record_type), ENVELOPE.to_vec()].concat();
            let permit = policy.authorise_intake(&IntakeQuestion {
                partner: &partner(sender.code()),
                role: crate::protocol::CallerRole::Provider,
                protocol: &format!("isp-{sender}").parse().unwrap(),
                version: ProtocolVersion::FIRST,
                record_type: record_type.name(),
                columns: &columns,
                today: TODAY,
            });
            let permit = permit.unwrap();
            let explicit = permit.consent_rule() == ConsentRule::Explicit;
            let somebody = !record_type.definition().identity.is_empty();
            let asks = *sender == Template::Centres && somebody;
            assert_eq!(explicit, asks, "{sender} {record_type}");
            let birth = permit.action("date_of_birth");
            let keyed = somebody.then_some(FieldAction::Pseudonymise);
            assert_eq!(birth, keyed, "{sender} {record_type}");
            assert_eq!(permit.action("record_id"), None);
            sent.push(record_type);
        }
    }
    sent.sort_unstable();
    sent.dedup();
    assert_eq!(sent, RecordType::ALL);
}

#[test]
fn benefit_data_serve_only_the_twos() {
    let dwp = template(Template::Dwp);
    let tables: Vec<_> = dwp.outputs.iter().map(|output| output.table.as_str()).collect();
    assert_eq!(tables, ["twos"]);
    assert_eq!(dwp.purposes, [Purpose::EarlyEducationTakeUp]);
    for sender in Template::ALL {
        for output in template(*sender).outputs {
            let early = output.sources.iter().any(|s| s.purpose == Purpose::EarlyEducationTakeUp);
            assert_eq!(early, output.table.as_str() == "twos", "{sender} {}", output.table);
        }
    }
}

#[test]
fn the_words_say_what_is_permitted() {
    let policy = whole_policy(1);
    let columns = all_columns(RecordType::HealthReview);
    let ask = |day: &str| {
        policy
            .explain_intake(
                &IntakeQuestion {
                    partner: &partner("health"),
                    role: crate::protocol::CallerRole::Provider,
                    protocol: &"isp-health".parse().unwrap(),
                    version: ProtocolVersion::FIRST,
                    record_type: "health_review",
                    columns: &columns,
                    today: day.parse().unwrap(),
                },
                None,
            )
            .to_string()
    };
    assert_eq!(
        ask("2026-05-01"),
        "May health send health_review under isp-health version 1 on 2026-05-01? Yes: isp-health \
         version 1 /flows/1 permits it for planning and managing children's centres, on the basis of \
         NHS Act 2006 s.251 (confidential patient information); the subject is told by a privacy notice."
    );
    assert_eq!(
        ask("2027-04-01"),
        "May health send health_review under isp-health version 1 on 2027-04-01? No: The protocol has \
         expired. (protocol_expired; isp-health version 1 /expires)"
    );
    let figure = policy.explain_figure(&crate::protocol::FigureQuestion {
        partner: &partner("centres"),
        role: crate::protocol::CallerRole::Consumer,
        table: &"engagement".parse().unwrap(),
        area: &area("E08000026"),
        confined_to: None,
        purpose: "childrens_centre_planning",
        today: TODAY,
    });
    assert!(figure.to_string().ends_with(
        "No: The protocol does not cover this area. (area_not_covered; isp-centres version 1 \
         /outputs/0/audiences/2/areas)"
    ));
    assert_eq!(figure.answer().unwrap_err().reason().code(), "area_not_covered");
}
