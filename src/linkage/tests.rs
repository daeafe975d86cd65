//! Who is tied to whom, and who never is.

use super::variants;
use super::*;
use crate::domain::{PartnerId, SubjectId};
use crate::keys::{
    BirthDate, IdentifierKind, MasterKeys, Pseudonym, Pseudonymiser, RawIdentifier, RawText,
};
use jiff::civil::{Date, date};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A person as a record states it.
#[derive(Clone)]
struct Stated {
    nhs: Option<&'static str>,
    forename: String,
    surname: String,
    birth: Date,
    sex: Option<Sex>,
    postcode: String,
    uprn: String,
    plurality: Option<u8>,
}

fn zoe() -> Stated {
    Stated {
        nhs: None,
        forename: "Zoë".into(),
        surname: "Oyelaran".into(),
        birth: date(2023, 4, 11),
        sex: Some(Sex::Female),
        postcode: "CV1 1AH".into(),
        uprn: "100070".into(),
        plurality: None,
    }
}

struct World {
    with: Pseudonymiser,
    partner: PartnerId,
    record: Pseudonym,
}

impl World {
    fn new() -> Self {
        let with =
            Pseudonymiser::new(&MasterKeys::generate(&mut StdRng::seed_from_u64(3))).unwrap();
        let partner: PartnerId = "health".parse().unwrap();
        let kind = IdentifierKind::Record { partner: &partner, record_type: "live_birth" };
        let record = RawIdentifier::new("1".to_owned()).pseudonymise(kind, &with);
        Self { with, partner, record }
    }

    fn subject(&self, id: i64, stated: &Stated) -> Subject {
        let text = |text: &str| Some(RawText::new(text.to_owned())).filter(|t| !t.is_empty());
        let raw = RawIdentity {
            nhs_number: stated.nhs.map(|number| RawIdentifier::new(number.to_owned())),
            forename: text(&stated.forename),
            surname: text(&stated.surname),
            birth: Some(BirthDate::new(stated.birth)),
            sex: stated.sex,
            postcode: text(&stated.postcode),
            uprn: text(&stated.uprn),
            plurality: stated.plurality,
            ..RawIdentity::default()
        };
        let sender = Sender { partner: &self.partner, record: &self.record, position: 0 };
        let keyed = raw.pseudonymise(sender, &self.with).unwrap();
        Subject {
            id: SubjectId::new(id),
            nhs: keyed.nhs,
            keys: keyed.match_keys,
            lookups: keyed.lookups,
            comparison: Some(keyed.comparison),
        }
    }

    fn subjects(&self, all: &[Stated]) -> Vec<Subject> {
        (1..).zip(all).map(|(id, stated)| self.subject(id, stated)).collect()
    }

    /// The rule that brings two together; `None` for two persons.
    fn rule(&self, one: &Stated, other: &Stated) -> Option<Rule> {
        let all = self.subjects(&[one.clone(), other.clone()]);
        assert_eq!(all[0].tie(&all[1]), all[1].tie(&all[0]), "ties are symmetric");
        let groups = resolve_all(&all);
        groups.iter().find_map(|group| group.links.first()).map(|link| link.rule)
    }
}

#[test]
fn one_person_however_written() {
    let world = World::new();
    let changed = |change: fn(&mut Stated)| {
        let mut stated = zoe();
        change(&mut stated);
        stated
    };
    let like = Some(Rule::LikeNamesBirthAddress);
    let cases: [(&str, Stated, Option<Rule>); 16] = [
        ("the same", changed(|s| s.uprn.clear()), Some(Rule::NamesBirthSexPostcode)),
        ("a spelling", changed(|s| s.forename = "Zoey".into()), like),
        ("a surname's part", changed(|s| s.surname = "Oyelaran-Smith".into()), like),
        ("a typing error", changed(|s| s.surname = "Oyelarna".into()), like),
        ("by the property", changed(|s| s.postcode.clear()), like),
        ("day and month", changed(|s| s.birth = date(2023, 11, 4)), like),
        ("another year", changed(|s| s.birth = date(2022, 4, 11)), Some(Rule::Mistyped)),
        (
            "a postcode's error",
            changed(|s| {
                s.postcode = "CV1 1HA".into();
                s.uprn.clear();
            }),
            Some(Rule::Mistyped),
        ),
        ("no sex", changed(|s| s.sex = None), like),
        ("an initial", changed(|s| s.forename = "Z".into()), Some(Rule::InitialBirthAddress)),
        ("another surname", changed(|s| s.surname = "Smith".into()), Some(Rule::Mistyped)),
        (
            "elsewhere",
            changed(|s| {
                s.postcode = "CV6 5RB".into();
                s.uprn = "200".into();
            }),
            None,
        ),
        ("the other sex", changed(|s| s.sex = Some(Sex::Male)), None),
        ("another name", changed(|s| s.forename = "Grace".into()), None),
        ("another birth date", changed(|s| s.birth = date(2021, 9, 30)), None),
        (
            "one of twins",
            changed(|s| {
                s.plurality = Some(2);
                s.forename = "Zoey".into();
            }),
            None,
        ),
    ];
    for (what, stated, expected) in cases {
        assert_eq!(world.rule(&zoe(), &stated), expected, "{what}");
    }
}

