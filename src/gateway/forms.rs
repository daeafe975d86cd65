//! The forms under which a keyed value may be stored while the keys rotate, and what in an
//! event is keyed.

use crate::{
    domain::{
        Event,
        field::{FieldKind, Value},
        record::RecordDefinition,
    },
    keys::{KeyError, KeyVersion, KeysInUse, PseudonymDomain},
};
use std::collections::HashMap;

/// Values to look for, in every form that they may have.
#[derive(Debug, Default)]
pub(super) struct Forms {
    all: Vec<[u8; 16]>,
    /// From another form to the current one; empty outside rotations.
    current: HashMap<[u8; 16], [u8; 16]>,
}

impl Forms {
    /// The forms of values of one domain, which are given as they are now.
    pub(super) fn of(
        keys: &KeysInUse,
        domain: PseudonymDomain,
        values: &[[u8; 16]],
    ) -> Result<Self, KeyError> {
        let mut forms = Self { all: Vec::with_capacity(values.len()), current: HashMap::new() };
        for value in values {
            forms.add(keys, domain, value)?;
        }
        Ok(forms)
    }

    /// Adds those of one more value.
    pub(super) fn add(
        &mut self,
        keys: &KeysInUse,
        domain: PseudonymDomain,
        value: &[u8; 16],
    ) -> Result<(), KeyError> {
        if keys.is_settled() {
            self.all.push(*value);
            return Ok(());
        }
        for (version, form) in keys.forms(domain, value)? {
            if version != keys.current() {
                self.current.insert(form, *value);
            }
            self.all.push(form);
        }
        Ok(())
    }

    /// Every form.
    pub(super) fn all(&self) -> &[[u8; 16]] {
        &self.all
    }

    /// The current form of a value that was found in some form.
    pub(super) fn current(&self, found: [u8; 16]) -> [u8; 16] {
        self.current.get(&found).copied().unwrap_or(found)
    }
}

/// The domain of a payload field that refers to a case or a provider.
pub(super) fn reference_domain(definition: &RecordDefinition, field: u8) -> PseudonymDomain {
    match definition.payload.get(usize::from(field)).map(|field| &field.kind) {
        Some(FieldKind::ProviderReference) => PseudonymDomain::Provider,
        _ => PseudonymDomain::Case,
    }
}

/// Whether an event refers to a case or a provider.
pub(super) fn has_references(event: &Event) -> bool {
    event.values.iter().any(|(_, value)| matches!(value, Value::Key(_)))
}

/// Wraps what an event refers to under the current key version.
pub(super) fn renew_references(
    event: &mut Event,
    keys: &KeysInUse,
    of: KeyVersion,
) -> Result<(), KeyError> {
    let definition = event.record_type.definition();
    for (field, value) in &mut event.values {
        if let Value::Key(key) = value {
            *key = keys.renewed(reference_domain(definition, *field), of, key)?;
        }
    }
    Ok(())
}
