//! How records of a type are handled: who sends them, about whom, how often, and rules between
//! their fields.

/// Agencies as the sharing protocols group them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agency {
    /// A health trust.
    Health,
    /// DWP and Jobcentre Plus, through the authority.
    Dwp,
    /// The authority, early-years providers, schools, adult and family learning.
    Learning,
    /// Troubled Families and social care.
    Families,
    /// Children's centres, and whoever delivers for them.
    Centres,
}

/// Whom records of a type are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Children under five.
    Children,
    /// Adults.
    Adults,
    /// Children and adults.
    Families,
    /// Nobody: an organisation's doings. Such a record has no subject.
    Nobody,
}

impl About {
    /// In a word, for documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Children => "children",
            Self::Adults => "adults",
            Self::Families => "children and adults",
            Self::Nobody => "nobody",
        }
    }
}

/// How often records of a type are usually extracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rhythm {
    /// Every week.
    Weekly,
    /// Once a term.
    Termly,
}

/// A rule between several payload fields. It is asked only of fields that are there.
#[derive(Debug, Clone, Copy)]
pub enum RowRule {
    /// The second day may not lie before the first.
    InOrder(&'static str, &'static str),
    /// The first number may not exceed the second.
    AtMost(&'static str, &'static str),
    /// The flag says yes exactly where every one of the fields has one of the codes.
    Follows {
        /// The flag.
        flag: &'static str,
        /// The fields it follows from.
        from: &'static [&'static str],
        /// The codes, of the fields' own list.
        codes: &'static [&'static str],
    },
}

impl RowRule {
    /// The fields it names; a violation is told of the first.
    #[must_use]
    pub fn fields(&self) -> Vec<&'static str> {
        match self {
            Self::InOrder(start, end) => vec![end, start],
            Self::AtMost(part, whole) => vec![part, whole],
            Self::Follows { flag, from, .. } => {
                std::iter::once(*flag).chain(from.iter().copied()).collect()
            }
        }
    }

    /// In words, for documents.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::InOrder(start, end) => format!("{end} is not before {start}"),
            Self::AtMost(part, whole) => format!("{part} is at most {whole}"),
            Self::Follows { flag, from, codes } => format!(
                "{flag} is yes exactly where each of {} is {}",
                from.join(", "),
                codes.join(" or ")
            ),
        }
    }
}