#[test]
fn a_birth_date_of_one_error_ties_in_one_home_and_not_in_one_postcode() {
    let world = World::new();
    let other_day = |stated: &Stated| Stated { birth: date(2023, 4, 27), ..stated.clone() };
    let homeless = |stated: &Stated| Stated { uprn: String::new(), ..stated.clone() };
    assert_eq!(world.rule(&zoe(), &other_day(&zoe())), Some(Rule::Mistyped));
    // No property is named: by the postcode, but for a forename that many share.
    assert_eq!(world.rule(&homeless(&zoe()), &other_day(&homeless(&zoe()))), Some(Rule::Mistyped));
    let shared = Stated { forename: "Mohammed".into(), surname: "Khan".into(), ..zoe() };
    assert_eq!(world.rule(&homeless(&shared), &other_day(&homeless(&shared))), None);
    assert_eq!(world.rule(&shared, &other_day(&shared)), Some(Rule::Mistyped));
    // The house next door.
    let next_door = Stated { uprn: "100071".into(), ..other_day(&zoe()) };
    assert_eq!(world.rule(&zoe(), &next_door), None);
}

#[test]
fn twins_of_like_names_that_no_list_knows_stay_apart() {
    let world = World::new();
    let named = |name: &str| Stated { forename: name.into(), ..zoe() };
    for (one, other) in
        [("Harveenjit", "Harleenjit"), ("Tavishka", "Tavishki"), ("Zorvan", "Zarvan")]
    {
        for name in [one, other] {
            assert!(!variants::is_known(name), "{name} is known: choose another");
        }
        assert_eq!(world.rule(&named(one), &named(other)), None, "{one}");
    }
    // Two letters in each other's place are an error; so is an unknown name beside a known one.
    let like = Some(Rule::LikeNamesBirthAddress);
    assert_eq!(world.rule(&named("Harveenjit"), &named("Harevenjit")), like);
    assert_eq!(world.rule(&named("Olivia"), &named("Olivua")), like);
}

#[test]
fn one_number_needs_two_more_signs() {
    let world = World::new();
    let of = |stated: Stated| Stated { nhs: Some("9990000018"), ..stated };
    let moved = date(2021, 9, 30);
    let one = of(zoe());
    let married = of(Stated { surname: "Smith".into(), ..zoe() });
    assert_eq!(world.rule(&one, &married), Some(Rule::NhsBirth));
    // Another's number: a forename may be the same by chance.
    let other = of(Stated { surname: "Smith".into(), birth: moved, ..zoe() });
    assert_eq!(world.rule(&one, &other), None);
    assert_eq!(world.rule(&one, &of(Stated { birth: moved, ..zoe() })), Some(Rule::NhsNames));
}

#[test]
fn numbers_outweigh_and_never_conflict() {
    let world = World::new();
    let numbered = |nhs, birth| Stated { nhs: Some(nhs), birth, ..zoe() };
    let right = numbered("9990000018", zoe().birth);
    let mistyped = numbered("9990000018", date(2024, 4, 11));
    assert_eq!(world.rule(&right, &mistyped), Some(Rule::NhsNames));
    let other_name = Stated { forename: "Grace".into(), surname: "Hall".into(), ..mistyped };
    assert_eq!(world.rule(&right, &other_name), None);
    let other = numbered("9990000026", zoe().birth);
    assert_eq!(world.rule(&right, &other), None);
    // A record without a number fits both of these: it is tied to neither.
    let all = world.subjects(&[right, other, zoe()]);
    assert_eq!(resolve_all(&all).len(), 3);
}

#[test]
fn an_initial_that_fits_both_twins_is_tied_to_neither() {
    let world = World::new();
    let twin = |name: &str| Stated { forename: name.into(), ..zoe() };
    let all = [twin("Jack"), twin("James"), twin("J")];
    assert_eq!(resolve_all(&world.subjects(&all)).len(), 3);
    assert_eq!(resolve_all(&world.subjects(&all[1..])).len(), 1);
}

