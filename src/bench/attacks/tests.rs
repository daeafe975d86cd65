//! The suite wins against the rules in use as published, never against ours, and always against
//! a build with half of the noise.

use super::*;

/// Enough that half of the noise shows, few enough for a build that is not optimised.
const TRIALS: u64 = 960;

fn shipped() -> Catalogue {
    Catalogue::shipped().unwrap()
}

fn accuracy(rows: &[Row], number: u8, mechanism: &str) -> f64 {
    let wanted = format!("{number} ");
    let row = rows.iter().find(|r| r.attack.starts_with(&wanted) && r.mechanism == mechanism);
    row.unwrap().accuracy
}

#[test]
fn the_rules_in_use_fall_as_published_and_ours_stands() {
    let rows = run(&shipped(), TRIALS, 11, &mut |_| {}).unwrap();
    assert_eq!(rows.len(), ATTACKS.len() * 7);
    let beyond: Vec<_> = rows.iter().filter(|row| row.within == Some(false)).collect();
    assert!(beyond.is_empty(), "{beyond:?}");
    // The design's table: presence on average, presence at the worst, a withdrawal.
    let published = [
        ("threshold", [1.0, 1.0, 1.0]),
        ("hes", [0.6, 1.0, 0.6]),
        ("ons_10_5", [0.6, 1.0, 0.6]),
        ("cell_keys_1", [0.69, 0.69, 0.89]),
        ("cell_keys_9_5", [0.56, 0.56, 0.79]),
        ("tallygate_9", [0.57, 0.57, 0.57]),
    ];
    for (mechanism, [mean, worst, withdrawal]) in published {
        for (number, wanted) in [(0, mean), (9, worst), (10, withdrawal)] {
            let seen = accuracy(&rows, number, mechanism);
            // Four deviations of the sample, and what two decimals leave open.
            let error = 4.0 * (wanted * (1.0 - wanted) / TRIALS as f64).sqrt() + 0.015;
            let more = if number == 9 && wanted < 1.0 { 0.02 } else { 0.0 };
            assert!((seen - wanted).abs() <= error + more, "{number} {mechanism}: {seen}");
        }
    }
    // A move between two cells at variance 9.
    let moved = rows.iter().find(|r| r.attack.starts_with("2 ") && r.mechanism == "tallygate_9");
    assert!((moved.unwrap().bound.unwrap() - 0.593).abs() < 1e-3);
}

#[test]
fn a_build_with_half_of_the_noise_is_caught() {
    let honest = Build::of(&shipped());
    let halved = honest.clone().with_half_the_noise();
    let caught = |build: &Build, number: usize, trials: u64| {
        let attack = &ATTACKS[number];
        let mut dice = Dice::new([5, 6, 7, 8]);
        let found = build.attacked(attack.ours, trials, &mut dice).unwrap();
        row(attack, Against::Ours(build), &found).within == Some(false)
    };
    assert!(!caught(&honest, 14, 2_000));
    assert!(caught(&halved, 14, 2_000));
    assert!(caught(&Build::at_nine(&shipped()).with_half_the_noise(), 4, 6_000));
}

/// A percentage with its interval and what it is out of holds nearly all of its two counts: who
/// reads them back is right as often as who has the cells, 0.59 of the time at variance 9.
#[test]
fn ratios_tell_what_stands_behind_them() {
    let mut catalogue = shipped();
    // The parts of `registered` are of other tables.
    catalogue.indicators.iter_mut().for_each(|indicator| indicator.by.clear());
    let build = Build::alone_at_nine(&catalogue, "registered");
    let attack = ATTACKS.iter().find(|attack| attack.number == 7).unwrap();
    let found = build.attacked(attack.ours, 6_000, &mut Dice::new([2; 4])).unwrap();
    let row = row(attack, Against::Ours(&build), &found);
    assert!(row.accuracy > 0.56 && row.within == Some(true), "{row:?}");
}

#[test]
fn a_quarter_that_is_counted_again_for_a_merger_is_caught() {
    let attack = ATTACKS.iter().find(|attack| attack.name == "areas merged").unwrap();
    let caught = |build: &Build| {
        let mut dice = Dice::new([9, 8, 7, 6]);
        let found = build.attacked(attack.ours, 24_000, &mut dice).unwrap();
        row(attack, Against::Ours(build), &found).within == Some(false)
    };
    let honest = Build::at_nine(&shipped());
    assert!(!caught(&honest) && caught(&honest.counting_again()));
}

/// A table that counts a child more often than its cap says is further apart than is charged, whatever
/// the attacker's luck.
#[test]
fn a_count_beyond_what_the_ledger_charges_is_caught() {
    let honest = Build::of(&shipped());
    let attack = ATTACKS.last().unwrap();
    let found = honest.attacked(attack.ours, 10, &mut Dice::new([1; 4])).unwrap();
    let (counted, charged) = (found.counted.accuracy(), found.charged.accuracy());
    assert!(counted < charged && counted > charged - 0.01, "{counted} {charged}");
    let mut more = found.clone();
    more.counted.add(110, 1, 40);
    let of = |found: &Found| row(attack, Against::Ours(&honest), found).within;
    assert_eq!((of(&found), of(&more)), (Some(true), Some(false)));
}

#[test]
fn a_run_depends_on_its_seed_alone() {
    let small = |seed| run_on(&[Build::at_nine(&shipped())], 60, seed, &mut |_| {}).unwrap();
    assert_eq!(small(1), small(1));
    assert_ne!(small(1), small(2));
}

#[test]
fn the_exact_bounds_of_the_shipped_catalogue_are_within_what_it_promises() {
    let [quarter, childhood] = exact_bounds(&shipped());
    assert!(quarter > 0.5 && quarter < 0.60, "{quarter}");
    assert!(childhood > quarter && childhood < 0.80, "{childhood}");
}
