//! By which two subjects are one person: the rules of version 3, in the order of their surety.
//!
//! A rule looks at two comparisons and nothing else; it is symmetric. First what forbids a tie:
//! - different NHS numbers;
//! - without one NHS number for both: forenames that are different names (two known names that no
//!   group brings together, or names without any likeness), different sexes, a multiple birth.
//!   So twins, siblings and parents stay apart whatever else they share.
//!
//! Then what ties, each with a name that is kept with the link:
//!
//! | Rule | Asks for |
//! |---|---|
//! | `nhs_birth` | one NHS number, one date of birth (a key) |
//! | `names_birth_sex_postcode` | all of these equal (a key) |
//! | `nhs_names` | one NHS number; two of forename, surname and birth date alike |
//! | `like_names_birth_address` | like names, birth date, postcode or UPRN |
//! | `initial_birth_address` | an initial for the forename; surname, birth date, postcode or UPRN |
//! | `mistyped` | forename and address, one error in the rest, [`WEIGHTS`] above [`ENOUGH`]; an error in the birth date asks for one property |
//! | `address_lines` | names and three or more lines of an address, against a birth date that is missing or wrong |
//!
//! The last asks for address lines (house, street, locality), which no record type of the gateway
//! carries: it ties nothing there, since father and son of one name are told apart by their birth
//! dates alone. [`WEIGHTS`] are log2 of how much more often a likeness is seen between records of one
//! person than of two (Fellegi and Sunter, 1969), rounded, from FEBRL's first and second data set.
//!
//! Two forenames that no list knows, one letter apart, may be a child and an error or two children
//! (Harleen and Harveen): only two letters in each other's place count as an error there. Of a known
//! name and an unknown one the unknown is taken for the error.
//!
//! In one postcode many families may share a surname and a custom of naming. So a birth date that is
//! not quite the same ties by the property, or by a postcode alone where no two properties are named
//! and the forename is not one that many share.
//!
//! A first of January, which many systems fill in, counts as no birth date here; the two keys take it.

use super::Sex;
use super::comparison::{Comparison, Marks, Slot};

/// The version of the rules of this file, kept with each link. They are applied to what is stored: a
/// new version needs a relinking and no new tags.
pub const COMPARISON_RULES: u16 = 3;

/// Below this the weights of a pair do not tie it.
const ENOUGH: i32 = 18;

/// How alike two values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    /// One of them is not there.
    Absent,
    /// Different.
    Different,
    /// The first letter at least.
    Initial,
    /// One end of it.
    Weak,
    /// It sounds alike.
    Sound,
    /// One error apart.
    Close,
    /// Another form of the same name.
    Variant,
    /// Equal.
    Exact,
}

use Likeness::{Absent, Close, Different, Exact, Initial, Sound, Variant, Weak};

impl Likeness {
    /// Equal but for an error or a form.
    fn is_like(self) -> bool {
        self >= Sound
    }
}

/// Weights of likenesses: forename, surname, birth date, postcode, UPRN, house, street, second line,
/// locality; for each likeness from [`Different`] on.
const WEIGHTS: [[i32; 7]; 9] = [
    [-4, 1, 2, 5, 6, 6, 7],
    [-4, 1, 2, 6, 7, 7, 8],
    [-5, 0, 0, 0, 5, 9, 13],
    [-4, 0, 0, 0, 4, 4, 9],
    [-1, 0, 0, 0, 0, 0, 9],
    [-2, 0, 0, 0, 0, 0, 5],
    [-3, 0, 2, 7, 8, 8, 9],
    [-2, 0, 1, 5, 5, 5, 6],
    [-3, 0, 1, 3, 4, 4, 4],
];

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)+) => {
        /// Why two subjects are one person. The numbers are stored with links and never change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule { $($(#[$doc])* $variant),+ }

        impl Rule {
            /// Every rule, the surest first.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stored number.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(Self::$variant => $number),+ }
            }

            /// Its name in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The rule of a stored number.
            #[must_use]
            pub fn from_number(number: u8) -> Option<Self> {
                Self::ALL.iter().copied().find(|rule| rule.number() == number)
            }
        }
    };
}

