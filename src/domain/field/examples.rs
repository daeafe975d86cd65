//! What a kind of field takes, for templates, documents and tests.

use super::FieldKind;
use crate::domain::identifier::Scheme;

impl FieldKind {
    /// A value as it may be, for templates, documents and tests; of nobody.
    #[must_use]
    pub fn example(self) -> String {
        match self {
            Self::Identifier(Scheme::Nhs) => "9990000018",
            Self::Identifier(Scheme::Uln) => "9999999999",
            Self::Identifier(Scheme::Upn) => "P207000016049",
            Self::Identifier(Scheme::Nino) => "AB123456C",
            Self::Identifier(Scheme::Local) => "A-17",
            Self::Forename => "Ada",
            Self::Surname => "Example",
            Self::BirthDate => "2024-02-28",
            Self::Sex => "2",
            Self::Postcode => "CV1 1AH",
            Self::Uprn => "100070000001",
            Self::Lsoa => "E01009522",
            Self::PastDate => "2026-03-10",
            Self::AnyDate => "2026-09-30",
            Self::Code(list) | Self::Codes(list) => list.codes.first().copied().unwrap_or_default(),
            Self::Mapped(crosswalk) => crosswalk.to.codes.first().copied().unwrap_or_default(),
            Self::Integer { min, .. } => return min.to_string(),
            Self::Flag => "no",
            Self::Term => "2026-spring",
            Self::Centre => "CC01",
            Self::CaseReference => "C-17",
            Self::ProviderReference => "EY500000",
            Self::ScopedReference => "G-17",
            Self::Token => "2026-1",
            Self::Dropped(_) => "X",
        }
        .to_owned()
    }

    /// What it takes, in a few words, for documents.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Identifier(Scheme::Nhs) => "NHS number",
            Self::Identifier(Scheme::Uln) => "unique learner number",
            Self::Identifier(Scheme::Upn) => "unique pupil number",
            Self::Identifier(Scheme::Nino) => "National Insurance number",
            Self::Identifier(Scheme::Local) => "text, at most 36 characters",
            Self::Forename | Self::Surname => "name, at most 100 characters",
            Self::BirthDate | Self::PastDate => "day, not in the future",
            Self::AnyDate => "day",
            Self::Sex => "1, 2, 9, X, M or F",
            Self::Postcode => "postcode",
            Self::Uprn => "1 to 12 digits",
            Self::Lsoa => "E01 and six digits",
            Self::Code(list) => return format!("one of {}", list.codes.join(", ")),
            Self::Codes(list) => {
                return format!("any of {}, separated by ;", list.codes.join(", "));
            }
            Self::Mapped(crosswalk) => {
                return format!("a code of {}", crosswalk.name);
            }
            Self::Integer { min, max } => return format!("whole number, {min} to {max}"),
            Self::Flag => "yes or no",
            Self::Term => "year and spring, summer or autumn",
            Self::Centre => "a centre's code",
            Self::Token => "word, at most 64 letters, digits and . _ : / - [ ] ( )",
            Self::CaseReference | Self::ProviderReference | Self::ScopedReference => {
                "reference, at most 36 characters; pseudonymised"
            }
            Self::Dropped(max) => return format!("text, at most {max} characters; not kept"),
        }
        .to_owned()
    }
}
