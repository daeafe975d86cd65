//! Crosswalks: agencies write one thing in different codes, and one list of them is kept.
//!
//! Why it exists: ethnicity comes in the NHS's letters, in schools' four letters and in the
//! ILR's numbers. Which code becomes which is a table here, and what a list can't tell is said
//! beside it ([`Crosswalk::losses`]), so that no figure by group is read as more than it is.

use super::field::{CodeList, same};

/// One list that codes come from.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceList {
    /// Whose list it is.
    pub name: &'static str,
    /// Its codes, and the code that each becomes.
    pub codes: &'static [(&'static str, &'static str)],
}

/// Several lists, and the one that is kept. The kept codes may be sent as they are.
#[derive(Debug, PartialEq, Eq)]
pub struct Crosswalk {
    /// What it is called in documents.
    pub name: &'static str,
    /// The list that is kept.
    pub to: &'static CodeList,
    /// The lists that codes come from.
    pub from: &'static [SourceList],
    /// What is lost on the way, a sentence each.
    pub losses: &'static [&'static str],
}

impl Crosswalk {
    /// The kept number of a code of any of the lists.
    #[must_use]
    pub fn number(&self, code: &str) -> Option<u8> {
        let mut all = self.from.iter().flat_map(|list| list.codes);
        let found = all.find(|(from, _)| *from == code).map_or(code, |(_, to)| to);
        self.to.number(found)
    }

    /// Every code that is taken, the kept ones first, each once.
    #[must_use]
    pub fn accepted(&self) -> Vec<&'static str> {
        let mut all = self.to.codes.to_vec();
        for (code, _) in self.from.iter().flat_map(|list| list.codes) {
            if !all.contains(code) {
                all.push(code);
            }
        }
        all
    }

    /// Whether every code becomes one of the kept list, and none two different ones. For
    /// constants: a crosswalk that is not is caught when it is compiled.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        let mut list = 0;
        while list < self.from.len() {
            let codes = self.from[list].codes;
            let mut at = 0;
            while at < codes.len() {
                if !holds(self.to.codes, codes[at].1) || !self.agrees(codes[at].0, codes[at].1) {
                    return false;
                }
                at += 1;
            }
            list += 1;
        }
        true
    }

    const fn agrees(&self, from: &str, to: &str) -> bool {
        let mut list = 0;
        while list < self.from.len() {
            let codes = self.from[list].codes;
            let mut at = 0;
            while at < codes.len() {
                if same(codes[at].0, from) && !same(codes[at].1, to) {
                    return false;
                }
                at += 1;
            }
            list += 1;
        }
        true
    }
}

const fn holds(codes: &[&str], code: &str) -> bool {
    let mut at = 0;
    while at < codes.len() {
        if same(codes[at], code) {
            return true;
        }
        at += 1;
    }
    false
}

/// The 18 ethnic groups of the Office for National Statistics (2011 census), and not stated.
pub static ETHNIC_GROUP: CodeList = CodeList {
    name: "ethnic group (ONS 18+1)",
    codes: &[
        "white_british",
        "white_irish",
        "gypsy_or_irish_traveller",
        "white_other",
        "white_and_black_caribbean",
        "white_and_black_african",
        "white_and_asian",
        "mixed_other",
        "indian",
        "pakistani",
        "bangladeshi",
        "chinese",
        "asian_other",
        "black_african",
        "black_caribbean",
        "black_other",
        "arab",
        "other",
        "not_stated",
    ],
};

/// The five broad groups that figures may be broken down by, and not stated.
pub static BROAD_GROUP: CodeList = CodeList {
    name: "broad ethnic group",
    codes: &["white", "mixed", "asian", "black", "other", "not_stated"],
};

/// The broad group of a group's number in [`ETHNIC_GROUP`].
#[must_use]
pub const fn broad_group(group: u8) -> Option<u8> {
    Some(match group {
        0..=3 => 0,
        4..=7 => 1,
        8..=12 => 2,
        13..=15 => 3,
        16..=17 => 4,
        18 => 5,
        _ => return None,
    })
}

/// Ethnicity as the NHS, schools and the ILR write it.
pub static ETHNICITY: Crosswalk = {
    let crosswalk = Crosswalk {
        name: "ethnicity",
        to: &ETHNIC_GROUP,
        from: &[NHS_ETHNICITY, SCHOOL_ETHNICITY, ILR_ETHNICITY],
        losses: &[
            "The NHS's list (2001) has no Gypsy or Irish Traveller and no Arab: they are in its \
             C (any other White) and S (any other), and so in white_other and other.",
            "Schools' main codes have no Arab: they are in OOTH, and so in other.",
            "Schools tell Travellers of Irish heritage (WIRT) from Gypsy and Roma (WROM); both \
             become gypsy_or_irish_traveller, so that Roma are with Gypsies here, and in the \
             NHS's and the ILR's records in white_other.",
            "Refused, not known, not obtained and not provided all become not_stated.",
            "Broad groups: Chinese is Asian (as in the census since 2011), Arab is other.",
        ],
    };
    assert!(crosswalk.is_sound());
    crosswalk
};

const NHS_ETHNICITY: SourceList = SourceList {
    name: "NHS ethnic category (2001)",
    codes: &[
        ("A", "white_british"),
        ("B", "white_irish"),
        ("C", "white_other"),
        ("D", "white_and_black_caribbean"),
        ("E", "white_and_black_african"),
        ("F", "white_and_asian"),
        ("G", "mixed_other"),
        ("H", "indian"),
        ("J", "pakistani"),
        ("K", "bangladeshi"),
        ("L", "asian_other"),
        ("M", "black_caribbean"),
        ("N", "black_african"),
        ("P", "black_other"),
        ("R", "chinese"),
        ("S", "other"),
        ("Z", "not_stated"),
        ("99", "not_stated"),
    ],
};

