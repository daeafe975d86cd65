//! The form of what is signed, as JSON Schema (draft 2020-12), for editors and other people's tools.
//!
//! Made from the very types that the gateway reads, so it can't say another thing; `deploy/*.schema.json`
//! are copies that a test compares. It says less than the gateway asks for: what needs more than the
//! value itself (dates in order, a flow that exists, a field of the record type) only `check`
//! sees. What the schema refuses, the gateway refuses; not the other way round.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::adherence::Adherence;
use super::document::{Digest, KeyId, Protocol, SCHEMA};
use super::fault::{Fault, Rule};
use super::reinstatement::Reinstating;
use super::revocation::Revoking;
use super::root_policy::{RhoLimit, RootPolicy};
use crate::domain::{AreaCode, PartnerId, ProtocolId, RecordType, TableId};

/// The documents that have a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedForm {
    /// A sharing protocol.
    Protocol,
    /// The root disclosure policy.
    RootPolicy,
    /// A deed of adherence.
    Adherence,
    /// A revocation.
    Revocation,
    /// A word that a suspension ends.
    Reinstatement,
}

impl SignedForm {
    /// Every form.
    pub const ALL: [Self; 5] =
        [Self::Protocol, Self::RootPolicy, Self::Adherence, Self::Revocation, Self::Reinstatement];

    /// The name of its file among `deploy`'s.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Protocol => "protocol.schema.json",
            Self::RootPolicy => "root-policy.schema.json",
            Self::Adherence => "adherence.schema.json",
            Self::Revocation => "revocation.schema.json",
            Self::Reinstatement => "reinstatement.schema.json",
        }
    }

    /// The schema, pretty-printed JSON.
    ///
    /// # Errors
    /// Never in practice; [`Rule::Malformed`] when JSON can't be written.
    pub fn schema(self) -> Result<String, Fault> {
        let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
        let schema = match self {
            Self::Protocol => generator.into_root_schema_for::<Protocol>(),
            Self::RootPolicy => generator.into_root_schema_for::<RootPolicy>(),
            Self::Adherence => generator.into_root_schema_for::<Adherence>(),
            Self::Revocation => generator.into_root_schema_for::<Revoking>(),
            Self::Reinstatement => generator.into_root_schema_for::<Reinstating>(),
        };
        let mut value = schema.to_value();
        tidy(&mut value);
        serde_json::to_string_pretty(&value).map_err(|_| Fault::at("", Rule::Malformed))
    }
}

/// A member that may be left out is never null here, and descriptions are for people, not for rustdoc.
fn tidy(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(members) => {
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    members.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = members.remove("anyOf") {
                let mut real =
                    choices.into_iter().filter(|choice| *choice != json!({"type": "null"}));
                if let (Some(Value::Object(only)), None) = (real.next(), real.next()) {
                    members.extend(only);
                }
            }
            if let Some(Value::String(text)) = members.get_mut("description") {
                *text = text.replace("[`", "`").replace("`]", "`").replace('\n', " ");
            }
            members.values_mut().for_each(tidy);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A closed vocabulary: each word with what it means.
pub(crate) fn words(words: &[(&str, &str)]) -> Schema {
    let word = |(code, words): &(&str, &str)| json!({ "const": code, "description": words });
    let all: Vec<Value> = words.iter().map(word).collect();
    json_schema!({ "type": "string", "oneOf": all })
}

/// The version of a document's form.
pub(super) fn form(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "const": SCHEMA })
}

/// A day.
pub(super) fn date(_: &mut SchemaGenerator) -> Schema {
    let days = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$";
    json_schema!({ "type": "string", "format": "date", "pattern": days })
}

macro_rules! pattern {
    ($($name:ident, $words:literal, $pattern:literal;)+) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $words, "pattern": $pattern })
            }
        }
    )+};
}

pattern! {
    PartnerId, "An organisation's id in the gateway's register.", "^[a-z0-9-]{1,40}$";
    ProtocolId, "A protocol's id, the same in all its versions.", "^[a-z0-9-]{1,64}$";
    AreaCode, "The code of an LSOA, reach area, cluster or authority.", "^[A-Z0-9-]{1,16}$";
    TableId, "A table of the catalogue.", "^[a-z0-9_]{1,40}$";
    KeyId, "The id of a signing key.", "^[A-Za-z0-9_-]{1,64}$";
    Digest, "SHA-256 in lower case hexadecimal.", "^[0-9a-f]{64}$";
    RhoLimit, "An amount of privacy budget (rho), with at most nine places.", "^[0-9]{1,9}([.][0-9]{1,9})?$";
}

impl JsonSchema for RecordType {
    fn schema_name() -> Cow<'static, str> {
        "RecordType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let shipped = Self::ALL.iter().filter(|record_type| record_type.is_shipped());
        let names: Vec<&str> = shipped.map(|record_type| record_type.name()).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}
