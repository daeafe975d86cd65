//! Small readings that several services share: dates, pages, and what is malformed.

use super::Frame;
use crate::{
    domain::field,
    gateway::{Actor, PageRequest, Refused},
};
use jiff::civil::Date;
use std::str::FromStr;
use tonic::Status;

/// A date, or the violation of its field.
pub(super) fn date(text: &str, field: &str) -> Result<Date, Refused> {
    field::parse_date(text).map_err(|rule| Refused::invalid(field, rule.sentence()))
}

/// A parsed word, or the violation of its field.
pub(super) fn word<T: FromStr>(text: &str, field: &str, rule: &str) -> Result<T, Refused> {
    text.parse().map_err(|_| Refused::invalid(field, rule))
}

/// A page request.
pub(super) const fn page(size: u32, token: String) -> PageRequest {
    PageRequest { size, token }
}

impl Frame {
    /// What was read of a request; what is malformed is refused with a leaf.
    pub(super) async fn read<T>(
        &self,
        actor: &Actor,
        read: Result<T, Refused>,
    ) -> Result<T, Status> {
        match read {
            Ok(read) => Ok(read),
            Err(refused) => Err(self.status(self.gateway().refuse_malformed(actor, refused).await)),
        }
    }
}
