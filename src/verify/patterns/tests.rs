//! Each pattern with made-up leaves, just below its threshold and just at it.

use super::*;

/// A made-up entry.
#[derive(Clone)]
struct Made {
    at: String,
    kind: &'static str,
    partner: &'static str,
    user: &'static str,
    area: Option<String>,
    indicator: Option<String>,
    period: Option<String>,
    reason: Option<&'static str>,
}

/// A question of Monday 5 January 2026 at nine, so many seconds later.
fn question(seconds: i64, area: &str) -> Made {
    let nine: Timestamp = "2026-01-05T09:00:00Z".parse().unwrap();
    let at = nine + jiff::SignedDuration::from_secs(seconds);
    Made {
        at: format!("{at:.6}"),
        kind: "query_answered",
        partner: "centres",
        user: "aa",
        area: Some(area.to_owned()),
        indicator: Some("registered".to_owned()),
        period: Some("2026Q1".to_owned()),
        reason: None,
    }
}

fn refusal(seconds: i64) -> Made {
    let made = question(seconds, "CC01");
    Made { kind: "refused", area: None, indicator: None, reason: Some("wrong_role"), ..made }
}

/// What is found with only one pattern looked for.
fn found(only: Pattern, made: &[Made]) -> Vec<PatternFinding> {
    let mut config = Config::default();
    config.repeated_refusals.enabled = only == Pattern::RepeatedRefusals;
    config.sudden_volume.enabled = only == Pattern::SuddenVolume;
    config.many_areas.enabled = only == Pattern::ManyAreas;
    config.outside_hours.enabled = only == Pattern::OutsideHours;
    config.enumeration.enabled = only == Pattern::Enumeration;
    let mut patterns = Patterns::new(config).unwrap();
    for (index, made) in (0..).zip(made) {
        patterns.note(
            index,
            &Leaf {
                at: Some(&made.at),
                kind: Some(made.kind),
                partner: Some(made.partner),
                user: Some(made.user),
                area: made.area.as_deref(),
                indicator: made.indicator.as_deref(),
                period: made.period.as_deref(),
                reason: made.reason,
                decision: Some(if made.reason.is_some() { "refused" } else { "granted" }),
                ..Leaf::default()
            },
        );
    }
    patterns.finish()
}

fn area(number: usize) -> String {
    format!("CC{number:02}")
}

#[test]
fn repeated_refusals() {
    // Ten within fifteen minutes: the tenth one second too late, and just in time.
    let refusals = |last: i64| -> Vec<Made> {
        (0..9).map(|n| refusal(n * 60)).chain([refusal(last)]).collect()
    };
    assert_eq!(found(Pattern::RepeatedRefusals, &refusals(900)), []);
    let listed = found(Pattern::RepeatedRefusals, &refusals(899));
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].count, listed[0].entries.len()), (10, 10));
    assert_eq!(listed[0].until, "2026-01-05T09:14:59Z");
    assert!(listed[0].reason.contains("10 refusals (10 wrong_role)"), "{}", listed[0].reason);
    // Nine are nine, and two users' refusals don't add up.
    assert_eq!(found(Pattern::RepeatedRefusals, &refusals(899)[..9]), []);
    let mut shared = refusals(899);
    shared[4].user = "bb";
    assert_eq!(found(Pattern::RepeatedRefusals, &shared), []);
    // One burst is one finding, however long it goes on; a second one is another.
    let long: Vec<Made> =
        (0..30).map(|n| refusal(n * 30)).chain((0..10).map(|n| refusal(90_000 + n))).collect();
    let listed = found(Pattern::RepeatedRefusals, &long);
    assert_eq!(listed.iter().map(|f| f.count).collect::<Vec<_>>(), [30, 10]);
}

