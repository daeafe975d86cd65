//! Inputs of the keyed hash, apart from the key: what can be made where no key is.
//!
//! An identity becomes a list of inputs by a pure function (`linkage::identity`); whoever holds the
//! key evaluates them in their order ([`Pseudonymiser::evaluate`](super::Pseudonymiser::evaluate)).
//! An input may take in the output of an earlier one, so that an identifier need not be spelt out
//! twice. It holds raw values: no Debug, no Clone, wiped when dropped.
//!
//! An input of outputs and public codes alone ([`PrfInput::is_derived`]) hides nothing that its
//! parts do not: whoever holds the outputs can make it, and it needs no blinding of its own.

use super::{BirthDate, PseudonymDomain, RawText};
use zeroize::Zeroizing;

/// Room for one input's fields; a longer one is copied to a larger place, the former wiped.
const ROOM: usize = 160;

/// An output that enters another input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// That of an earlier input, by its place in the list.
    Of(usize),
    /// The pseudonym of the record that the identity stands in, which the evaluator is given.
    Record,
}

/// One input: a domain, the version of the rules that normalised the fields, the fields.
pub struct PrfInput {
    domain: PseudonymDomain,
    rules: u16,
    /// Length-prefixed fields, but for those that are outputs.
    fields: Zeroizing<Vec<u8>>,
    /// Where in `fields` an output stands.
    outputs: Vec<(usize, Output)>,
    clear: bool,
}

impl PrfInput {
    /// Begins an input. The order of its fields is part of the format.
    #[must_use]
    pub fn begin(domain: PseudonymDomain, rules: u16) -> Self {
        let fields = Zeroizing::new(Vec::with_capacity(ROOM));
        Self { domain, rules, fields, outputs: Vec::new(), clear: false }
    }

    /// Its domain: the label that the keyed hash begins with.
    #[must_use]
    pub const fn domain(&self) -> PseudonymDomain {
        self.domain
    }

    /// The version of the rules.
    #[must_use]
    pub const fn rules(&self) -> u16 {
        self.rules
    }

    /// Whether it consists of outputs and public codes alone.
    #[must_use]
    pub const fn is_derived(&self) -> bool {
        !self.clear
    }

    /// Its encoded fields in pieces, each followed by the output that stands there.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (&[u8], Option<Output>)> {
        let from = std::iter::once(0).chain(self.outputs.iter().map(|(at, _)| *at));
        let to = self.outputs.iter().map(|(at, output)| (*at, Some(*output)));
        from.zip(to.chain([(self.fields.len(), None)]))
            .map(|(from, (to, output))| (&self.fields[from..to], output))
    }

    fn field(&mut self, value: &[u8]) {
        let needed = self.fields.len() + 4 + value.len();
        if needed > self.fields.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(ROOM) * 2));
            larger.extend_from_slice(&self.fields);
            self.fields = larger;
        }
        // No field comes near 4 GiB: a message of that size is refused long before.
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.fields.extend_from_slice(&length.to_be_bytes());
        self.fields.extend_from_slice(value);
    }

    /// A field that is no one's secret: a code, a scope.
    #[must_use]
    pub fn code(mut self, value: &[u8]) -> Self {
        self.field(value);
        self
    }

    /// A field that is somebody's secret.
    pub(super) fn secret(mut self, value: &[u8]) -> Self {
        self.clear = true;
        self.field(value);
        self
    }

    /// A normalised text, or its absence.
    #[must_use]
    pub fn text(self, value: Option<&RawText>) -> Self {
        match value {
            Some(text) => self.secret(text.bytes()),
            None => self.code(&[]),
        }
    }

    /// A date of birth, or its absence.
    #[must_use]
    pub fn birth(self, value: Option<&BirthDate>) -> Self {
        match value {
            Some(birth) => self.secret(&*birth.digits()),
            None => self.code(&[]),
        }
    }

    /// An output, or its absence.
    #[must_use]
    pub fn output(mut self, output: Option<Output>) -> Self {
        match output {
            Some(output) => self.outputs.push((self.fields.len(), output)),
            None => self.field(&[]),
        }
        self
    }
}
