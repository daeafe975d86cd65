//! Disclosure control: exact counts in, releasable counts out.
//!
//! Why it exists: only counts leave the gateway, and counts leak. So there is one closed
//! catalogue of partition tables, counted once from a closed quarter, made noisy in
//! memory, frozen for ever and paid for from one budget. Pure: no store, clock, task or
//! randomness of its own; everything comes in as a parameter.
//!
//! The way through this room:
//! 1. [`Catalogue`] says what is counted; [`explain`] what is wrong with it, [`cost`],
//!    [`contrast`] and [`preview()`] what it costs, how well all tables together tell a cell
//!    and how wrong each figure will be, before anything is counted.
//! 2. [`Counter`] takes each person's [`PersonFacts`] once, classifies them
//!    ([`classify`], one short file a table in `tables`) and adds to [`exact`] counts, which
//!    nothing can print, copy or send.
//! 3. [`Counter::freeze`] asks the [`Ledger`] first, then draws [`noise`] for every cell,
//!    empty ones too, and gives a [`Release`].
//! 4. [`display`], [`card()`] and [`mod@difference`] read figures off releases: post-processing,
//!    which costs nothing and reveals nothing new.
//! 5. [`search`] finds what is published; [`wanted`] says what another table would cost.
//!
//! Invariants:
//! - An exact count of persons has one exit, and it adds noise. Organisations that are no
//!   natural persons are counted apart, and may be exact.
//! - A person adds at most one to at most `cap` cells of a table, and cannot be added twice; is
//!   in no table of another age, nor in a child's and an adult's; and pays for all of a life.
//! - A table depends on no record type outside its `sources`.
//! - Whether a release is allowed depends on the catalogue and the ledger, never on data.
//! - The same release gives the same figures, byte for byte.
//!
//! Accounting is zero-concentrated differential privacy (Bun and Steinke 2016) with the
//! discrete Gaussian (Canonne, Kamath and Steinke 2020), under change-one neighbours.

pub mod accounting;
pub mod card;
pub mod catalogue;
pub mod check;
pub mod classify;
pub mod contrast;
pub mod cost;
pub mod difference;
pub mod display;
mod error;
pub mod exact;
pub mod expected;
pub mod explain;
pub mod facts;
pub mod figure;
pub mod geography;
mod known;
pub mod ledger;
mod lives;
pub mod measure;
pub mod noise;
pub mod period;
pub mod preview;
pub mod redrawn;
pub mod release;
mod residence;
mod rho;
pub mod sealed;
pub mod search;
pub mod standing;
mod tables;
pub mod target;
pub mod wanted;
pub mod words;

#[cfg(test)]
mod tests;

pub use card::{Card, CardEntry, card};
pub use catalogue::{Catalogue, Indicator, Level, Measure, Part, Table, Target};
pub use check::Mistake;
pub use difference::{Compared, Difference};
pub use error::{Contradiction, DisclosureError};
pub use exact::{Closing, Counter};
pub use facts::PersonFacts;
pub use figure::{Figure, Reading, Released, UNCERTAIN, Unit, figure, figure_of_rows};
pub use geography::{Geography, ReachArea};
pub use ledger::{Ledger, Limits, Rho, Spending};
pub use preview::{Preview, preview};
pub use redrawn::{BackSeries, Change};
pub use release::{Digest, ExtractWeek, FeedWeek, ProtocolReference, Release};
pub use sealed::{SealedRelease, open_release, verify_release};
pub use search::{Found, find};
pub use standing::{Aim, Standing};
pub use wanted::{Costed, WantedTable};