#[test]
fn what_systems_fill_in_links_nobody() {
    let world = World::new();
    let placeholders: [fn(&mut Stated); 9] = [
        |s| s.forename = "Baby".into(),
        |s| s.forename = "Boy Twin".into(),
        |s| s.forename = "Newborn Male".into(),
        |s| s.forename = "Twin 1".into(),
        |s| s.forename = "Baby Girl".into(),
        |s| s.forename.clear(),
        |s| s.birth = date(1900, 1, 1),
        |s| {
            s.postcode = "ZZ99 3WZ".into();
            s.uprn.clear();
        },
        |s| {
            s.birth = date(2023, 1, 1);
            s.surname = "Oyelarna".into();
        },
    ];
    for (at, place) in placeholders.into_iter().enumerate() {
        let (mut one, mut other) = (zoe(), zoe());
        place(&mut one);
        place(&mut other);
        other.surname = "Oyelaran".into();
        other.uprn.push('1');
        assert_eq!(world.rule(&one, &other), None, "{at}");
    }
}

/// Forenames and surnames of the synthetic population.
fn names() -> (Vec<&'static str>, Vec<&'static str>) {
    let lists = include_str!("../synth/data/names.csv").lines().skip(1);
    let (mut forenames, mut surnames) = (Vec::new(), Vec::new());
    for line in lists {
        let mut fields = line.splitn(3, ',').skip(1);
        let (kind, all) = (fields.next().unwrap(), fields.next().unwrap());
        let to = if kind == "surname" { &mut surnames } else { &mut forenames };
        to.extend(all.split(' '));
    }
    (forenames, surnames)
}

/// Whether two names stand for one another, or are one without their marks.
fn one_name(a: &str, b: &str) -> bool {
    let groups = |n: &str| [variants::first_group(n), variants::second_group(n)];
    let shared = groups(a).iter().any(|g| !g.is_empty() && groups(b).contains(g));
    shared || variants::latin(a) == variants::latin(b)
}

#[test]
fn thousands_of_twins_siblings_and_namesakes_stay_apart() {
    let world = World::new();
    let (forenames, surnames) = names();
    let mut rng = StdRng::seed_from_u64(17);
    let mut pick = |from: &[&'static str]| from[rng.random_range(0..from.len())].to_owned();
    let mut all: Vec<Stated> = Vec::new();
    for family in 0..4_000u32 {
        let (first, second) = (pick(&forenames), pick(&forenames));
        if one_name(&first, &second) {
            continue;
        }
        let day = i16::try_from(family % 1_000).unwrap();
        let one = Stated {
            forename: first.clone(),
            surname: pick(&surnames),
            birth: date(2021, 2, 3).checked_add(jiff::Span::new().days(day)).unwrap(),
            uprn: format!("{}", 1_000 + family),
            postcode: format!("CV{} {}{}{}", 1 + family % 8, family % 10, "AB", "")
                .replace("AB", ["AB", "DE", "FG", "HJ", "LN"][family as usize / 10 % 5]),
            ..zoe()
        };
        let other = match family % 3 {
            0 => Stated { forename: second, ..one.clone() },
            1 => {
                let later = jiff::Span::new().days(400 + day);
                Stated {
                    forename: second,
                    birth: one.birth.checked_add(later).unwrap(),
                    ..one.clone()
                }
            }
            _ => Stated { uprn: format!("9{family}"), postcode: "CV7 9ZZ".into(), ..one.clone() },
        };
        all.extend([one, other]);
    }
    assert!(all.len() > 7_000);
    let subjects = world.subjects(&all);
    let merged: Vec<(String, String)> = resolve_all(&subjects)
        .into_iter()
        .filter(|group| group.members.len() > 1)
        .map(|group| {
            let name = |at: usize| {
                let id = usize::try_from(group.members[at].number() - 1).unwrap();
                format!("{} {}", all[id].forename, all[id].surname)
            };
            (name(0), name(1))
        })
        .collect();
    assert_eq!(merged, []);
}

#[test]
fn nothing_of_a_comparison_is_printed() {
    let world = World::new();
    let subject = world.subject(1, &zoe());
    let printed = format!("{subject:?}");
    assert!(printed.contains("Comparison(..)") && !printed.to_lowercase().contains("oyelaran"));
    let keyed = subject.keys.iter().count() + subject.lookups.len();
    assert!(keyed < 7, "{keyed} keys beside the fingerprint");
}