rules! {
    /// NHS number and date of birth.
    NhsBirth = 1, "nhs_birth";
    /// Surname, forename, date of birth, sex and postcode.
    NamesBirthSexPostcode = 2, "names_birth_sex_postcode";
    /// NHS number and names, the date of birth mistaken or missing.
    NhsNames = 3, "nhs_names";
    /// Like names, date of birth, and postcode or UPRN.
    LikeNamesBirthAddress = 4, "like_names_birth_address";
    /// An initial, surname, date of birth, and postcode or UPRN.
    InitialBirthAddress = 5, "initial_birth_address";
    /// One field mistaken, the others outweighing it.
    Mistyped = 6, "mistyped";
    /// Names and address lines, the date of birth missing or wrong.
    AddressLines = 7, "address_lines";
}

fn equal(a: &Comparison, b: &Comparison, slot: Slot) -> bool {
    crossed(a, slot, b, slot)
}

fn crossed(a: &Comparison, in_a: Slot, b: &Comparison, in_b: Slot) -> bool {
    a.tag(in_a).is_some() && a.tag(in_a) == b.tag(in_b)
}

/// The slots of one text and its forms.
type Text = [Slot; 6];

const FORENAME: Text = [
    Slot::Forename,
    Slot::ForenameSound,
    Slot::ForenameHead,
    Slot::ForenameTail,
    Slot::ForenameEnds,
    Slot::ForenameLetters,
];
const SURNAME: Text = [
    Slot::Surname,
    Slot::SurnameSound,
    Slot::SurnameHead,
    Slot::SurnameTail,
    Slot::SurnameEnds,
    Slot::SurnameLetters,
];
const STREET: Text = [
    Slot::Street,
    Slot::StreetSound,
    Slot::StreetHead,
    Slot::StreetTail,
    Slot::StreetEnds,
    Slot::StreetLetters,
];
const SECOND: Text = [
    Slot::Second,
    Slot::SecondSound,
    Slot::SecondHead,
    Slot::SecondTail,
    Slot::SecondEnds,
    Slot::SecondLetters,
];
const LOCALITY: Text = [
    Slot::Locality,
    Slot::LocalitySound,
    Slot::LocalityHead,
    Slot::LocalityTail,
    Slot::LocalityEnds,
    Slot::LocalityLetters,
];

/// How alike two texts are by their forms.
fn text(a: &Comparison, in_a: &Text, b: &Comparison, in_b: &Text) -> Likeness {
    if a.tag(in_a[0]).is_none() || b.tag(in_b[0]).is_none() {
        return Absent;
    }
    let [whole, sound, head, tail, ends, letters]: [bool; 6] =
        std::array::from_fn(|form| crossed(a, in_a[form], b, in_b[form]));
    let forms = u8::from(head) + u8::from(tail) + u8::from(ends) + 2 * u8::from(letters);
    match forms {
        _ if whole => Exact,
        2.. => Close,
        _ if sound => Sound,
        1 => Weak,
        _ => Different,
    }
}

fn forename(a: &Comparison, b: &Comparison) -> Likeness {
    let whole = text(a, &FORENAME, b, &FORENAME);
    if matches!(whole, Absent | Exact) {
        return whole;
    }
    if several(a, b) == Some(false) {
        return Different;
    }
    let groups = [Slot::ForenameGroup, Slot::ForenameSecondGroup];
    let grouped = groups.iter().any(|x| groups.iter().any(|y| crossed(a, *x, b, *y)));
    if grouped || several(a, b) == Some(true) {
        return Variant;
    }
    let known = [a, b].map(|of| of.is(Marks::KNOWN));
    match whole {
        _ if known == [true, true] => Different,
        Sound | Close if known == [false, false] && !equal(a, b, Slot::ForenameLetters) => Weak,
        Different if equal(a, b, Slot::ForenameInitial) => Initial,
        other => other,
    }
}

/// Of forenames of which one at least has several words: whether one is a part of the other, or the
/// same words in another order. `None` where that is not the question.
fn several(a: &Comparison, b: &Comparison) -> Option<bool> {
    let rest = |c: &Comparison| c.tag(Slot::ForenameRest).is_some();
    let part_of = |whole: &Comparison, part: &Comparison| {
        let by_first = crossed(whole, Slot::ForenameFirst, part, Slot::Forename);
        (by_first && !whole.is(Marks::SHARED))
            || crossed(whole, Slot::ForenameRest, part, Slot::Forename)
    };
    match (rest(a), rest(b)) {
        (false, false) => None,
        // Two names and two other names, unless they are the same letters.
        (true, true) => Some(equal(a, b, Slot::ForenameLetters)),
        (true, false) => part_of(a, b).then_some(true),
        (false, true) => part_of(b, a).then_some(true),
    }
}