#[test]
fn sudden_volume() {
    const DAY: i64 = 86_400;
    let day = |day: i64, acts: i64| (0..acts).map(move |n| question(day * DAY + n, "CC01"));
    let days = |today: i64| -> Vec<Made> {
        day(0, 40).chain(day(1, 40)).chain(day(2, 40)).chain(day(3, today)).collect()
    };
    assert_eq!(found(Pattern::SuddenVolume, &days(199)), []);
    let listed = found(Pattern::SuddenVolume, &days(200));
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].count, listed[0].entries.len()), (200, MOST_ENTRIES));
    assert_eq!((listed[0].entries[0], listed[0].entries_omitted), (120, 150));
    assert!(listed[0].reason.contains("had 40 on average"), "{}", listed[0].reason);
    assert_eq!(listed[0].user, "");
    // Five times the mean: 41 a day make 205 the threshold.
    let busier = |today: i64| -> Vec<Made> {
        day(0, 41).chain(day(1, 41)).chain(day(2, 41)).chain(day(3, today)).collect()
    };
    assert_eq!(found(Pattern::SuddenVolume, &busier(204)), []);
    assert_eq!(found(Pattern::SuddenVolume, &busier(205)).len(), 1);
    // Nothing to compare with: two known days, or days too long ago.
    let two: Vec<Made> = day(0, 40).chain(day(1, 40)).chain(day(3, 500)).collect();
    assert_eq!(found(Pattern::SuddenVolume, &two), []);
    let past: Vec<Made> =
        day(0, 40).chain(day(1, 40)).chain(day(2, 40)).chain(day(29, 500)).collect();
    assert_eq!(found(Pattern::SuddenVolume, &past), []);
    // Batches are compared with batches.
    let mut batches = days(200);
    batches.iter_mut().skip(120).for_each(|made| made.kind = "batch_accepted");
    assert_eq!(found(Pattern::SuddenVolume, &batches), []);
}

#[test]
fn many_areas() {
    let asked = |areas: usize, last: i64| -> Vec<Made> {
        let mut made: Vec<Made> =
            (0..areas - 1).map(|n| question(n.try_into().unwrap(), &area(n))).collect();
        // The same area again is not another one.
        made.push(question(20, &area(0)));
        made.push(question(last, &area(areas)));
        made
    };
    assert_eq!(found(Pattern::ManyAreas, &asked(7, 30)), []);
    let listed = found(Pattern::ManyAreas, &asked(8, 30));
    assert_eq!(listed.len(), 1);
    assert!(listed[0].reason.contains("about 8 areas"), "{}", listed[0].reason);
    assert_eq!((listed[0].partner.as_str(), listed[0].user.as_str()), ("centres", "aa"));
    // The first area's last question was an hour before the last one.
    assert_eq!(found(Pattern::ManyAreas, &asked(8, 3_601)), []);
    let mut other = asked(8, 30);
    other[3].user = "bb";
    assert_eq!(found(Pattern::ManyAreas, &other), []);
}

