//! Where tracing goes: standard error, one line an event, filtered by level.

use std::str::FromStr;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Which events are written, such as `warn` or `info,tallygate=debug`.
#[derive(Debug, Clone)]
pub struct LogFilter(Targets);

/// A text was not a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a level like warn, info or debug, or a list like info,tallygate=debug")]
pub struct InvalidFilter;

impl FromStr for LogFilter {
    type Err = InvalidFilter;
    fn from_str(text: &str) -> Result<Self, InvalidFilter> {
        text.parse().map(Self).map_err(|_| InvalidFilter)
    }
}

/// Starts writing events; a second call in one process changes nothing.
pub fn init(filter: &LogFilter) {
    let written = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let _ = tracing_subscriber::registry().with(filter.0.clone()).with(written).try_init();
}
