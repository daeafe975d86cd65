//! The rules that values must keep: a stable code and a sentence each, and never the value.

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $sentence:literal;)*) => {
        /// A rule that a value broke.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule { $($(#[$doc])* $name,)* }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// A stable code for programs.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// A sentence that says what a good value looks like.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

rules! {
    /// A required value is absent.
    Missing = "missing", "this field is required; give a value";
    /// Not ten digits.
    NhsForm = "nhs-form", "an NHS number is 10 digits, without spaces";
    /// Ten equal digits.
    NhsAllSame = "nhs-all-same", "an NHS number of ten equal digits is a placeholder; leave the field empty";
    /// Wrong check digit.
    NhsCheckDigit = "nhs-check-digit", "the NHS number's check digit is wrong; look for a typing error";
    /// A ULN where an NHS number belongs.
    UlnInNhsColumn = "uln-in-nhs-column", "this is a valid ULN, not an NHS number: are two columns swapped?";
    /// Not a ULN's form.
    UlnForm = "uln-form", "a ULN is 10 digits and does not begin with 0";
    /// Wrong check digit.
    UlnCheckDigit = "uln-check-digit", "the ULN's check digit is wrong; look for a typing error";
    /// An NHS number where a ULN belongs.
    NhsInUlnColumn = "nhs-in-uln-column", "this is a valid NHS number, not a ULN: are two columns swapped?";
    /// Not a UPN's form.
    UpnForm = "upn-form", "a UPN is a check letter and 12 characters, like A123456789012";
    /// Wrong check letter.
    UpnCheckLetter = "upn-check-letter", "the UPN's check letter is wrong; look for a typing error";
    /// Not a NINO's form.
    NinoForm = "nino-form", "a National Insurance number is two letters, six digits and A to D, like QQ123456C";
    /// Too long or holding control characters.
    LocalForm = "local-form", "a local id has 1 to 36 characters and no control characters";
    /// Not a UPRN.
    UprnForm = "uprn-form", "a UPRN is 1 to 12 digits";
    /// Not a postcode.
    PostcodeForm = "postcode-form", "not a UK postcode";
    /// A postcode that the loaded lookup lacks, and no LSOA beside it.
    PostcodeNotFound = "postcode-not-found", "the gateway's lookup has no such postcode; give lsoa_2011 beside it, or have the authority load it";
    /// Not an LSOA code.
    LsoaForm = "lsoa-form", "an LSOA code is E01 and six digits";
    /// Not a date.
    DateForm = "date-form", "a date is written year-month-day, like 2026-03-31";
    /// A day that has not come.
    DateInFuture = "date-in-future", "this date lies in the future";
    /// Implausibly old.
    DateTooEarly = "date-too-early", "this date lies before 1900";
    /// Not a code of the list.
    UnknownCode = "unknown-code", "no such code; see the record type's code list";
    /// Not a whole number within the bounds.
    IntegerRange = "integer-range", "not a whole number within the field's bounds";
    /// Not yes or no.
    FlagForm = "flag-form", "write yes or no";
    /// Not a term.
    TermForm = "term-form", "a term is a year and spring, summer or autumn, like 2026-spring";
    /// Not a centre code.
    CentreForm = "centre-form", "a centre code has 1 to 16 upper-case letters, digits or -";
    /// A name that is too long or holds control characters.
    NameForm = "name-form", "a name has 1 to 100 characters and no control characters";
    /// A reference that is too long or holds control characters.
    ReferenceForm = "reference-form", "a reference has 1 to 36 characters and no control characters";
    /// A notice's version that could be free text.
    NoticeForm = "notice-form", "a notice's version has 1 to 64 letters, digits and . _ : / - [ ] ( )";
    /// A code of sex that neither list has.
    SexCode = "sex-code", "write 1, 2, 9 or X (NHS), or M or F (schools)";
    /// A live birth whose event is not its date of birth.
    EventIsBirth = "event-is-birth", "a live birth's event_date is its date of birth";
    /// An end before its start.
    EndBeforeStart = "end-before-start", "the end lies before the start";
    /// An operation that is neither.
    Operation = "operation", "write upsert or withdraw";
    /// A moment that is not one.
    TimestampForm = "timestamp-form", "write the day of extraction, like 2026-04-02";
    /// Extracted before it happened.
    ExtractedBeforeEvent = "extracted-before-event", "extracted_at lies before event_date";
    /// A statement about a consent that is to be taken back or corrected.
    StatementStays = "statement-stays", "what was said about a consent stays: send another row with what was said since";
    /// Too few values in the row.
    RowShape = "row-shape", "the row has not as many values as the batch has columns";
    /// Nothing that says whom the record is about.
    NoIdentity = "no-identity", "give at least one identifier, or names and date of birth";
    /// A record to withdraw that was never sent.
    NothingToWithdraw = "nothing-to-withdraw", "no record with this record_id was sent before by you";
    /// A record to take the place of that was never sent.
    NothingToSupersede = "nothing-to-supersede", "no record with the id in supersedes was sent before by you";
    /// A withdrawal, or a record that would take its own place.
    Supersedes = "supersedes", "supersedes names another, earlier record than this one; a withdrawal names none";
    /// A part larger than the whole.
    PartAboveWhole = "part-above-whole", "this number is larger than the one that it is a part of";
    /// A summary that its parts contradict.
    FlagDisagrees = "flag-disagrees", "this flag does not agree with the fields that it follows from";
    /// A blinded record that shows what identifies.
    ClearInBlinded = "clear-in-blinded", "a blinded record shows no identifier, name, address or reference: leave this column empty";
    /// A blinded record without its values, or with others than its columns allow.
    BlindedForm = "blinded-form", "a blinded record has 16 bytes for each value that it stands for, and those that its type requires";
    /// A spreadsheet shortened the number.
    RoundedNumber = "rounded-number", "a spreadsheet has rounded this number; format its column as text and export again";
    /// A formula that came to nothing.
    FormulaError = "formula-error", "a spreadsheet could not work this out; mend the formula, or leave the cell empty, and export again";
}
