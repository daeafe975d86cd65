//! The words of the field as types: who shares what, about whom, when and where.
//!
//! Why it exists: every other room speaks in these types, so that no bare string or
//! integer stands for an id, a place, a quarter or a coded value. Nothing here knows
//! tokio, SQL, the wire, a clock or randomness.
//!
//! - [`ids`]: one type for each kind of id.
//! - [`digest`]: how documents and releases are named.
//! - [`time`]: quarters, and days as numbers.
//! - [`place`]: LSOAs and postcodes.
//! - [`identifier`]: what makes an NHS number, ULN, UPN, NINO ... valid.
//! - [`field`]: kinds of fields, their rules, and coded values.
//! - [`crosswalk`]: several code lists for one thing, and what is lost between them.
//! - [`record`] and [`records`]: one declarative definition per record type.
//! - [`row`]: the one check of a row, here, in a dry run and at intake.
//! - [`event`]: what is kept of a record once nobody can be named in it.

pub mod crosswalk;
pub mod digest;
pub mod event;
pub mod family;
pub mod field;
pub mod identifier;
pub mod ids;
pub mod place;
pub mod record;
pub mod records;
pub mod row;
pub mod time;

pub use digest::{Digest, InvalidDigest};
pub use event::{Event, Role};
pub use ids::{
    AreaCode, BatchId, CentreCode, FeedId, IndicatorId, PartnerId, PersonId, ProtocolId, SubjectId,
    TableId,
};
pub use place::Lsoa;
pub use record::{RecordDefinition, RecordType};
pub use row::{CheckedRow, LayoutError, RowLayout, Violation};
pub use time::Quarter;
