//! How long records are kept: by whose word, and from when.

use std::slice::from_ref;

use jiff::civil::{Date, date};

use super::support::{Places, TODAY, entry, fully_signed, partner, root, template};
use crate::domain::RecordType;
use crate::domain::time::epoch_day;
use crate::protocol::document::{Protocol, ProtocolVersion};
use crate::protocol::life::{Act, Handling, RevocationReason};
use crate::protocol::policy::{Entry, Policy};
use crate::protocol::retention::{End, Keeping, KeptRecord};
use crate::protocol::template::Template;
use crate::protocol::vocabulary::{RetentionStart, SignatoryRole};

const REVIEW: RecordType = RecordType::HealthReview;

fn day(year: i16, month: i8, day: i8) -> i32 {
    epoch_day(date(year, month, day))
}

/// A record of 2026-01-10, received ten days later, about a child born on 2024-02-29.
fn record() -> KeptRecord {
    KeptRecord {
        event: day(2026, 1, 10),
        received: day(2026, 1, 20),
        birth: Some(day(2024, 2, 29)),
        closed: None,
        withdrawn: None,
    }
}

/// Health's protocol under another id, its reviews kept for so many days.
fn kept(id: &str, days: u16, from: RetentionStart) -> Protocol {
    let mut protocol = template(Template::Health);
    protocol.id = id.parse().unwrap();
    (protocol.retention[1].days, protocol.retention[1].from_event) = (days, from);
    protocol
}

fn with(entries: Vec<Entry>) -> Policy {
    Policy::compile(1, Some(root()), entries, &Places)
}

fn keeping(policy: &Policy, on: Date) -> Keeping {
    policy.keeping(&partner("health"), REVIEW, on)
}

fn revoke(handling: Handling) -> Act {
    Act::Revoke {
        party: partner("health"),
        role: SignatoryRole::Siro,
        handling,
        reason: RevocationReason::PurposeEnded,
    }
}

/// The clause that ends the record, and its last day.
fn told(keeping: &Keeping) -> String {
    match keeping.end(&record(), &"isp-a".parse().unwrap(), ProtocolVersion::FIRST) {
        End::After(last, rule) => format!("{} {}", rule.clause, last - record().event),
        End::Purged(clause) => format!("{clause} purged"),
        End::NotYet => "none".to_owned(),
    }
}

#[test]
fn each_start_has_its_last_day() {
    let open = Some(None);
    let closed = Some(Some(day(2026, 3, 1)));
    for (from, record, last) in [
        (RetentionStart::EventDate, record(), day(2026, 1, 20)),
        (RetentionStart::Received, record(), day(2026, 1, 30)),
        (RetentionStart::FifthBirthday, record(), day(2029, 3, 10)),
        // Without a date of birth: five years after the event, which no child under five outlives.
        (RetentionStart::FifthBirthday, KeptRecord { birth: None, ..record() }, day(2031, 1, 20)),
        // Older than five at the event: from the event.
        (
            RetentionStart::FifthBirthday,
            KeptRecord { birth: Some(day(1990, 1, 1)), ..record() },
            day(2026, 1, 20),
        ),
        (RetentionStart::CaseClosed, record(), day(2026, 1, 20)),
        (RetentionStart::CaseClosed, KeptRecord { closed, ..record() }, day(2026, 3, 11)),
    ] {
        let policy = with(vec![entry(&kept("isp-a", 10, from), &[])]);
        let keeping = keeping(&policy, TODAY);
        assert_eq!(keeping.rules()[0].last_day(&record), last, "{from}");
        let end = keeping.end(&record, &"isp-a".parse().unwrap(), ProtocolVersion::FIRST);
        assert!(!end.is_over(last) && end.is_over(last + 1));
    }
    // A case that nobody closed ends all the same: when it is withdrawn, when the protocol has
    // ended that says so, or once the child is five.
    let policy = with(vec![entry(&kept("isp-a", 10, RetentionStart::CaseClosed), &[])]);
    let case = KeptRecord { closed: open, ..record() };
    let withdrawn = Some(day(2026, 4, 1));
    for (on, case, last) in [
        (TODAY, case, day(2031, 1, 20)),
        (TODAY, KeptRecord { withdrawn, ..case }, day(2026, 4, 11)),
        (date(2027, 4, 1), case, day(2027, 4, 10)),
        (date(2027, 4, 1), KeptRecord { withdrawn, ..case }, day(2026, 4, 11)),
        // It began after: it is kept for its days.
        (date(2027, 4, 1), KeptRecord { event: day(2027, 6, 1), ..case }, day(2027, 6, 11)),
        // What was closed counts from that, whatever became of it since.
        (TODAY, KeptRecord { closed, withdrawn, ..case }, day(2026, 3, 11)),
    ] {
        let keeping = keeping(&policy, on);
        let end = keeping.end(&case, &"isp-a".parse().unwrap(), ProtocolVersion::FIRST);
        assert!(!end.is_over(last) && end.is_over(last + 1), "{end:?}");
        assert_eq!(keeping.shortest_after_closing(), Some(10));
    }
}

