//! The source of time, handed in by the composition root so that every run can be repeated.

use jiff::Timestamp;
use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;
use std::{fmt, sync::Arc, time::Duration};

/// Where a room that outlives one call takes the time from.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The instant it is.
    fn now(&self) -> Timestamp;
}

/// The machine's clock: the only place that reads it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one reader of the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A [`Clock`] as rustls asks for it: certificates are judged by the same time as tokens.
#[derive(Debug, Clone)]
pub struct TlsClock(pub Arc<dyn Clock>);

impl TimeProvider for TlsClock {
    /// `None` before 1970, which makes every handshake fail: a clock so wrong can't judge.
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}
