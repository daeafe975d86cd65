//! What can be wrong with a document: the place and the rule, never the value.

use std::fmt;

use super::vocabulary::closed;

closed! {
    /// The rules that a signed document must keep.
    pub enum Rule {
        TooLarge = "too_large", "the text is larger than the limit";
        NotJson = "not_json", "the text is not JSON in UTF-8";
        TooDeep = "too_deep", "the text is nested too deeply";
        DuplicateKey = "duplicate_key", "an object holds the same member twice";
        UnknownMember = "unknown_member", "this member is not known";
        MissingMember = "missing_member", "this member is missing";
        WrongType = "wrong_type", "the value has the wrong type";
        Null = "null", "leave the member out instead of giving null";
        NotAWholeNumber = "not_a_whole_number", "only whole numbers from 0 are used";
        OutOfRange = "out_of_range", "the value lies outside its range";
        Malformed = "malformed", "the value does not have its form";
        UnknownWord = "unknown_word", "the word is not in its closed vocabulary";
        UnknownSchema = "unknown_schema", "this version of the document's form is not known";
        NotAnId = "not_an_id", "an id is 1 to 64 of a-z, 0-9, hyphen and underscore";
        UnprintableText = "unprintable_text", "text must be 1 to 400 printable characters";
        Empty = "empty", "the list must not be empty";
        Duplicate = "duplicate", "the same thing is listed twice";
        TooFewParties = "too_few_parties", "a protocol needs at least two parties";
        NoController = "no_controller", "a protocol needs a controller";
        NotAParty = "not_a_party", "this partner is not a party";
        SupersedesMissing = "supersedes_missing", "a version above 1 names the digest that it supersedes";
        SupersedesUnexpected = "supersedes_unexpected", "version 1 supersedes nothing";
        UnknownRecordType = "unknown_record_type", "this record type is not known";
        UnknownField = "unknown_field", "the record type has no such field";
        IdentifierKept = "identifier_kept", "an identifying field is pseudonymised, coarsened or dropped, never kept";
        RequiredFieldNotListed = "required_field_not_listed", "the record type requires a field that the flow does not list";
        UnknownArea = "unknown_area", "this area does not exist";
        Article9Missing = "art9_missing", "special category data need an article 9 condition";
        Schedule1Missing = "dpa_sch1_missing", "this article 9 condition needs a DPA 2018 schedule 1 paragraph";
        ConsentMissing = "consent_missing", "a flow that rests on consent must ask for explicit consent";
        UnknownFlow = "unknown_flow", "there is no flow with this position";
        PurposeNotListed = "purpose_not_listed", "the protocol does not list this purpose";
        UnknownTable = "unknown_table", "the catalogue has no such table";
        GatewayForbidsTable = "gateway_forbids_table", "the flow's legal gateway does not allow this table";
        RetentionMissing = "retention_missing", "a record type of a flow has no retention";
        DatesOutOfOrder = "dates_out_of_order", "the dates must be in order: effective, review, expiry";
        QuorumCannotBeMet = "quorum_cannot_be_met", "the quorum asks for more than the parties and the keys that they name can give";
        QuorumMeaningless = "quorum_meaningless", "a quorum's minimum is at least one";
        AudienceTooWide = "audience_too_wide", "nobody whom the protocol lists sees so much of this table in that role";
        MixedScripts = "mixed_scripts", "letters of several scripts stand beside one another: they could look like other text";
        AnotherAgreement = "another_agreement", "this is not about that version of the protocol";
        NotCanonical = "not_canonical", "the signed payload is not the document's canonical form (RFC 8785)";
    }
}

/// A document refused: where (JSON pointer, RFC 6901; empty for the whole) and by which rule.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    pointer: String,
    rule: Rule,
}

impl Fault {
    /// A fault at `pointer`, which names members and positions of a known document, never a value.
    #[must_use]
    pub fn at(pointer: &str, rule: Rule) -> Self {
        Self { pointer: pointer.to_owned(), rule }
    }

    /// The same fault seen from one level up. An object's key is shown only if it looks like the name of a
    /// member or a position: anything else could be a value that strayed into a key.
    #[must_use]
    pub(super) fn below(self, step: &str) -> Self {
        let position =
            step.len() <= 4 && !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit());
        let member = (1..=40).contains(&step.len())
            && step.starts_with(|c: char| c.is_ascii_lowercase())
            && step.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            && step.bytes().filter(u8::is_ascii_digit).count() <= 2;
        if position || member {
            Self { pointer: format!("/{step}{}", self.pointer), rule: self.rule }
        } else {
            Self { pointer: String::new(), rule: self.rule }
        }
    }

    /// The same fault of a document that was made of several, under a name that says so: its pointer
    /// is none into the document that was handed in.
    #[must_use]
    pub(super) fn of_made(self, name: &str) -> Self {
        Self { pointer: format!("{name}{}", self.pointer), rule: self.rule }
    }

    /// The JSON pointer to the place.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// The rule that was broken.
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.rule
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "/" } else { &self.pointer };
        write!(f, "{place}: {} ({})", self.rule.words(), self.rule.code())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::de::Error for Fault {
    /// serde's texts hold the value, so only a text that is one of our rules' codes is understood.
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::at("", Rule::from_code(&text.to_string()).unwrap_or(Rule::Malformed))
    }

    fn invalid_type(_: serde::de::Unexpected<'_>, _: &dyn serde::de::Expected) -> Self {
        Self::at("", Rule::WrongType)
    }

    fn invalid_value(_: serde::de::Unexpected<'_>, _: &dyn serde::de::Expected) -> Self {
        Self::at("", Rule::OutOfRange)
    }

    fn invalid_length(_: usize, _: &dyn serde::de::Expected) -> Self {
        Self::at("", Rule::OutOfRange)
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self::at("", Rule::UnknownWord)
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::at("", Rule::UnknownMember)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::at("", Rule::MissingMember).below(field)
    }

    fn duplicate_field(_: &'static str) -> Self {
        Self::at("", Rule::DuplicateKey)
    }
}
