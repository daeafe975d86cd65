//! From the raw fields of an identity to the inputs of its tags, and to its lookup keys.
//!
//! A tag is evaluated once for each distinct form of a field: 16 to 22 of the gateway's fields, each
//! cacheable by its value, since names, dates and postcodes recur. Lookup keys are made of tags'
//! outputs alone and cost no evaluation of their own.

use super::comparison::{Marks, Slot};
use super::normalise;
use super::variants::{self, FORM_RULES};
use crate::keys::{BirthDate, Output, PrfInput, PseudonymDomain, RawText};

/// The domain that tags and lookup keys are keyed under; rungs of names have the same, and other
/// fields.
const DOMAIN: PseudonymDomain = PseudonymDomain::MatchNamesBirthSexPostcode;

/// By which subjects are found that may be tied: rare in what they hold, so that few share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lookup {
    /// The NHS number.
    Nhs,
    /// Date of birth and postcode, or UPRN where there is no postcode.
    BirthAddress,
    /// The heads of both names, in either order, and date of birth.
    NamesBirth,
    /// The heads of both names, in either order, and postcode, or UPRN.
    NamesAddress,
    /// An identifier without a check digit.
    Number,
    /// Date of birth and the head of the street.
    BirthStreet,
    /// Postcode and the head of the street.
    PostcodeStreet,
    /// The heads of street and locality.
    StreetLocality,
    /// House and postcode.
    HousePostcode,
    /// The heads of both names and the head of the street.
    NamesStreet,
    /// The heads of both names and the house.
    NamesHouse,
    /// The forename's head and date of birth.
    ForenameBirth,
    /// The surname's head and date of birth.
    SurnameBirth,
    /// House and date of birth.
    HouseBirth,
}

impl Lookup {
    /// Every one. A subject of the gateway has the first four at most; the others need address
    /// lines.
    pub const ALL: [Self; 14] = [
        Self::Nhs,
        Self::BirthAddress,
        Self::NamesBirth,
        Self::NamesAddress,
        Self::Number,
        Self::BirthStreet,
        Self::PostcodeStreet,
        Self::StreetLocality,
        Self::HousePostcode,
        Self::NamesStreet,
        Self::NamesHouse,
        Self::ForenameBirth,
        Self::SurnameBirth,
        Self::HouseBirth,
    ];

    /// Its number as stored in the place of a rung; above all rungs.
    #[must_use]
    pub const fn number(self) -> u8 {
        16 + self as u8
    }

    /// The lookup key of a stored number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|lookup| lookup.number() == number)
    }

    /// The domain of every lookup key.
    #[must_use]
    pub const fn domain() -> PseudonymDomain {
        DOMAIN
    }
}

/// An address as its lines, for sources without UPRNs. The gateway's records have none.
#[derive(Default)]
pub struct RawLines {
    /// House number or name.
    pub house: Option<RawText>,
    /// The first line.
    pub street: Option<RawText>,
    /// The second.
    pub second: Option<RawText>,
    /// Town or suburb.
    pub locality: Option<RawText>,
    /// A postcode that is none of the United Kingdom's.
    pub postcode: Option<RawText>,
}

/// The fields that tags are made of: names as written, the rest normalised.
pub(super) struct Parts<'a> {
    pub(super) nhs: Option<Output>,
    pub(super) number: Option<&'a RawText>,
    pub(super) surname: Option<&'a RawText>,
    pub(super) forename: Option<&'a RawText>,
    pub(super) birth: Option<&'a BirthDate>,
    pub(super) postcode: Option<&'a RawText>,
    pub(super) uprn: Option<&'a RawText>,
    pub(super) plural: bool,
    pub(super) lines: &'a RawLines,
}

/// What the inputs of one identity are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TagUse {
    Tag(Slot),
    Near,
    Lookup(Lookup),
}

/// Takes an input with what it is for, and says where its output will be.
pub(super) type Add<'a> = &'a mut dyn FnMut(TagUse, PrfInput) -> Output;

/// Outputs that lookup keys are made of.
#[derive(Default)]
struct Made {
    heads: [Option<Output>; 2],
    birth: Option<[Output; 2]>,
    address: Option<Output>,
    postcode: Option<Output>,
    house: Option<Output>,
    street: Option<Output>,
    locality: Option<Output>,
    number: Option<Output>,
}

type Rule = fn(&str) -> String;

/// The forms that any text has, by the label of their kind; the second is its head.
const FORMS: [(&[u8], Option<Rule>); 6] = [
    (b"word", None),
    (b"head", Some(variants::first_three)),
    (b"sound", Some(variants::sound)),
    (b"tail", Some(variants::last_three)),
    (b"ends", Some(variants::ends)),
    (b"letters", Some(variants::sorted)),
];

