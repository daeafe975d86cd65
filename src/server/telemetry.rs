//! Where tracing goes: standard error, one line an event, filtered by level.

use std::str::FromStr;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Which events are written, such as `warn` or `info,tallygate=debug`.
#[derive(Debug, Clone)]
pub struct LogFilter(String);

/// A text was not a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a level like warn, info or debug, or a list like info,tallygate=debug")]
pub struct InvalidFilter;

impl FromStr for LogFilter {
    type Err = InvalidFilter;
    fn from_str(text: &str) -> Result<Self, InvalidFilter> {
        text.parse::<EnvFilter>().map_err(|_| InvalidFilter)?;
        Ok(Self(text.to_owned()))
    }
}

/// Starts writing events; a second call in one process changes nothing.
pub fn init(filter: &LogFilter) {
    let filter = filter.0.parse().unwrap_or_else(|_| EnvFilter::new("warn"));
    let written = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let _ = tracing_subscriber::registry().with(filter).with(written).try_init();
}
