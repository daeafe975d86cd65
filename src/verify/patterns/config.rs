//! What is worth a look, in numbers; `deploy/patterns.example.toml` argues for each.

use jiff::civil::Time;
use serde::{Deserialize, Serialize};

/// All thresholds. What a file leaves out keeps its default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "named as the patterns")]
pub struct Config {
    pub repeated_refusals: RepeatedRefusals,
    pub sudden_volume: SuddenVolume,
    pub many_areas: ManyAreas,
    pub outside_hours: OutsideHours,
    pub enumeration: Enumeration,
}

/// One user is refused again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RepeatedRefusals {
    /// Whether it is looked for.
    pub enabled: bool,
    /// So many refusals...
    pub refusals: u32,
    /// ...within so many minutes.
    pub minutes: u32,
}

/// A partner does many times what it usually does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SuddenVolume {
    /// Whether it is looked for.
    pub enabled: bool,
    /// So many acts of one sort (questions, or batches) on a day...
    pub acts: u32,
    /// ...and at least so many times the mean of the days on which it acted...
    pub times: u32,
    /// ...among so many days before...
    pub days: u32,
    /// ...of which there must be so many, so that there is something to compare with.
    pub known_days: u32,
}

/// One user asks about many areas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ManyAreas {
    /// Whether it is looked for.
    pub enabled: bool,
    /// So many different areas...
    pub areas: u32,
    /// ...within so many minutes.
    pub minutes: u32,
}

/// One user asks when nobody is at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutsideHours {
    /// Whether it is looked for.
    pub enabled: bool,
    /// When work begins, in London.
    pub from: Time,
    /// When it ends.
    pub until: Time,
    /// Whether Saturdays and Sundays are working days.
    pub weekends: bool,
    /// So many questions outside these hours within twelve hours.
    pub questions: u32,
}

/// One user walks through areas, indicators or quarters in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Enumeration {
    /// Whether it is looked for.
    pub enabled: bool,
    /// So many different questions in order, up or down...
    pub steps: u32,
    /// ...with at most so many minutes from one to the next.
    pub minutes: u32,
}

impl Default for RepeatedRefusals {
    fn default() -> Self {
        Self { enabled: true, refusals: 10, minutes: 15 }
    }
}

impl Default for SuddenVolume {
    fn default() -> Self {
        Self { enabled: true, acts: 200, times: 5, days: 28, known_days: 3 }
    }
}

impl Default for ManyAreas {
    fn default() -> Self {
        Self { enabled: true, areas: 8, minutes: 60 }
    }
}

impl Default for OutsideHours {
    fn default() -> Self {
        let (from, until) = (Time::constant(7, 0, 0, 0), Time::constant(20, 0, 0, 0));
        Self { enabled: true, from, until, weekends: false, questions: 5 }
    }
}

impl Default for Enumeration {
    fn default() -> Self {
        Self { enabled: true, steps: 12, minutes: 10 }
    }
}

/// A file does not say what is worth a look.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not TOML, or of another form.
    #[error(transparent)]
    Form(#[from] toml::de::Error),
    /// A number that would find everything, or nothing.
    #[error("{field} must be {rule}")]
    Value {
        /// Which.
        field: &'static str,
        /// The rule.
        rule: &'static str,
    },
}

impl Config {
    /// Reads a file's text.
    ///
    /// # Errors
    /// When it is not of this form or a threshold is out of bounds.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)?;
        let many = "at least 2";
        let some = "1 to 525600";
        let day = "1 to 366";
        let bounds = [
            ("repeated_refusals.refusals", config.repeated_refusals.refusals, 2, u32::MAX, many),
            ("repeated_refusals.minutes", config.repeated_refusals.minutes, 1, 525_600, some),
            ("sudden_volume.acts", config.sudden_volume.acts, 2, u32::MAX, many),
            ("sudden_volume.times", config.sudden_volume.times, 2, u32::MAX, many),
            ("sudden_volume.days", config.sudden_volume.days, 1, 366, day),
            ("sudden_volume.known_days", config.sudden_volume.known_days, 1, 366, day),
            ("many_areas.areas", config.many_areas.areas, 2, u32::MAX, many),
            ("many_areas.minutes", config.many_areas.minutes, 1, 525_600, some),
            ("outside_hours.questions", config.outside_hours.questions, 1, u32::MAX, "at least 1"),
            ("enumeration.steps", config.enumeration.steps, 3, u32::MAX, "at least 3"),
            ("enumeration.minutes", config.enumeration.minutes, 1, 525_600, some),
        ];
        for (field, value, least, most, rule) in bounds {
            if !(least..=most).contains(&value) {
                return Err(ConfigError::Value { field, rule });
            }
        }
        if config.outside_hours.from >= config.outside_hours.until {
            let rule = "before outside_hours.until, on the same day";
            return Err(ConfigError::Value { field: "outside_hours.from", rule });
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_argues_for_the_defaults() {
        let example = include_str!("../../../deploy/patterns.example.toml");
        assert_eq!(Config::parse(example).unwrap(), Config::default());
        assert_eq!(Config::parse("").unwrap(), Config::default());
        // Nothing of it is left to a default in silence.
        let stated: toml::Table = example.parse().unwrap();
        let all: toml::Table = toml::to_string(&Config::default()).unwrap().parse().unwrap();
        assert_eq!(stated, all);
    }

    #[test]
    fn thresholds_that_find_everything_are_refused() {
        for (text, field) in [
            ("[repeated_refusals]\nrefusals = 1", "repeated_refusals.refusals"),
            ("[many_areas]\nminutes = 0", "many_areas.minutes"),
            ("[enumeration]\nsteps = 2", "enumeration.steps"),
            ("[outside_hours]\nfrom = \"20:00:00\"", "outside_hours.from"),
            ("[sudden_volume]\nknown_days = 0", "sudden_volume.known_days"),
        ] {
            let refused = Config::parse(text).unwrap_err().to_string();
            assert!(refused.starts_with(field), "{refused}");
        }
        assert!(Config::parse("[enumeration]\nstep = 9").is_err(), "an unknown field");
        assert!(Config::parse("[walk]\nsteps = 9").is_err(), "an unknown pattern");
    }
}