const FORENAME: [Slot; 6] = [
    Slot::Forename,
    Slot::ForenameHead,
    Slot::ForenameSound,
    Slot::ForenameTail,
    Slot::ForenameEnds,
    Slot::ForenameLetters,
];
const SURNAME: [Slot; 6] = [
    Slot::Surname,
    Slot::SurnameHead,
    Slot::SurnameSound,
    Slot::SurnameTail,
    Slot::SurnameEnds,
    Slot::SurnameLetters,
];
const STREET: [Slot; 6] = [
    Slot::Street,
    Slot::StreetHead,
    Slot::StreetSound,
    Slot::StreetTail,
    Slot::StreetEnds,
    Slot::StreetLetters,
];
const SECOND: [Slot; 6] = [
    Slot::Second,
    Slot::SecondHead,
    Slot::SecondSound,
    Slot::SecondTail,
    Slot::SecondEnds,
    Slot::SecondLetters,
];
const LOCALITY: [Slot; 6] = [
    Slot::Locality,
    Slot::LocalityHead,
    Slot::LocalitySound,
    Slot::LocalityTail,
    Slot::LocalityEnds,
    Slot::LocalityLetters,
];

fn input(kind: &[u8], text: &RawText) -> PrfInput {
    PrfInput::begin(DOMAIN, FORM_RULES).code(b"tag").code(kind).text(Some(text))
}

fn tag(add: Add<'_>, slot: Slot, kind: &[u8], text: &RawText) -> Option<Output> {
    (!text.is_empty()).then(|| add(TagUse::Tag(slot), input(kind, text)))
}

/// The tags of a text's forms; the output of its head.
fn text(add: Add<'_>, slots: &[Slot; 6], kind: Option<&[u8]>, latin: &RawText) -> Option<Output> {
    let mut head = None;
    for ((form, rule), slot) in FORMS.iter().zip(slots) {
        let derived = rule.map(|rule| latin.derived(rule));
        let kind = [kind.unwrap_or_default(), form].concat();
        let made = tag(add, *slot, &kind, derived.as_ref().unwrap_or(latin));
        if *form == b"head" {
            head = made;
        }
    }
    head
}

