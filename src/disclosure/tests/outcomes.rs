//! Outcomes of children, adults and organisations, one case a line.

use super::{
    classification::{cell_in, run},
    further::{cells_in, on},
    *,
};

#[test]
fn outcomes_at_two_and_at_five() {
    let q4 = Period::new(quarter("2025Q4"));
    let at_two = |table: &str, birth: &str, events: &[Event]| {
        cell_in(table, &q4, &person(Some(day(birth)), events))
    };
    let score = |on_track| scored(on("2025-06-01"), on_track);
    assert_eq!(at_two("wellbeing", "2023-03-01", &[score(true)]), Some("deprived_on_track"));
    assert_eq!(at_two("wellbeing", "2023-03-01", &[score(false)]), Some("deprived_behind"));
    assert_eq!(at_two("wellbeing", "2023-03-01", &[]), None);
    // Two and a half by the last day, and not already a year ago.
    assert!(at_two("wellbeing", "2023-06-30", &[score(true)]).is_some());
    assert_eq!(at_two("wellbeing", "2023-07-01", &[score(true)]), None);
    assert_eq!(at_two("wellbeing", "2022-06-30", &[score(true)]), None);
    let came = |days: i32| (0..days).map(|n| attended(on("2024-05-01") + n));
    let with = |days| -> Vec<Event> { came(days).chain([score(true)]).collect() };
    assert_eq!(at_two("cohort_two", "2023-03-01", &with(3)), Some("contact_on_track"));
    assert_eq!(at_two("cohort_two", "2023-03-01", &with(0)), Some("none_on_track"));
    assert_eq!(at_two("cohort_two", "2023-03-01", &with(2)), None);
    let late: Vec<Event> = [attended(on("2025-03-01")), score(false)].into();
    assert_eq!(at_two("cohort_two", "2023-03-01", &late), Some("none_behind"));

    let q3 = Period::new(quarter("2025Q3"));
    let at_five = |table: &str, birth: &str, events: &[Event]| {
        cell_in(table, &q3, &person(Some(day(birth)), events))
    };
    let june = on("2025-06-20");
    let profile = |year, reached, meals| profiled(june, year, reached, meals);
    assert_eq!(
        at_five("profiles_meals", "2020-03-01", &[profile(2025, true, false)]),
        Some("none_reached")
    );
    assert_eq!(
        at_five("profiles_meals", "2020-03-01", &[profile(2025, false, true)]),
        Some("meals_not")
    );
    assert_eq!(at_five("profiles_meals", "2020-03-01", &[profile(2024, true, true)]), None);
    for (birth, counts) in
        [("2019-09-01", true), ("2020-08-31", true), ("2019-08-31", false), ("2020-09-01", false)]
    {
        let cell = at_five("profiles_meals", birth, &[profile(2025, true, true)]);
        assert_eq!(cell.is_some(), counts, "{birth}");
    }
    let user = [profile(2025, true, false), attended(on("2023-01-01"))];
    assert_eq!(at_five("profiles_users", "2020-03-01", &user), Some("users_reached"));
    assert_eq!(at_five("profiles_users", "2020-03-01", &user[..1]), Some("others_reached"));
    assert_eq!(at_five("cohort_five", "2020-03-01", &user[..1]), Some("none_reached"));
}

