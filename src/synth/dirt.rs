//! What is wrong with real files: typing errors, repeats, the same facts twice, records about the wrong
//! person that are withdrawn a week later, empty and unknown postcodes, NHS numbers with a wrong check digit,
//! consents that were refused. (Old postcodes, late records and missing NHS numbers are the agencies' own.)

use super::calendar::{Day, Period};
use super::dice::Dice;
use super::people::{Coin, People, Person};
use super::record::{Entry, Facts, Feed, Flaw, Home, Partner, Sent};

/// Records with a typing error in a name; the same share has one in the date of birth.
pub(super) const TYPING: f64 = 0.001;
/// Records whose NHS number has a wrong check digit.
pub(super) const BROKEN: f64 = 0.000_5;
/// Rows that are sent again as they are.
pub(super) const REPEATED: f64 = 0.004;
/// Records sent again under a new record id.
pub(super) const DOUBLED: f64 = 0.004;
/// Records about the wrong person, withdrawn with the extract a week later.
pub(super) const MISTAKEN: f64 = 0.002;
/// Records outside Health without a postcode.
pub(super) const BLANK: f64 = 0.01;
/// Health's and the families' services' records with the pseudo postcode of an address that is not known.
const NOT_KNOWN: f64 = 0.002;

/// Days from an extract to the next.
pub(super) const WITHDRAWN_AFTER_DAYS: i32 = 7;

/// Whether the centres may use a person's data.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) enum Consent {
    Given,
    Refused,
    Withdrawn,
}

impl Consent {
    /// Of a thousand people two refused and three withdrew; canaries did neither.
    pub(super) fn of(person: &Person, canary: bool) -> Self {
        match person.coin(Coin::Consent) {
            _ if canary => Self::Given,
            0 | 1 => Self::Refused,
            2..=4 => Self::Withdrawn,
            _ => Self::Given,
        }
    }

    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Soils a feed. What a record loses by it (`counts`, its address) is lost to the truth as well, except that
/// typing errors and repeats cost nothing there.
pub(super) fn soil(feed: &mut Feed, people: &People, period: &Period, dice: &mut Dice) {
    for entry in &mut feed.entries {
        let person = people.person(entry.person);
        let canary = people.household_of(entry.person).canary;
        if feed.partner == Partner::Centres && Consent::of(person, canary) != Consent::Given {
            entry.counts = false;
        }
        if !canary {
            soil_entry(entry, feed.partner, person, dice);
        }
    }
    for _ in 0..feed.entries.len() {
        if dice.chance(MISTAKEN)
            && let Some(mistake) = mistake(feed, people, period, dice)
        {
            feed.entries.push(mistake);
        }
    }
}

fn soil_entry(entry: &mut Entry, partner: Partner, person: &Person, dice: &mut Dice) {
    if partner != Partner::Health && dice.chance(BLANK) {
        entry.home = Home::Blank;
    }
    let may_have_none = matches!(partner, Partner::Health | Partner::Families);
    if may_have_none && dice.chance(NOT_KNOWN) {
        entry.home = Home::NotKnown;
    }
    if dice.chance(REPEATED) {
        entry.sent = Sent::Repeated;
    } else if dice.chance(DOUBLED) {
        entry.sent = Sent::Doubled;
    }
    let which = dice.small(0, 255);
    if dice.chance(TYPING) {
        entry.flaw = if which < 128 { Flaw::Forename(which) } else { Flaw::Surname(which) };
    } else if dice.chance(TYPING) && !matches!(entry.facts, Facts::LiveBirth) {
        // A live birth's event is the date of birth itself: an error there would be rejected.
        entry.flaw = Flaw::BirthDate(which);
    }
    if shows_nhs_number(entry, partner, person) && dice.chance(BROKEN) {
        entry.flaw = Flaw::CheckDigit;
        entry.sent = Sent::Once;
        entry.counts = false;
    }
}

/// Whether the record states the person's NHS number. Learners are known by their ULN alone.
pub(super) fn shows_nhs_number(entry: &Entry, partner: Partner, person: &Person) -> bool {
    !matches!(entry.facts, Facts::Aim { .. }) && partner.holds_number_of(person)
}

/// A record of one person's facts under another person, to be withdrawn before any quarter would count it:
/// so it changes no figure, whenever the withdrawal is taken to bite.
fn mistake(feed: &Feed, people: &People, period: &Period, dice: &mut Dice) -> Option<Entry> {
    let likely = matches!(
        feed.entries.first()?.facts,
        Facts::Review { .. }
            | Facts::FundedPlace { .. }
            | Facts::Registration { .. }
            | Facts::Attendance { .. }
            | Facts::Referral { .. }
    );
    let facts = feed.entries.get(dice.index(feed.entries.len()))?;
    let other = feed.entries.get(dice.index(feed.entries.len()))?;
    let person = people.person(other.person);
    let canary =
        people.household_of(other.person).canary || people.household_of(facts.person).canary;
    let alike = person.is_child() == people.person(facts.person).is_child();
    let alive = person.born <= facts.event && facts.event < person.born.years_on(50);
    let in_time = facts.known.plus(WITHDRAWN_AFTER_DAYS) <= period.first_close(facts.known);
    let once = facts.sent != Sent::Mistaken && other.sent != Sent::Mistaken;
    let different = facts.person != other.person;
    if !(likely && alike && alive && in_time && once && different) || canary {
        return None;
    }
    let mut mistake = Entry::new(other.person, facts.event, facts.known, other.home, facts.facts);
    mistake.sent = Sent::Mistaken;
    mistake.counts = false;
    Some(mistake)
}

/// A name with one typing error: two letters swapped, one lost, or one twice.
pub(super) fn mistyped_name(name: &str, which: u8) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    if letters.len() < 3 {
        letters.extend(letters.last().copied());
        return letters.into_iter().collect();
    }
    let at = 1 + usize::from(which / 3) % (letters.len() - 2);
    let swapped = letters[at] != letters[at + 1];
    match which % 3 {
        0 if swapped => letters.swap(at, at + 1),
        1 => {
            letters.remove(at);
        }
        _ => letters.insert(at, letters[at]),
    }
    letters.into_iter().collect()
}

/// A date of birth with one typing error: day and month swapped, the year or the day one off. It never lies
/// after `event`.
pub(super) fn mistyped_birth(born: Day, event: Day, which: u8) -> Day {
    let date = born.date();
    let step = if which & 4 == 0 { 1 } else { -1 };
    let wrong = match which % 3 {
        0 => jiff::civil::Date::new(date.year(), date.day().min(12), date.month()).ok(),
        1 => Some(born.years_on(step).date()),
        _ => Some(born.plus(step).date()),
    };
    let wrong = wrong.map(Day::of).filter(|wrong| *wrong != born && *wrong <= event);
    wrong.unwrap_or(born.plus(-1))
}