fn surname(a: &Comparison, b: &Comparison) -> Likeness {
    let whole = text(a, &SURNAME, b, &SURNAME);
    if matches!(whole, Absent | Exact) {
        return whole;
    }
    let forms = [Slot::Surname, Slot::SurnameStem, Slot::SurnameFirst, Slot::SurnameLast];
    if forms.iter().any(|x| forms.iter().any(|y| crossed(a, *x, b, *y))) {
        return Variant;
    }
    match whole {
        Different if equal(a, b, Slot::SurnameInitial) => Initial,
        other => other,
    }
}

fn birth(a: &Comparison, b: &Comparison) -> Likeness {
    if a.tag(Slot::BirthYearMonth).is_none() || b.tag(Slot::BirthYearMonth).is_none() {
        return Absent;
    }
    let parts = [Slot::BirthYearMonth, Slot::BirthMonthDay, Slot::BirthYearDay];
    match parts.iter().filter(|slot| equal(a, b, **slot)).count() {
        2.. => Exact,
        _ if equal(a, b, Slot::BirthSwapped) => Variant,
        1 => Close,
        _ => Different,
    }
}

fn postcode(a: &Comparison, b: &Comparison) -> Likeness {
    let forms = [Slot::PostcodeSector, Slot::PostcodeInward, Slot::PostcodeLetters];
    match (a.tag(Slot::Postcode), b.tag(Slot::Postcode)) {
        (Some(one), Some(other)) if one == other => Exact,
        (Some(_), Some(_)) if forms.iter().any(|slot| equal(a, b, *slot)) => Close,
        (Some(_), Some(_)) => Different,
        _ => Absent,
    }
}

fn exact(a: &Comparison, b: &Comparison, slot: Slot) -> Likeness {
    match (a.tag(slot), b.tag(slot)) {
        (Some(one), Some(other)) if one == other => Exact,
        (Some(_), Some(_)) => Different,
        _ => Absent,
    }
}

/// How alike two subjects are, field by field, in the order of [`WEIGHTS`].
struct Pair {
    fields: [Likeness; 9],
    nhs: Likeness,
    number: Likeness,
    sex: Likeness,
    plural: bool,
    unnamed: bool,
    initial: bool,
    shared: bool,
}

impl Pair {
    fn of(a: &Comparison, b: &Comparison) -> Self {
        let [mut given, mut family] = [forename(a, b), surname(a, b)];
        if given <= Weak && family <= Weak {
            (given, family) = swapped(a, b).unwrap_or((given, family));
        }
        let [mut street, mut second] = [text(a, &STREET, b, &STREET), text(a, &SECOND, b, &SECOND)];
        let lines = [text(a, &STREET, b, &SECOND), text(a, &SECOND, b, &STREET)];
        if street <= Weak && second <= Weak && lines[0].is_like() && lines[1] != Different {
            (street, second) = (Sound, Sound);
        }
        let near = !a.near.is_empty() && a.near.iter().any(|tag| b.near.contains(tag));
        let number = match exact(a, b, Slot::Number) {
            Different if near => Close,
            other => other,
        };
        let sex = match (a.sex, b.sex) {
            (Sex::Male, Sex::Male) | (Sex::Female, Sex::Female) => Exact,
            (Sex::Male, Sex::Female) | (Sex::Female, Sex::Male) => Different,
            _ => Absent,
        };
        Self {
            fields: [
                given,
                family,
                birth(a, b),
                postcode(a, b),
                exact(a, b, Slot::Uprn),
                exact(a, b, Slot::House),
                street,
                second,
                text(a, &LOCALITY, b, &LOCALITY),
            ],
            nhs: exact(a, b, Slot::Nhs),
            number,
            sex,
            plural: a.is(Marks::PLURAL) || b.is(Marks::PLURAL),
            unnamed: a.is(Marks::UNNAMED) || b.is(Marks::UNNAMED),
            initial: a.is(Marks::INITIAL) != b.is(Marks::INITIAL),
            shared: a.is(Marks::SHARED) || b.is(Marks::SHARED),
        }
    }

    fn weight(&self) -> i32 {
        let weights = self.fields.iter().zip(&WEIGHTS);
        weights
            .filter_map(|(likeness, of)| (*likeness as usize).checked_sub(1).map(|at| of[at]))
            .sum()
    }

    /// How many lines of an address agree; none where there are no lines.
    fn lines(&self) -> usize {
        let [_, _, _, postcode, _, house, street, second, locality] = self.fields;
        if [house, street, second, locality].iter().all(|line| *line == Absent) {
            return 0;
        }
        [postcode, house, street, second, locality].iter().filter(|l| l.is_like()).count()
    }