#[test]
fn adults_learn_go_on_volunteer_and_answer() {
    let first = on("2026-01-01");
    let events = [
        aim(first - 200, first, true, "unknown", true),
        aim(first - 90, s(), false, "unknown", false),
        aim(first - 90, first - 1, true, "work", false),
    ];
    let learner = person(Some(day("1990-01-01")), &events);
    assert_eq!(cells_in("learning", &learner, 0), ["esol_achieved", "other_not"]);
    let adult = Some("1990-01-01");
    let ended = on("2026-02-01") - 183;
    let done = |to: &str| aim(ended - 90, ended, true, to, false);
    run(
        "progression",
        vec![
            ("to work", adult, Some("progressed"), vec![done("work")]),
            ("to nothing", adult, Some("not_progressed"), vec![done("none")]),
            ("not known", adult, None, vec![done("unknown")]),
            (
                "learns again",
                adult,
                Some("progressed"),
                vec![done("none"), aim(ended + 20, s(), false, "unknown", false)],
            ),
            (
                "learns again, and nobody asked where it went",
                adult,
                None,
                vec![done("unknown"), aim(ended + 20, s(), false, "unknown", false)],
            ),
            (
                "volunteers",
                adult,
                Some("progressed"),
                vec![done("none"), volunteered(ended + 5, None, 0, "none")],
            ),
            ("not completed", adult, None, vec![aim(ended - 90, ended, false, "work", false)]),
            ("six months not over", adult, None, vec![aim(first, s() - 90, true, "work", false)]),
        ],
    );
    run(
        "volunteers",
        vec![
            ("of a group", adult, Some("target_group"), vec![volunteered(s(), None, 4, "none")]),
            ("of none", adult, Some("no_target_group"), vec![volunteered(s(), None, 0, "none")]),
            ("earlier", adult, None, vec![volunteered(first - 100, None, 4, "none")]),
        ],
    );
    run(
        "volunteers_progressed",
        vec![
            ("goes on", adult, None, vec![volunteered(s(), None, 4, "work")]),
            (
                "to work",
                adult,
                Some("progressed"),
                vec![volunteered(first - 90, Some(s()), 0, "work")],
            ),
            (
                "to nothing",
                adult,
                Some("not_progressed"),
                vec![volunteered(first - 90, Some(s()), 0, "none")],
            ),
        ],
    );
    run(
        "satisfaction",
        vec![
            ("four", adult, Some("satisfied"), vec![asked(s(), "satisfaction", 4)]),
            ("three", adult, Some("not_satisfied"), vec![asked(s(), "satisfaction", 3)]),
            (
                "the latest",
                adult,
                Some("satisfied"),
                vec![asked(s() - 9, "satisfaction", 1), asked(s(), "satisfaction", 5)],
            ),
            ("a year ago", adult, None, vec![asked(on("2025-03-31"), "satisfaction", 5)]),
        ],
    );
}

/// A provider's or a school's record.
fn body(record_type: RecordType, number: u8, more: Vec<(u8, Value)>) -> Event {
    let urn = match record_type {
        RecordType::SchoolContact => school_contact::URN,
        _ => provider_session::URN,
    };
    let mut values = vec![(urn, Value::Key([number; 16]))];
    values.extend(more);
    event(record_type, Some(s() - 30), values)
}

#[test]
fn organisations_count_once_each_and_a_childminder_never_exactly() {
    let session = |number, kind: &str, session: &str, came| {
        let more = vec![
            (provider_session::WHAT, code(&provider_session::KIND, kind)),
            (provider_session::WHICH, code(&provider_session::SESSION, session)),
            (provider_session::CAME, Value::Flag(came)),
        ];
        body(RecordType::ProviderSession, number, more)
    };
    let school = |number, engaged| {
        body(
            RecordType::SchoolContact,
            number,
            vec![(school_contact::ENGAGED, Value::Flag(engaged))],
        )
    };
    let events = [
        session(1, "childminder", "information", true),
        session(1, "childminder", "information", true),
        session(2, "nursery", "training", true),
        session(3, "nursery", "information", false),
        session(4, "school", "information", true),
        school(5, false),
        school(5, true),
        school(6, false),
        Event { known: s() + 43, ..school(7, true) },
        Event { day: Some(on("2025-03-31")), ..school(8, true) },
    ];
    let catalogue = Catalogue::shipped().unwrap();
    let geography = geography();
    for (q, exact) in [("2026Q1", [1, 1]), ("2026Q2", [2, 1])] {
        let period = Period::new(quarter(q));
        let mut counter = Counter::new(&catalogue, period, &geography).unwrap();
        counter.add_organisations(&events);
        let providers = catalogue.due_in(quarter(q)).position(|t| t.id.as_str() == "providers");
        assert_eq!(
            providers.map(|at| counter.reveal()[at].clone()),
            match q {
                "2026Q1" => None,
                _ => Some(vec![1, 2]),
            }
        );
        let ledger = Ledger::new(Limits::recommended());
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let release = counter.freeze(&mut rng, closing(&ledger, None)).unwrap();
        let of = |id: &str| release.table(&id.parse().unwrap()).map(|t| t.counts[0].clone());
        assert_eq!(of("schools"), Some(exact.to_vec()), "{q}");
        // A childminder is a person: providers have noise.
        assert_ne!(of("providers"), Some(vec![1, 2]));
    }
}