#[test]
fn outside_hours() {
    let at = |times: &[&str]| -> Vec<Made> {
        times.iter().map(|at| Made { at: (*at).to_owned(), ..question(0, "CC01") }).collect()
    };
    let night = |minute: &str| format!("2026-01-05T{minute}:00.000000Z");
    let evening = ["20:00", "20:10", "21:00", "22:00"].map(night);
    let evening: Vec<&str> = evening.iter().map(String::as_str).collect();
    assert_eq!(found(Pattern::OutsideHours, &at(&evening)), []);
    let (early, late) = (night("19:59"), night("23:59"));
    assert_eq!(found(Pattern::OutsideHours, &at(&[&evening[..], &[&early]].concat())), []);
    let listed = found(Pattern::OutsideHours, &at(&[&evening[..], &[&late]].concat()));
    assert_eq!((listed.len(), listed[0].count), (1, 5));
    assert!(listed[0].reason.contains("outside 07:00 to 20:00 on a weekday"));
    // In summer 06:30 UTC is half past seven in London, and 05:59 is not yet seven.
    let summer = |minute: &str| vec![format!("2026-07-06T{minute}:00.000000Z"); 5];
    let of = |times: Vec<String>| at(&times.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(found(Pattern::OutsideHours, &of(summer("06:30"))), []);
    assert_eq!(found(Pattern::OutsideHours, &of(summer("05:59"))).len(), 1);
    // A Saturday at noon is outside.
    let saturday = vec!["2026-01-10T12:00:00.000000Z".to_owned(); 5];
    assert_eq!(found(Pattern::OutsideHours, &of(saturday)).len(), 1);
    // What is no question is nobody's business: a push at night.
    let mut pushes = at(&[&evening[..], &[&late]].concat());
    pushes.iter_mut().for_each(|made| made.kind = "batch_accepted");
    assert_eq!(found(Pattern::OutsideHours, &pushes), []);
}

#[test]
fn enumeration() {
    let walk = |steps: usize| -> Vec<Made> {
        (0..steps).map(|n| question(n.try_into().unwrap(), &area(n))).collect()
    };
    assert_eq!(found(Pattern::Enumeration, &walk(11)), []);
    let listed = found(Pattern::Enumeration, &walk(12));
    assert_eq!((listed.len(), listed[0].count), (1, 12));
    assert!(listed[0].reason.contains("in order (areas CC00 to CC11)"), "{}", listed[0].reason);
    // Downwards too; and a question asked again is neither a step nor a way out.
    let down: Vec<Made> = walk(12).into_iter().rev().enumerate().map(later).collect();
    assert_eq!(found(Pattern::Enumeration, &down).len(), 1);
    let repeated: Vec<Made> =
        walk(12).iter().flat_map(|made| [made.clone(), made.clone()]).collect();
    assert_eq!(found(Pattern::Enumeration, &repeated)[0].count, 12);
    let mut again = walk(11);
    again.push(again[10].clone());
    assert_eq!(found(Pattern::Enumeration, &again), []);
    // A jump back ends it.
    let mut jumped = walk(13);
    jumped.swap(5, 6);
    assert_eq!(found(Pattern::Enumeration, &jumped), []);
    // So does a pause.
    let paused = |pause: i64| -> Vec<Made> {
        let shift = |n: usize| i64::try_from(n).unwrap() + if n >= 6 { pause } else { 0 };
        (0..12).map(|n| question(shift(n), &area(n))).collect()
    };
    assert_eq!(found(Pattern::Enumeration, &paused(600)), []);
    assert_eq!(found(Pattern::Enumeration, &paused(599)).len(), 1);
    // A loop within a loop: four quarters of each of three areas, one user among others.
    let mut nested = Vec::new();
    for place in 0..3 {
        for quarter in 1..=4 {
            let made = question(nested.len().try_into().unwrap(), &area(place));
            nested.push(Made { period: Some(format!("2025Q{quarter}")), ..made.clone() });
            nested.push(Made { user: "bb", ..made });
        }
    }
    let listed = found(Pattern::Enumeration, &nested);
    assert_eq!((listed.len(), listed[0].count, listed[0].user.as_str()), (1, 12, "aa"));
    let reason = &listed[0].reason;
    assert!(reason.contains("areas CC00 to CC02, quarters 2025Q1 to 2025Q4"), "{reason}");
    // Two walks are two findings.
    let twice: Vec<Made> = walk(12).into_iter().chain(walk(14)).enumerate().map(later).collect();
    let counts: Vec<u64> =
        found(Pattern::Enumeration, &twice).iter().map(|found| found.count).collect();
    assert_eq!(counts, [12, 14]);
}

/// The same at another second.
fn later((second, made): (usize, Made)) -> Made {
    Made { at: question(second.try_into().unwrap(), "CC01").at, ..made }
}

#[test]
fn with_everything_looked_for_findings_come_in_the_logs_order() {
    let made: Vec<Made> = (0..14)
        .map(|n| question(n, &area(n.try_into().unwrap())))
        .chain((0..12).map(|n| refusal(20 + n)))
        .collect();
    let mut patterns = Patterns::new(Config::default()).unwrap();
    for (index, made) in (0..).zip(&made) {
        let leaf = Leaf {
            at: Some(&made.at),
            kind: Some(made.kind),
            partner: Some(made.partner),
            user: Some(made.user),
            area: made.area.as_deref(),
            reason: made.reason,
            decision: Some(if made.reason.is_some() { "refused" } else { "granted" }),
            ..Leaf::default()
        };
        patterns.note(index, &leaf);
    }
    let words: Vec<&str> = patterns.finish().iter().map(|found| found.pattern.word()).collect();
    assert_eq!(words, ["many_areas", "enumeration", "repeated_refusals"]);
}