    /// Whether they live in one home, as far as can be told, and not in one postcode only: there a
    /// namesake of nearly the same age may live, too.
    fn one_home(&self, lines: usize) -> bool {
        let [_, _, _, postcode, uprn, ..] = self.fields;
        uprn == Exact || lines >= 3 || (postcode == Exact && uprn == Absent && !self.shared)
    }

    /// Whether they can't be one person without one number.
    fn apart(&self) -> bool {
        if self.nhs != Absent {
            return self.nhs == Different;
        }
        let same_number = matches!(self.number, Exact | Close);
        self.sex == Different || (self.fields[0] == Different && !same_number)
    }

    fn rule(&self) -> Option<Rule> {
        let lines = self.lines();
        if self.apart() {
            return None;
        }
        let [given, family, birth, postcode, uprn, ..] = self.fields;
        if self.nhs == Exact {
            let alike = [given, family, birth].iter().filter(|field| field.is_like()).count();
            return (alike >= 2).then_some(Rule::NhsNames);
        }
        if self.plural || self.unnamed {
            return None;
        }
        if self.number == Exact {
            return (self.weight() >= 0).then_some(Rule::NhsNames);
        }
        let here = postcode == Exact || uprn == Exact;
        let on_the_day = birth >= Variant;
        if given.is_like() && family.is_like() && on_the_day && here {
            return Some(Rule::LikeNamesBirthAddress);
        }
        if self.initial && given == Initial && family >= Variant && birth == Exact && here {
            return Some(Rule::InitialBirthAddress);
        }
        let weight = self.weight()
            + match self.number {
                Close => 6,
                Different => -6,
                _ => 0,
            };
        let here = here || lines >= 3;
        let mistyped = match (given, birth) {
            (Absent | Different, _) | (_, Absent | Different) => false,
            // Of a house whose lines agree; by a postcode alone, twins of rare names would be one.
            (Initial, _) => family.is_like() && on_the_day && lines >= 3 && !self.initial,
            (Weak, _) => on_the_day && (lines >= 4 || (lines >= 3 && family.is_like())),
            (_, Close) => given >= Close && family.is_like() && self.one_home(lines),
            _ if lines >= 2 => true,
            // Another surname at one address; in one postcode it may be another child.
            (Exact | Variant, _) if family <= Initial => {
                uprn == Exact || (family == Absent && here)
            }
            _ => (family >= Weak && postcode == Close) || (given >= Variant && here),
        };
        if mistyped && weight >= ENOUGH {
            return Some(Rule::Mistyped);
        }
        let by_lines = match (given, birth) {
            (Different, _) => false,
            (Absent, Exact | Variant) => lines >= 4 || (lines >= 3 && family >= Initial),
            (Absent, Close) => lines >= 4 && family.is_like(),
            (Absent, _) => false,
            (Exact, Absent | Different) if lines >= 4 => true,
            (Exact, Absent | Different) if lines >= 2 => family.is_like(),
            _ => lines >= 3 && (family >= Initial || family == Absent),
        };
        (by_lines && weight >= ENOUGH).then_some(Rule::AddressLines)
    }
}

/// Forename and surname in each other's place: what either is like then. Where one of them is the
/// other's and the rest differs (one of the two has another surname, too), the forenames are at
/// least not known to be different names.
fn swapped(a: &Comparison, b: &Comparison) -> Option<(Likeness, Likeness)> {
    let across = [text(a, &FORENAME, b, &SURNAME), text(a, &SURNAME, b, &FORENAME)];
    let one = across.iter().any(|l| l.is_like());
    let neither_differs = across.iter().all(|l| *l == Absent || *l >= Weak);
    let family = if across.contains(&Absent) { Absent } else { Sound };
    match (one && neither_differs, across.contains(&Exact)) {
        (true, _) => Some((Sound, family)),
        (false, true) => Some((Weak, Different)),
        (false, false) => None,
    }
}

/// The rule that ties two subjects by what they are compared by, if any does, and the weight of all
/// that they have in common.
pub(super) fn rule(a: &Comparison, b: &Comparison) -> Option<(Rule, i32)> {
    let pair = Pair::of(a, b);
    pair.rule().map(|rule| (rule, pair.weight()))
}

/// Whether two subjects can't be one person, whatever ties either to a third.
pub(super) fn apart(a: &Comparison, b: &Comparison) -> bool {
    Pair::of(a, b).apart()
}
