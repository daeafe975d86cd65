//! The log's years: which name a moment's log has, and how one follows another.

use super::{Head, StoreError, Tx, log};
use crate::audit::{Leaf, LeafKind, LogName, LogSigner, PreviousLog};
use jiff::{Timestamp, tz::TimeZone};

/// The log's signer in each year.
pub(super) struct Years {
    configured: LogSigner,
    of: Option<(i16, LogSigner)>,
}

impl Years {
    pub(super) const fn new(configured: LogSigner) -> Self {
        Self { configured, of: None }
    }

    pub(super) fn signer(&mut self, at: Timestamp) -> LogSigner {
        let year = calendar_year(at);
        if let Some((of, signer)) = &self.of
            && *of == year
        {
            return signer.clone();
        }
        let signer = self.configured.in_year(year);
        self.of = Some((year, signer.clone()));
        signer
    }
}

/// The year in Europe/London.
#[must_use]
pub fn calendar_year(at: Timestamp) -> i16 {
    at.to_zoned(TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC)).year()
}

/// The time of the next leaf: a clock that went back must not make the log's times go back.
pub(super) fn latest(now: Timestamp, head: Option<&Head>) -> Result<Timestamp, StoreError> {
    let at = now.as_microsecond().max(head.map_or(i64::MIN, |head| head.at));
    Timestamp::from_microsecond(at).map_err(|_| StoreError::Range)
}

/// Makes sure that a log of that name may follow the one that grows.
pub(super) async fn may_begin(tx: &mut Tx, name: &LogName, old: &Head) -> Result<(), StoreError> {
    let past = log::past(tx).await?;
    let new = past.iter().all(|head| head.origin() != name.as_str());
    if new && name.may_follow(old.origin()) { Ok(()) } else { Err(StoreError::OtherLog) }
}

/// The first leaf of a new year's log, which carries the last checkpoint of the old one.
pub(super) fn opening(old: &Head, at: Timestamp) -> Result<Vec<u8>, StoreError> {
    let mut leaf = Leaf::new(LeafKind::LogOpened, at);
    let origin = old.origin().parse().map_err(|_| StoreError::LogDamaged)?;
    leaf.notes.previous = Some(PreviousLog { origin, root: old.root, size: old.size });
    Ok(leaf.encode()?)
}
