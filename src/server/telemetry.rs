//! Where tracing goes: standard error, one line an event, filtered by level, which follows the
//! configuration file where the command line does not say it.

use crate::config::Config;
use std::{fs, path::PathBuf, str::FromStr};
use tracing_subscriber::{
    Registry, filter::Targets, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

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

impl Default for LogFilter {
    /// What went wrong, and what soon will.
    fn default() -> Self {
        Self(Targets::new().with_default(tracing::Level::WARN))
    }
}

/// Changes what is written while it is being written.
#[derive(Debug, Clone)]
pub struct Level(reload::Handle<Targets, Registry>);

/// Starts writing events; a second call in one process changes nothing.
pub fn init(filter: &LogFilter) -> Level {
    let (filter, level) = reload::Layer::new(filter.0.clone());
    let written = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let _ = tracing_subscriber::registry().with(filter).with(written).try_init();
    Level(level)
}

/// Keeps what is written up with `telemetry.log` of the configuration.
#[derive(Debug)]
pub struct LevelFile {
    path: PathBuf,
    level: Level,
    seen: Option<Vec<u8>>,
}

impl LevelFile {
    /// Of a configuration file that was read just now.
    #[must_use]
    pub const fn new(path: PathBuf, level: Level) -> Self {
        Self { path, level, seen: None }
    }

    /// Takes the level that the file says now. What else is new in it waits for the next start; a
    /// file that is wrong changes nothing.
    pub fn look(&mut self) {
        let Ok(text) = fs::read(&self.path) else { return };
        if self.seen.as_ref() == Some(&text) {
            return;
        }
        self.seen = Some(text);
        match Config::read(&self.path) {
            Ok(config) => {
                let filter = config.telemetry.log.map_or_else(LogFilter::default, LogFilter);
                // Fails when nothing is written any more.
                let _ = self.level.0.modify(|written| *written = filter.0);
            }
            Err(error) => tracing::warn!(%error, "the new configuration is refused"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_follows_the_file_and_a_wrong_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        let text = include_str!("../../deploy/gateway.example.toml");
        let (filter, handle) = reload::Layer::<_, Registry>::new(LogFilter::default().0);
        let mut file = LevelFile::new(path.clone(), Level(handle.clone()));
        // Held, or the handle leads nowhere.
        let _filter = filter;
        let now = || handle.with_current(ToString::to_string).unwrap();
        fs::write(&path, text).unwrap();
        file.look();
        assert_eq!(now(), "warn");
        fs::write(&path, format!("{text}\n[telemetry]\nlog = \"info,tallygate=debug\"\n")).unwrap();
        file.look();
        assert!(now().contains("tallygate=debug"), "{}", now());
        for wrong in ["[telemetry]\nlog = \"tallygate=loud\"", "nonsense"] {
            fs::write(&path, format!("{text}\n{wrong}\n")).unwrap();
            file.look();
            assert!(now().contains("tallygate=debug"), "{}", now());
        }
    }
}
