//! Freezing, chaining, signing, verifying and reading releases.

use super::*;
use crate::disclosure::{
    CardEntry, DisclosureError, ExtractWeek, FeedWeek, Released, SealedRelease, card, contrast,
    error::Contradiction, expected::ExpectedError, figure, open_release, preview,
    release::NoisyTable, verify_release,
};

fn world() -> (Catalogue, Geography) {
    (Catalogue::shipped().unwrap(), geography())
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_twin_data_gets_other_noise() {
    let (catalogue, geography) = world();
    let of = |seed| release_of(&catalogue, &geography, |_, _| 50, seed);
    assert_eq!(of(1).canonical_bytes(), of(1).canonical_bytes());
    let (one, two) = (of(1), of(2));
    let cells = |release: &Release| -> Vec<i64> {
        release.tables.iter().flat_map(|t| t.counts.concat()).collect()
    };
    let differing = cells(&one).iter().zip(cells(&two)).filter(|(a, b)| **a != *b).count();
    // Two draws of these variances agree in at most one cell of twenty.
    assert!(differing > cells(&one).len() * 9 / 10, "{differing}");
    let base = |table: &crate::disclosure::Table| crate::disclosure::exact::rows(table, &geography);
    let all: usize =
        catalogue.due_in(period().quarter).map(|table| base(table) * table.cells.len()).sum();
    assert_eq!(cells(&one).len(), all);
}

#[test]
fn every_cell_has_a_draw_of_its_own_also_an_empty_one() {
    let (catalogue, geography) = world();
    let release = release_of(&catalogue, &geography, |_, _| 0, 3);
    for table in release.tables.iter().filter(|table| table.counts.concat().len() >= 16) {
        let values: Vec<i64> = table.counts.concat();
        let zeros = values.iter().filter(|v| **v == 0).count();
        assert!(zeros * 4 < values.len().max(8), "{}: {zeros} of {}", table.id, values.len());
        assert!(values.iter().any(|v| *v < 0) && values.iter().any(|v| *v > 0), "{}", table.id);
    }
}

/// Three quarters' releases in a chain.
fn chain(catalogue: &Catalogue, geography: &Geography) -> Vec<Release> {
    let mut releases: Vec<Release> = Vec::new();
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    for q in ["2025Q3", "2025Q4", "2026Q1"] {
        let mut counter = Counter::new(catalogue, Period::new(quarter(q)), geography).unwrap();
        // Three in four of 1,400 are registered.
        counter.plant(|t, i| if t > 0 { 120 } else { [1050, 350][i % 2] });
        let ledger = Ledger::after(Limits::recommended(), &releases);
        let previous = releases.last().map(|release| release.digest().unwrap());
        let mut closing = closing(&ledger, previous);
        closing.feeds = vec![FeedWeek {
            partner: "health".parse().unwrap(),
            record_type: RecordType::LiveBirth,
            week: Some(ExtractWeek::of(quarter(q).close_day())),
        }];
        releases.push(counter.freeze(&mut rng, closing).unwrap());
    }
    releases
}

#[test]
fn a_chain_of_releases_verifies_and_each_change_is_found() {
    let (catalogue, geography) = world();
    let releases = chain(&catalogue, &geography);
    let limits = Limits::recommended();
    for (at, release) in releases.iter().enumerate() {
        assert_eq!(verify_release(release, &catalogue, limits, &releases[..at]), Ok(()));
        assert_eq!(release.budget.releases, u32::try_from(at + 1).unwrap());
    }
    let last = &releases[2];
    let what = |changed: &Release, limits| match verify_release(
        changed,
        &catalogue,
        limits,
        &releases[..2],
    ) {
        Err(DisclosureError::WrongRelease { what, .. }) => Some(what),
        _ => None,
    };
    let change = |change: &dyn Fn(&mut Release)| {
        let mut changed = last.clone();
        change(&mut changed);
        what(&changed, limits)
    };
    let table =
        |change_table: &dyn Fn(&mut NoisyTable)| change(&|r| change_table(&mut r.tables[0]));
    assert_eq!(change(&|_| ()), None);
    assert_eq!(change(&|r| r.catalogue.digest = Digest::of(b"")), Some(Contradiction::Catalogue));
    assert_eq!(table(&|t| t.variance = 20), Some(Contradiction::Tables));
    assert_eq!(table(&|t| t.periods = 1), Some(Contradiction::Tables));
    assert_eq!(table(&|t| drop(t.counts.pop())), Some(Contradiction::Tables));
    assert_eq!(table(&|t| t.cells.swap(0, 1)), Some(Contradiction::Tables));
    assert_eq!(change(&|r| drop(r.tables.pop())), Some(Contradiction::Tables));
    assert_eq!(change(&|r| r.tables[1] = r.tables[0].clone()), Some(Contradiction::Tables));
    assert_eq!(change(&|r| r.budget.quarter = "0.1".parse().unwrap()), Some(Contradiction::Budget));
    assert_eq!(change(&|r| r.budget.releases = 2), Some(Contradiction::Budget));
    assert_eq!(change(&|r| r.previous = None), Some(Contradiction::Predecessor));
    assert_eq!(change(&|r| r.quarter = quarter("2027Q1")), Some(Contradiction::Budget));
    // Other tables are due in another quarter of the year.
    assert_eq!(change(&|r| r.quarter = quarter("2025Q4")), Some(Contradiction::Tables));
    assert_eq!(table(&|t| t.ages = None), Some(Contradiction::Tables));
    let tighter = Limits { quarter: "0.05".parse().unwrap(), ..limits };
    assert_eq!(what(last, tighter), Some(Contradiction::Budget));
}

#[test]
fn a_refused_release_draws_nothing() {
    let (catalogue, geography) = world();
    let releases = chain(&catalogue, &geography);
    let ledger = Ledger::after(Limits::recommended(), &releases);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let counter = Counter::new(&catalogue, period(), &geography).unwrap();
    let refused = counter.freeze(&mut rng, closing(&ledger, None));
    assert_eq!(refused, Err(DisclosureError::AlreadyReleased(quarter("2026Q1"))));
    assert_eq!(rng, ChaCha20Rng::seed_from_u64(1));
}

#[test]
fn a_sealed_release_opens_only_as_it_was_signed() {
    let (catalogue, geography) = world();
    let release = release_of(&catalogue, &geography, |_, _| 50, 1);
    // A stand-in for Ed25519: the digest, twice.
    let mac = |bytes: &[u8]| -> [u8; 64] {
        let digest = *Digest::of(bytes).as_bytes();
        std::array::from_fn(|i| digest[i % 32])
    };
    let sign = |bytes: &[u8]| Ok::<_, DisclosureError>(mac(bytes));
    let sealed = SealedRelease::seal(&release, "release-1", sign).unwrap();
    let check = |kid: &str, bytes: &[u8], s: &[u8; 64]| kid == "release-1" && *s == mac(bytes);
    assert_eq!(open_release(&sealed, check).unwrap(), release);
    assert_eq!(open_release(&sealed, |_, _, _| false), Err(DisclosureError::WrongSignature));
    let mut changed = sealed.clone();
    changed.payload.replace_range(40..41, if &sealed.payload[40..41] == "A" { "B" } else { "A" });
    assert_eq!(open_release(&changed, check), Err(DisclosureError::WrongSignature));
    let mut twice = sealed.clone();
    twice.signatures.push(sealed.signatures[0].clone());
    assert_eq!(open_release(&twice, check), Err(DisclosureError::WrongSignature));
}

#[test]
fn only_canonical_rectangular_documents_are_read() {
    let (catalogue, geography) = world();
    let release = release_of(&catalogue, &geography, |_, _| 50, 1);
    let bytes = release.canonical_bytes().unwrap();
    assert_eq!(Release::from_canonical_bytes(&bytes).unwrap(), release);
    let mut spaced = bytes.clone();
    spaced.push(b' ');
    assert!(Release::from_canonical_bytes(&spaced).is_err());
    let mut ragged = release.clone();
    ragged.tables[0].counts[3].pop();
    assert!(Release::from_canonical_bytes(&ragged.canonical_bytes().unwrap()).is_err());
    let unknown = String::from_utf8(bytes).unwrap().replacen('{', "{\"aa\":1,", 1);
    assert!(Release::from_canonical_bytes(unknown.as_bytes()).is_err());
}

#[test]
fn zero_small_and_absent_look_the_same() {
    let (catalogue, geography) = world();
    let mut release = release_of(&catalogue, &geography, |_, _| 0, 5);
    let births = |release: &Release, area: &str| {
        let shown =
            figure(&catalogue, release, &"births".parse().unwrap(), None, &area.parse().unwrap());
        let text = serde_json::to_string(&shown.unwrap()).unwrap();
        assert!(text.contains("\"withheld\""), "{text}");
        text.replace(area, "AREA")
    };
    let at = at(&catalogue, "births");
    for (row, value) in [(0, 0), (1, 12), (2, -9)] {
        release.tables[at].counts[row][0] = value;
    }
    assert_eq!(births(&release, "CC01"), births(&release, "CC02"));
    assert_eq!(births(&release, "CC01"), births(&release, "CC03"));
    release.tables[at].counts[0][0] = 16;
    let shown =
        figure(&catalogue, &release, &"births".parse().unwrap(), None, &"CC01".parse().unwrap());
    assert!(matches!(shown.unwrap().value, Released::Shown(_)));
}

#[test]
fn clusters_and_the_authority_are_sums_of_unrounded_noisy_values() {
    let (catalogue, geography) = world();
    let mut release = release_of(&catalogue, &geography, |_, _| 0, 5);
    let at = at(&catalogue, "births");
    for row in &mut release.tables[at].counts {
        row[0] = 101;
    }
    for (area, n) in [("CC01", 1.0), ("CL1", 3.0), ("CL2", 2.0), ("E08000026", 17.0)] {
        let shown =
            figure(&catalogue, &release, &"births".parse().unwrap(), None, &area.parse().unwrap());
        let Released::Shown(reading) = shown.unwrap().value else { panic!("withheld: {area}") };
        assert_eq!(reading.value, (n * 101.0_f64 / 5.0).round() * 5.0, "{area}");
        let half = 1.96 * (n * f64::from(release.tables[at].variance)).sqrt();
        assert!(((reading.upper - reading.lower) / 2.0 - half).abs() < 1.0, "{area}");
    }
}

#[test]
fn what_can_not_be_asked_is_refused_by_the_catalogue_alone() {
    let (catalogue, geography) = world();
    let release = release_of(&catalogue, &geography, |_, _| 80, 5);
    let ask = |indicator: &str, part, area: &str| {
        figure(&catalogue, &release, &indicator.parse().unwrap(), part, &area.parse().unwrap())
            .err()
    };
    assert_eq!(ask("families_known", Some("cp"), "E08000026"), None);
    assert_eq!(ask("families_known", Some("cp"), "CC01"), Some(DisclosureError::AuthorityOnly));
    assert!(matches!(ask("wealth", None, "CC01"), Some(DisclosureError::UnknownIndicator(_))));
    assert!(matches!(ask("births", Some("x"), "CC01"), Some(DisclosureError::UnknownPart(_))));
    assert!(matches!(ask("births", None, "CC99"), Some(DisclosureError::UnknownArea(_))));
}

#[test]
fn a_card_has_figures_parts_trends_weeks_and_words() {
    let (catalogue, geography) = world();
    let releases = chain(&catalogue, &geography);
    // In any order, a later quarter is not looked at.
    let all: Vec<&Release> = releases.iter().rev().collect();
    let card_of = |area: &str, of: &str| {
        let area = area.parse().unwrap();
        let locate = |release: &Release| release.geography.locate(&area);
        card(&catalogue, &all, &area, quarter(of), &locate)
    };
    let made = card_of("CC05", "2025Q4").unwrap();
    // What is counted for reach areas in the fourth quarter of a year.
    assert_eq!(made.entries.len(), 17);
    let registered = made.entries.iter().find(|entry| entry.number == 3).unwrap();
    let quarters: Vec<String> = registered.trend.iter().map(|f| f.period.to_string()).collect();
    assert_eq!(quarters, ["2025Q3", "2025Q4"]);
    assert_eq!(registered.trend.last(), Some(&registered.figure));
    let Released::Shown(reading) = registered.figure.value else { panic!("withheld") };
    assert_eq!(reading.word, Some("large majority"));
    assert!((reading.value - 75.0).abs() < 4.0 && reading.out_of.is_some());
    assert!(registered.figure.to_string().ends_with(": large majority"));
    assert_eq!(made.feeds[0].week.unwrap().to_string(), "2026-W07");
    let families = |card: &crate::disclosure::Card| {
        let own = |entry: &&CardEntry| entry.figure.indicator.as_str() == "families_known";
        card.entries.iter().find(own).map(|entry| entry.parts.len())
    };
    assert_eq!(families(&made), None);
    let authority = card_of("E08000026", "2026Q1").unwrap();
    assert_eq!(families(&authority), Some(4));
    let again = card_of("CC05", "2025Q4").unwrap();
    assert_eq!(serde_json::to_vec(&made).unwrap(), serde_json::to_vec(&again).unwrap());
    assert!(card_of("CC05", "2024Q4").is_err());
}

#[test]
fn a_preview_shows_structure_errors_and_budget_and_is_always_the_same() {
    let (catalogue, geography) = world();
    let ledger = Ledger::new(Limits::recommended());
    let make = || preview(&catalogue, &geography, &ledger, quarter("2026Q1"), vec![]).unwrap();
    let made = make();
    assert_eq!(made, make());
    assert!(made.quarter_risk.accuracy < 0.60);
    assert!(made.lifetime_risk.accuracy < 0.80);
    assert_eq!(made.tables.len(), catalogue.due_in(quarter("2026Q1")).count());
    let due = |e: &ExpectedError| catalogue.table(&e.table).unwrap().is_due(quarter("2026Q1"));
    assert!(made.errors.len() > 100 && made.errors.iter().all(due));
    assert!(made.minimum_contrast_variance >= f64::from(contrast::CONTRAST_FLOOR));
    let releases = chain(&catalogue, &geography);
    let mut quiet = catalogue.clone();
    let own = quiet.tables.iter().position(|table| table.id.as_str() == "prompt").unwrap();
    quiet.tables[own].variance = 20;
    let lax = Ledger::new(Limits {
        quarter: "9".parse().unwrap(),
        lifetime: "9".parse().unwrap(),
        minimum_variance: 1,
    });
    let refused = preview(&quiet, &geography, &lax, quarter("2026Q1"), vec![]);
    assert!(matches!(refused, Err(DisclosureError::ContrastBelowFloor { .. })), "{refused:?}");
    let spent = Ledger::after(Limits::recommended(), &releases);
    assert!(preview(&catalogue, &geography, &spent, quarter("2026Q1"), vec![]).is_err());
}
