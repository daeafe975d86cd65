//! A gateway's refusal as one sentence: its words, its reason, the fields at fault.
//!
//! Refusals carry google.rpc error details (ErrorInfo, BadRequest, RequestInfo) and the
//! receipt of the log entry that the refusal has become; all of them are shown, and a raw
//! dump never is.

use super::{CliError, text::printable};
use crate::wire::v1;
use prost::Message;
use std::{error::Error as _, fmt};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The most fields that are named.
const MAX_FIELDS: usize = 10;

/// What the gateway said no with, or how the connection was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    code: Code,
    message: String,
    reason: Option<String>,
    fields: Vec<(String, String)>,
    request: Option<String>,
    entry: Option<u64>,
    connection_lost: bool,
}

impl std::error::Error for Refusal {}

impl From<Status> for CliError {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(Refusal::of(&status)))
    }
}

impl Refusal {
    fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let fields = details.bad_request().map_or_else(Vec::new, |request| {
            let violations = request.field_violations.iter();
            violations.map(|v| (printable(&v.field), printable(&v.description))).collect()
        });
        Self {
            code: status.code(),
            message: printable(status.message()),
            reason: details.error_info().map(|info| printable(&info.reason)),
            fields,
            request: details.request_info().map(|info| printable(&info.request_id)),
            entry: receipt(status).map(|receipt| receipt.leaf_index),
            connection_lost: status.source().is_some(),
        }
    }

    /// What stands where the gateway gave no reason of its own.
    fn without_reason(&self) -> &'static str {
        if self.connection_lost {
            return "the connection to the gateway was lost: try again";
        }
        match self.code {
            Code::Unavailable => "the gateway can't answer now: try again in a moment",
            Code::DeadlineExceeded => "the gateway did not answer in time: try again",
            Code::ResourceExhausted => "the gateway has too much to do: try again in a moment",
            Code::Unimplemented => {
                "the gateway does not know this command: it is of another version"
            }
            Code::Unauthenticated => {
                "the gateway does not accept who you are: check the profile's certificate and token key"
            }
            Code::PermissionDenied => "the gateway does not allow this to you",
            Code::NotFound => "the gateway knows no such thing, or it is not yours to know",
            Code::InvalidArgument => "the gateway does not accept the request",
            Code::FailedPrecondition => "the gateway can't do this as things stand",
            Code::AlreadyExists => "it exists already",
            Code::Aborted => "another change came between: try again",
            Code::OutOfRange => "that lies outside what there is",
            Code::Cancelled => "the call was cancelled",
            Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => {
                "the gateway failed: ask its operator to look into its log"
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Some(reason) if self.message.is_empty() => write!(f, "the gateway refused: {reason}")?,
            Some(reason) => write!(f, "the gateway refused: {} ({reason})", self.message)?,
            None if self.connection_lost || self.message.is_empty() => {
                f.write_str(self.without_reason())?;
            }
            None => write!(f, "{} ({})", self.without_reason(), self.message)?,
        }
        for (place, (field, description)) in self.fields.iter().take(MAX_FIELDS).enumerate() {
            write!(f, "{}{field}: {description}", if place == 0 { " - " } else { "; " })?;
        }
        if self.fields.len() > MAX_FIELDS {
            write!(f, "; and {} more", self.fields.len() - MAX_FIELDS)?;
        }
        if let Some(entry) = self.entry {
            write!(f, " [logged as entry {entry}]")?;
        }
        match &self.request {
            Some(id) if !id.is_empty() => write!(f, " [request {id}]"),
            _ => Ok(()),
        }
    }
}

/// The receipt among a refusal's details.
fn receipt(status: &Status) -> Option<v1::Receipt> {
    let outer = tonic_types::Status::decode(status.details()).ok()?;
    let any = outer.details.iter().find(|any| any.type_url.ends_with("/tallygate.v1.Receipt"))?;
    v1::Receipt::decode(any.value.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use tonic_types::ErrorDetails;

    fn sentence(status: Status) -> String {
        CliError::from(status).to_string()
    }

    #[test]
    fn a_refusal_is_its_words_its_reason_and_its_fields() {
        let mut details = ErrorDetails::new();
        details.set_error_info("area_not_covered", "tallygate", HashMap::new());
        details.add_bad_request_violation("area", "a code of your own protocol");
        details.add_bad_request_violation("quarter", "like 2026Q1");
        let status = Status::with_error_details(
            Code::PermissionDenied,
            "no protocol covers this area",
            details,
        );
        assert_eq!(
            sentence(status),
            "the gateway refused: no protocol covers this area (area_not_covered) - area: a \
             code of your own protocol; quarter: like 2026Q1"
        );
    }

    #[test]
    fn every_code_has_a_sentence_and_none_is_a_dump() {
        for code in 0..=16 {
            let text = sentence(Status::new(Code::from_i32(code), ""));
            assert!(text.len() > 15 && !text.contains("Status"), "{code}: {text}");
        }
        assert_eq!(
            sentence(Status::unavailable("")),
            "the gateway can't answer now: try again in a moment"
        );
    }

    #[test]
    fn a_refusals_receipt_names_its_log_entry() {
        let receipt = v1::Receipt { leaf_index: 41, ..v1::Receipt::default() };
        let any = prost_types::Any {
            type_url: "type.googleapis.com/tallygate.v1.Receipt".to_owned(),
            value: receipt.encode_to_vec(),
        };
        let status = tonic_types::Status { code: 7, message: String::new(), details: vec![any] };
        let status =
            Status::with_details(Code::PermissionDenied, "no", status.encode_to_vec().into());
        assert_eq!(
            sentence(status),
            "the gateway does not allow this to you (no) [logged as entry 41]"
        );
    }

    #[test]
    fn control_characters_of_a_message_are_made_visible() {
        assert!(!sentence(Status::internal("\u{1b}[2J")).contains('\u{1b}'));
    }
}