const A_300: &str = "isp-a version 1 /retention/1 300";
const A_100: &str = "isp-a version 1 /retention/1 100";
const B_200: &str = "isp-b version 1 /retention/1 200";

fn case_by_case(cases: Vec<(Vec<Entry>, Date, &str)>) {
    for (number, (entries, on, expected)) in cases.into_iter().enumerate() {
        let policy = with(entries);
        assert_eq!(told(&keeping(&policy, on)), expected, "case {number}");
    }
}

#[test]
fn of_several_protocols_who_says_how_long() {
    let event = RetentionStart::EventDate;
    let (a, b) = (kept("isp-a", 300, event), kept("isp-b", 200, event));
    let later = kept("isp-b", 250, RetentionStart::Received);
    let expire = Act::Expire { today: date(2028, 1, 1) };
    let suspend = Act::Suspend { party: partner("health") };
    let (short, mut long) = (kept("isp-a", 100, event), kept("isp-b", 900, event));
    long.expires = date(2030, 12, 31);
    case_by_case(vec![
        (vec![entry(&template(Template::Dwp), &[])], TODAY, "none"),
        (vec![entry(&a, &[])], TODAY, A_300),
        // The strictest of those in force, wherever each counts from.
        (vec![entry(&a, &[]), entry(&b, &[])], TODAY, B_200),
        (vec![entry(&a, &[]), entry(&later, &[])], TODAY, "isp-b version 1 /retention/1 260"),
        // A suspension stops no clock.
        (vec![entry(&a, &[]), entry(&b, from_ref(&suspend))], TODAY, B_200),
        // What has ended has no say of others' records while another is in force ...
        (vec![entry(&a, &[]), entry(&b, from_ref(&expire))], TODAY, A_300),
        (vec![entry(&a, &[]), entry(&b, &[revoke(Handling::Freeze)])], TODAY, A_300),
        // ... of its own it has: the end of the stricter gives nobody leave to keep them longer ...
        (vec![entry(&short, from_ref(&expire)), entry(&b, &[])], TODAY, A_100),
        (vec![entry(&short, &[revoke(Handling::Freeze)]), entry(&b, &[])], TODAY, A_100),
        (vec![entry(&short, &[]), entry(&long, &[])], date(2027, 4, 1), A_100),
        // ... nor does that of the longer, where another in force is stricter ...
        (vec![entry(&a, from_ref(&expire)), entry(&b, &[])], TODAY, B_200),
        // ... and its last word goes on to hold when none is, by the clock as well.
        (vec![entry(&a, from_ref(&expire))], TODAY, A_300),
        (vec![entry(&a, &[revoke(Handling::Freeze)])], TODAY, A_300),
        (vec![entry(&a, &[]), entry(&b, &[])], date(2027, 4, 1), B_200),
    ]);
}

