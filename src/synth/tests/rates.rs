//! Rates, in memory.

use super::*;
use crate::synth::output::local_id;
use crate::synth::people::Person;
use crate::synth::record::Flaw;
use std::collections::BTreeSet;

/// Whether a count is what its probability makes likely (five standard deviations, and two more).
fn plausible(count: usize, of: usize, p: f64) -> bool {
    let (count, of) =
        (f64::from(u32::try_from(count).unwrap()), f64::from(u32::try_from(of).unwrap()));
    (count - of * p).abs() <= 5.0 * (of * p * (1.0 - p)).sqrt() + 2.0
}

#[test]
fn dirt_comes_at_its_rates() {
    let made = make(&plan(0.3));
    let all =
        || made.feeds.iter().flat_map(|feed| feed.entries.iter().map(move |e| (feed.partner, e)));
    let genuine = all().filter(|(_, e)| e.sent != Sent::Mistaken).count();
    let count = |of: &dyn Fn(&Entry) -> bool| all().filter(|(_, e)| of(e)).count();
    assert!(plausible(count(&|e| e.sent == Sent::Repeated), genuine, dirt::REPEATED));
    assert!(plausible(count(&|e| e.sent == Sent::Doubled), genuine, dirt::DOUBLED));
    let names = count(&|e| matches!(e.flaw, Flaw::Forename(_) | Flaw::Surname(_)));
    assert!(plausible(names, genuine, dirt::TYPING));
    let births = count(&|e| matches!(e.facts, Facts::LiveBirth));
    let dates = count(&|e| matches!(e.flaw, Flaw::BirthDate(_)));
    assert!(plausible(dates, genuine - births, dirt::TYPING));
    let broken = count(&|e| e.flaw == Flaw::CheckDigit);
    assert!(plausible(broken, genuine, dirt::BROKEN * 0.95), "{broken} of {genuine}");
    let mistaken = count(&|e| e.sent == Sent::Mistaken);
    assert!(mistaken > genuine / 2_000 && mistaken < genuine / 400, "{mistaken} of {genuine}");
    for (_, mistake) in all().filter(|(_, e)| e.sent == Sent::Mistaken) {
        // Withdrawn before any quarter that knows of it closes.
        let withdrawn = mistake.known.plus(dirt::WITHDRAWN_AFTER_DAYS);
        assert!(withdrawn <= made.period.first_close(mistake.known) && !mistake.counts);
    }
    let others = all().filter(|(p, e)| *p != Partner::Health && e.sent != Sent::Mistaken);
    let (blank, of) = others
        .fold((0, 0), |(blank, of), (_, e)| (blank + usize::from(e.home == Home::Blank), of + 1));
    assert!(plausible(blank, of, dirt::BLANK), "{blank} of {of}");
}

#[test]
fn records_without_nhs_number_late_ones_and_old_postcodes_are_many() {
    let made = make(&plan(0.3));
    let (mut without, mut outside, mut late, mut in_period, mut old, mut centres) =
        (0, 0, 0, 0, 0, 0);
    for feed in &made.feeds {
        for entry in &feed.entries {
            let person = made.people.person(entry.person);
            let shown = dirt::shows_nhs_number(entry, feed.partner, person);
            if feed.partner == Partner::Health {
                assert!(shown);
            } else {
                outside += 1;
                without += usize::from(!shown);
            }
            if let Some(own) = made.period.quarters.iter().find(|c| c.holds(entry.event)) {
                in_period += 1;
                late += usize::from(entry.known > own.close);
            }
            if let (Partner::Centres, Home::At(address)) = (feed.partner, entry.home) {
                centres += 1;
                let home = made.people.household_of(entry.person).home_on(entry.event);
                old += usize::from(address != home);
            }
        }
    }
    assert!(without * 100 > outside * 3 && without * 100 < outside * 8, "{without} of {outside}");
    assert!(
        late * 1_000 > in_period * 10 && late * 1_000 < in_period * 20,
        "{late} of {in_period}"
    );
    assert!(old * 100 > centres * 6 && old * 100 < centres * 25, "{old} of {centres}");
}

#[test]
fn families_are_as_the_domain_says() {
    let made = make(&plan(0.3));
    let (mut maternities, mut multiple, mut infants, mut moved) = (0, 0, 0, 0);
    for household in made.people.households.iter().filter(|h| !h.children.is_empty()) {
        let births: BTreeMap<Day, usize> =
            household.children.iter().fold(BTreeMap::new(), |mut b, c| {
                *b.entry(made.people.person(*c).born).or_default() += 1;
                b
            });
        maternities += births.len();
        multiple += births.values().filter(|children| **children > 1).count();
        for born in births.keys() {
            if household.arrived.is_none() && born.plus(365) <= made.period.last {
                infants += 1;
                let in_year = |(day, _): &&(Day, _)| *day > *born && *day <= born.plus(365);
                moved += usize::from(household.homes.iter().skip(1).any(|home| in_year(&home)));
            }
        }
    }
    assert!(plausible(multiple, maternities, population::MULTIPLE), "{multiple} of {maternities}");
    assert!(plausible(moved, infants, 0.20), "{moved} of {infants}");
    let (mut elsewhere, mut registrations) = (0, 0);
    for feed in &made.feeds {
        for entry in feed.entries.iter().filter(|e| e.sent != Sent::Mistaken) {
            if let Facts::Registration { centre, .. } = entry.facts {
                let home = made.people.household_of(entry.person).home_on(entry.event);
                registrations += 1;
                elsewhere += usize::from(usize::from(centre) != made.ground.area(home));
            }
        }
    }
    // 18% of families, and the second registrations.
    assert!(plausible(elsewhere, registrations, 0.205), "{elsewhere} of {registrations}");
    let deprived = |e: &&Entry| made.people.household_of(e.person).deprivation > 0.5;
    let list = made.feeds.iter().find(|f| f.partner == Partner::Dwp).unwrap();
    let poor = list.entries.iter().filter(deprived).count();
    assert!(poor * 3 > list.entries.len() * 2);
}

#[test]
fn identifiers_are_one_persons_only() {
    let made = make(&plan(0.05));
    let (mut numbers, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for household in made.people.households.iter() {
        let members =
            household.children.iter().chain([&household.adult]).chain(&household.second_adult);
        for id in members {
            let person: &Person = made.people.person(*id);
            assert!(numbers.insert(person.nhs_number));
            let mut text = String::new();
            local_id(Partner::Centres, person, *id, &mut text);
            assert!(text.len() <= 36 && ids.insert(text));
        }
    }
}