const SCHOOL_ETHNICITY: SourceList = SourceList {
    name: "school census main ethnicity code",
    codes: &[
        ("WBRI", "white_british"),
        ("WIRI", "white_irish"),
        ("WIRT", "gypsy_or_irish_traveller"),
        ("WROM", "gypsy_or_irish_traveller"),
        ("WOTH", "white_other"),
        ("MWBC", "white_and_black_caribbean"),
        ("MWBA", "white_and_black_african"),
        ("MWAS", "white_and_asian"),
        ("MOTH", "mixed_other"),
        ("AIND", "indian"),
        ("APKN", "pakistani"),
        ("ABAN", "bangladeshi"),
        ("CHNE", "chinese"),
        ("AOTH", "asian_other"),
        ("BAFR", "black_african"),
        ("BCRB", "black_caribbean"),
        ("BOTH", "black_other"),
        ("OOTH", "other"),
        ("REFU", "not_stated"),
        ("NOBT", "not_stated"),
    ],
};

const ILR_ETHNICITY: SourceList = SourceList {
    name: "ILR ethnicity",
    codes: &[
        ("31", "white_british"),
        ("32", "white_irish"),
        ("33", "gypsy_or_irish_traveller"),
        ("34", "white_other"),
        ("35", "white_and_black_caribbean"),
        ("36", "white_and_black_african"),
        ("37", "white_and_asian"),
        ("38", "mixed_other"),
        ("39", "indian"),
        ("40", "pakistani"),
        ("41", "bangladeshi"),
        ("42", "chinese"),
        ("43", "asian_other"),
        ("44", "black_african"),
        ("45", "black_caribbean"),
        ("46", "black_other"),
        ("47", "arab"),
        ("98", "other"),
        ("99", "not_stated"),
    ],
};

/// Special educational needs, as schools write them.
pub static SEN: Crosswalk = {
    let crosswalk = Crosswalk {
        name: "special educational needs",
        to: &SEN_PROVISION,
        from: &[SourceList {
            name: "school census SEN provision",
            codes: &[
                ("N", "none"),
                ("K", "support"),
                ("E", "plan"),
                ("A", "support"),
                ("P", "support"),
                ("S", "plan"),
            ],
        }],
        losses: &[
            "The codes used until 2015 and 2018 are taken, too: school action (A) and school \
             action plus (P) become support, statements (S) become plan.",
        ],
    };
    assert!(crosswalk.is_sound());
    crosswalk
};

/// No special provision, support, or an education, health and care plan.
pub static SEN_PROVISION: CodeList =
    CodeList { name: "SEN provision", codes: &["none", "support", "plan"] };

/// Sex, as [`super::row::Sex::parse`] reads it: it is sealed with the date of birth and never
/// stored as a code, so this table is for documents and schemas.
pub static SEX: Crosswalk = Crosswalk {
    name: "sex",
    to: &CodeList { name: "sex", codes: &["male", "female", "indeterminate", "not_known"] },
    from: &[
        SourceList {
            name: "NHS person stated gender",
            codes: &[("1", "male"), ("2", "female"), ("9", "indeterminate"), ("X", "not_known")],
        },
        SourceList { name: "schools", codes: &[("M", "male"), ("F", "female")] },
    ],
    losses: &["Schools' list has only M and F: indeterminate and not known are left empty there."],
};

/// Every crosswalk, for documents.
pub static ALL: [&Crosswalk; 3] = [&ETHNICITY, &SEN, &SEX];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::row::Sex;

    #[test]
    fn the_lists_agree_on_every_group() {
        let group = |code| ETHNICITY.number(code).map(|n| ETHNIC_GROUP.codes[usize::from(n)]);
        for (nhs, school, ilr) in [("A", "WBRI", "31"), ("J", "APKN", "40"), ("R", "CHNE", "42")] {
            assert_eq!(group(nhs), group(school));
            assert_eq!(group(nhs), group(ilr));
        }
        assert_eq!(group("47"), Some("arab"));
        assert_eq!(group("bangladeshi"), Some("bangladeshi"));
        for wrong in ["", "a", "I", "Q", "48", "WBR", "White"] {
            assert_eq!(group(wrong), None, "{wrong}");
        }
        // Every group can be reached from some list, and has a broad group.
        for (at, code) in (0u8..).zip(ETHNIC_GROUP.codes) {
            assert!(ETHNICITY.from.iter().any(|l| l.codes.iter().any(|(_, to)| to == code)));
            assert!(broad_group(at).is_some_and(|b| usize::from(b) < BROAD_GROUP.codes.len()));
        }
        assert_eq!(broad_group(19), None);
        assert_eq!(ETHNICITY.accepted().len(), 19 + 18 + 20 + 19 - 1, "99 is in two lists");
    }

    #[test]
    fn the_documented_codes_of_sex_are_those_that_are_read() {
        assert!(SEX.is_sound() && ALL.iter().all(|c| c.is_sound() && !c.losses.is_empty()));
        for list in SEX.from {
            for (code, to) in list.codes {
                let expected = match *to {
                    "male" => Sex::Male,
                    "female" => Sex::Female,
                    "indeterminate" => Sex::Indeterminate,
                    _ => Sex::NotKnown,
                };
                assert_eq!(Sex::parse(code), Ok(expected));
            }
        }
        assert_eq!(SEN.number("K"), SEN.number("support"));
        assert_eq!(SEN.number("X"), None);
    }
}