#[test]
fn of_several_versions_who_says_how_long() {
    let event = RetentionStart::EventDate;
    let (a, b) = (kept("isp-a", 300, event), kept("isp-b", 200, event));
    let mut second = kept("isp-a", 900, event);
    second.version = ProtocolVersion::new(2).unwrap();
    second.supersedes = Some(fully_signed(&a).digest());
    let mut without = second.clone();
    without.flows.remove(1);
    for output in &mut without.outputs {
        output.sources.retain(|source| source.flow == 0);
    }
    let mut silent = without.clone();
    silent.retention.remove(1);
    let unreadable =
        || Entry::Unreadable { id: a.id.clone(), version: ProtocolVersion::new(2).unwrap() };
    case_by_case(vec![
        // An amendment replaces what it supersedes, also before it begins.
        (
            vec![entry(&a, &[Act::Supersede]), entry(&second, &[])],
            TODAY,
            "isp-a version 2 /retention/1 900",
        ),
        (
            vec![entry(&a, &[Act::Supersede]), entry(&second, &[])],
            date(2024, 1, 1),
            "isp-a version 2 /retention/1 900",
        ),
        // Also one that lists the flow no more and says how long its records stay ...
        (
            vec![entry(&a, &[Act::Supersede]), entry(&without, &[])],
            TODAY,
            "isp-a version 2 /retention/1 900",
        ),
        // ... and where it says nothing, the last version that did.
        (vec![entry(&a, &[Act::Supersede]), entry(&silent, &[])], TODAY, A_300),
        // A newer version that can't be read may say anything.
        (vec![entry(&a, &[Act::Supersede]), unreadable()], TODAY, "none"),
        (vec![entry(&a, &[Act::Supersede]), unreadable(), entry(&b, &[])], TODAY, B_200),
        // Purged with its part, whoever else lists the feed.
        (vec![entry(&a, &[revoke(Handling::Purge)])], TODAY, "isp-a version 1  purged"),
        (
            vec![entry(&a, &[revoke(Handling::Purge)]), entry(&b, &[])],
            TODAY,
            "isp-a version 1  purged",
        ),
        // Also what an earlier version brought that the revoked one does not list.
        (
            vec![entry(&a, &[Act::Supersede]), entry(&without, &[revoke(Handling::Purge)])],
            TODAY,
            "isp-a version 2  purged",
        ),
        // And what an earlier version purged, whatever the next one says.
        (
            vec![entry(&a, &[revoke(Handling::Purge), Act::Supersede]), entry(&second, &[])],
            TODAY,
            "isp-a version 1  purged",
        ),
        // What another protocol brought is not.
        (vec![entry(&a, &[]), entry(&b, &[revoke(Handling::Purge)])], TODAY, A_300),
    ]);
}

#[test]
fn other_clauses_have_another_digest_and_the_same_the_same() {
    let event = RetentionStart::EventDate;
    let digest = |protocol: &Protocol, acts: &[Act]| {
        keeping(&with(vec![entry(protocol, acts)]), TODAY).digest()
    };
    let one = digest(&kept("isp-a", 300, event), &[]);
    assert_eq!(one, digest(&kept("isp-a", 300, event), &[]));
    assert_ne!(one, digest(&kept("isp-a", 301, event), &[]));
    assert_ne!(one, digest(&kept("isp-a", 300, RetentionStart::Received), &[]));
    assert_ne!(one, digest(&kept("isp-a", 300, event), &[revoke(Handling::Purge)]));
}

#[test]
fn a_key_is_known_as_long_as_the_record_could_return() {
    let policy = with(vec![entry(&template(Template::Health), &[])]);
    // 2,000 days back and 900 of lag, to the end of that year.
    let until = keeping(&policy, TODAY).may_return_until(day(2026, 1, 10));
    assert_eq!(until, day(2033, 12, 31));
    // Also once that has ended: it may be signed anew, by the dates that it had.
    let ended = keeping(&policy, date(2030, 1, 1)).may_return_until(day(2026, 1, 10));
    assert_eq!(ended, until);
    // And of several versions the longest that there ever was.
    let mut second = template(Template::Health);
    second.version = ProtocolVersion::new(2).unwrap();
    second.supersedes = Some(fully_signed(&template(Template::Health)).digest());
    (second.flows[1].max_backdate_days, second.flows[1].max_lag_days) = (10, 10);
    let first = entry(&template(Template::Health), &[Act::Supersede]);
    let policy = with(vec![first, entry(&second, &[])]);
    assert_eq!(keeping(&policy, TODAY).may_return_until(day(2026, 1, 10)), until);
}

#[test]
fn a_document_that_keeps_otherwise_than_another_is_told_so() {
    let event = RetentionStart::EventDate;
    let (a, b) = (kept("isp-a", 300, event), kept("isp-b", 200, event));
    let told = |entries: Vec<Entry>, of: &Protocol| with(entries).also_kept_by(of, TODAY);
    let expire = Act::Expire { today: date(2028, 1, 1) };
    let other = |id: &str| vec![(partner("health"), REVIEW, id.parse().unwrap())];
    assert_eq!(told(vec![entry(&a, &[])], &b), other("isp-a"));
    assert_eq!(told(vec![entry(&a, &[]), entry(&b, &[])], &a), other("isp-b"));
    // What says the same, its own versions, and what has ended bind it to nothing else.
    assert_eq!(told(vec![entry(&a, &[])], &kept("isp-b", 300, event)), []);
    assert_eq!(told(vec![entry(&a, &[])], &kept("isp-a", 100, event)), []);
    assert_eq!(told(vec![entry(&a, from_ref(&expire))], &b), []);
}