impl Parts<'_> {
    /// Adds the inputs of all tags and lookup keys; the facts beside the tags.
    pub(super) fn inputs(&self, add: Add<'_>) -> Marks {
        let mut marks = Marks::default();
        marks.set(Marks::PLURAL, self.plural);
        let mut made = Made::default();
        self.names(add, &mut marks, &mut made);
        // A first of January says little more than the year.
        if let Some(birth) = self.birth.filter(|b| !b.is_placeholder() && !b.is_new_year()) {
            let [year_month, month_day, year_day, swapped] = birth.parts();
            let first = tag(add, Slot::BirthYearMonth, b"ym", &year_month);
            let second = tag(add, Slot::BirthMonthDay, b"md", &month_day);
            tag(add, Slot::BirthYearDay, b"yd", &year_day);
            tag(add, Slot::BirthSwapped, b"either", &swapped);
            made.birth = first.zip(second).map(|(first, second)| [first, second]);
        }
        self.address(add, &mut made);
        if let Some(number) = self.number {
            let number = number.derived(variants::compact);
            made.number = tag(add, Slot::Number, b"number", &number);
            for shorter in number.shortened().into_iter().take(12) {
                add(TagUse::Near, input(b"shorter", &shorter));
            }
        }
        self.lookups(add, &made);
        marks
    }

    fn names(&self, add: Add<'_>, marks: &mut Marks, made: &mut Made) {
        if let Some(name) = self.surname {
            let latin = name.derived(variants::latin);
            if !latin.satisfies(normalise::is_placeholder_surname) {
                made.heads[1] = text(add, &SURNAME, None, &latin);
                let initial = latin.derived(variants::initial);
                tag(add, Slot::SurnameInitial, b"initial", &initial);
                let forms: [(Slot, Rule); 3] = [
                    (Slot::SurnameStem, variants::stem),
                    (Slot::SurnameFirst, variants::first_part),
                    (Slot::SurnameLast, variants::last_part),
                ];
                for (slot, rule) in forms {
                    tag(add, slot, b"word", &name.derived(rule));
                }
            }
        }
        let Some(name) = self.forename else { return };
        let latin = name.derived(variants::latin);
        if latin.is_empty() {
            return;
        }
        let initial = latin.satisfies(variants::is_initial);
        if !initial && latin.satisfies(normalise::is_placeholder_forename) {
            marks.set(Marks::UNNAMED, true);
            return;
        }
        marks.set(Marks::INITIAL, initial);
        marks.set(Marks::KNOWN, name.satisfies(variants::is_known));
        marks.set(Marks::SHARED, name.satisfies(variants::is_shared));
        made.heads[0] = text(add, &FORENAME, None, &latin);
        tag(add, Slot::ForenameInitial, b"initial", &latin.derived(variants::initial));
        let forms: [(Slot, &[u8], Rule); 4] = [
            (Slot::ForenameGroup, b"group", variants::first_group),
            (Slot::ForenameSecondGroup, b"group", variants::second_group),
            (Slot::ForenameFirst, b"word", variants::first_of_several),
            (Slot::ForenameRest, b"word", variants::rest_of_several),
        ];
        for (slot, kind, rule) in forms {
            tag(add, slot, kind, &name.derived(rule));
        }
    }

    fn address(&self, add: Add<'_>, made: &mut Made) {
        let foreign = self.lines.postcode.as_ref().map(|code| code.derived(variants::compact));
        if let Some(code) = self.postcode.or(foreign.as_ref()) {
            made.postcode = tag(add, Slot::Postcode, b"postcode", code);
            tag(add, Slot::PostcodeSector, b"sector", &code.derived(variants::sector));
            tag(add, Slot::PostcodeInward, b"inward", &code.derived(variants::inward));
            tag(add, Slot::PostcodeLetters, b"letters", &code.derived(variants::sorted));
        }
        let uprn = self.uprn.and_then(|uprn| tag(add, Slot::Uprn, b"uprn", uprn));
        made.address = made.postcode.or(uprn);
        let latin =
            |line: &Option<RawText>| line.as_ref().map(|text| text.derived(variants::latin));
        if let Some(house) = self.lines.house.as_ref().map(|text| text.derived(variants::compact)) {
            made.house = tag(add, Slot::House, b"house", &house);
        }
        if let Some(line) = latin(&self.lines.street) {
            made.street = text(add, &STREET, Some(b"line-"), &line);
        }
        if let Some(line) = latin(&self.lines.second) {
            text(add, &SECOND, Some(b"line-"), &line);
        }
        if let Some(line) = latin(&self.lines.locality) {
            made.locality = text(add, &LOCALITY, Some(b"line-"), &line);
        }
    }

    /// In either order: a form filled in the wrong way round has the same.
    fn both_heads(&self, made: &Made) -> Option<[Output; 2]> {
        let (given, family) = (self.forename?, self.surname?);
        let order = |name: &RawText| name.derived(variants::latin);
        let [one, other] = [made.heads[0]?, made.heads[1]?];
        let swap = order(family).is_before(&order(given));
        Some(if swap { [other, one] } else { [one, other] })
    }

    fn lookups(&self, add: Add<'_>, made: &Made) {
        let heads = self.both_heads(made).map(Vec::from);
        let birth = made.birth.map(Vec::from);
        let one = |output: Option<Output>| output.map(|output| vec![output]);
        let lines = made.house.or(made.street).is_some();
        let all = [
            (Lookup::Nhs, one(self.nhs), Some(Vec::new())),
            (Lookup::BirthAddress, birth.clone(), one(made.address)),
            (Lookup::NamesBirth, heads.clone(), birth.clone()),
            (Lookup::NamesAddress, heads.clone(), one(made.address)),
            (Lookup::Number, one(made.number), Some(Vec::new())),
            (Lookup::BirthStreet, birth.clone(), one(made.street)),
            (Lookup::PostcodeStreet, one(made.postcode), one(made.street)),
            (Lookup::StreetLocality, one(made.street), one(made.locality)),
            (Lookup::HousePostcode, one(made.house), one(made.postcode)),
            (Lookup::NamesStreet, heads.clone(), one(made.street)),
            (Lookup::NamesHouse, heads, one(made.house)),
            (Lookup::ForenameBirth, birth.clone().filter(|_| lines), one(made.heads[0])),
            (Lookup::SurnameBirth, birth.clone().filter(|_| lines), one(made.heads[1])),
            (Lookup::HouseBirth, birth, one(made.house)),
        ];
        for (lookup, first, second) in all {
            let (Some(first), Some(second)) = (first, second) else { continue };
            let begun =
                PrfInput::begin(DOMAIN, FORM_RULES).code(b"lookup").code(&[lookup.number()]);
            let parts = first.into_iter().chain(second);
            add(TagUse::Lookup(lookup), parts.fold(begun, |i, output| i.output(Some(output))));
        }
    }
}
