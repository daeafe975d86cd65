//! How a figure stands to its target: what may be said, and what the noise leaves open.
//!
//! Targets of the data book are relative: "10% fewer than the baseline". Whether one is met is a
//! statement about a ratio of two noisy figures, and is made only as far as its interval allows.

use super::{
    catalogue::{Direction, Indicator, TargetKind},
    difference::Ratio,
};
use crate::domain::Quarter;

/// A target: a level, or so much more or less than the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aim {
    /// The level, or by how many percent of the baseline.
    pub percent: u32,
    /// Whether it is a level.
    pub is_level: bool,
    /// Whether less is wanted.
    pub is_fewer: bool,
    /// The quarter of the baseline; the first that has the figure where none is named.
    pub baseline: Option<Quarter>,
}

/// What may be said of a figure beside its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is no earlier figure to compare with.
    NoBaseline,
    /// One of the two figures is withheld, or too small.
    Withheld,
    /// Of a level: the interval holds it.
    Open,
    /// The interval holds no change.
    NotDistinguishable,
    /// It changed against what is wanted.
    Opposite,
    /// It changed as wanted, and the target may or may not be reached.
    Towards,
    /// It changed as wanted, and less than the target.
    Short,
    /// Of a level: the whole interval is short of it.
    BelowLevel,
    /// The whole interval is at the target or beyond.
    Reached,
}

impl Aim {
    /// The target of an indicator, where it has one.
    #[must_use]
    pub fn of(indicator: &Indicator) -> Option<Self> {
        let target = indicator.target.as_ref()?;
        Some(Self {
            percent: target.percent,
            is_level: target.kind == TargetKind::Level,
            is_fewer: target.direction == Direction::Down,
            baseline: target.baseline,
        })
    }

    /// How a share stands to a level, by its interval in percent.
    #[must_use]
    pub fn level_standing(self, interval: Option<(f64, f64)>) -> Standing {
        let Some((lower, upper)) = interval else { return Standing::Withheld };
        let level = f64::from(self.percent);
        let (reached, short) = match self.is_fewer {
            true => (upper <= level, lower > level),
            false => (lower >= level, upper < level),
        };
        match (reached, short) {
            (true, _) => Standing::Reached,
            (_, true) => Standing::BelowLevel,
            _ => Standing::Open,
        }
    }

    /// How a figure stands, by its ratio to the baseline.
    #[must_use]
    pub fn standing(self, ratio: Option<Ratio>) -> Standing {
        let Some(Ratio { lower, upper, .. }) = ratio else { return Standing::Withheld };
        let step = f64::from(self.percent) / 100.0;
        if lower <= 1.0 && upper >= 1.0 {
            return Standing::NotDistinguishable;
        }
        let (as_wanted, reached, short) = match self.is_fewer {
            true => (upper < 1.0, upper <= 1.0 - step, lower > 1.0 - step),
            false => (lower > 1.0, lower >= 1.0 + step, upper < 1.0 + step),
        };
        match (as_wanted, reached, short) {
            (false, ..) => Standing::Opposite,
            (_, true, _) => Standing::Reached,
            (_, _, true) => Standing::Short,
            _ => Standing::Towards,
        }
    }
}

impl Standing {
    /// The code that programs read.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoBaseline => "no_baseline",
            Self::Withheld => "withheld",
            Self::Open => "open",
            Self::NotDistinguishable => "not_distinguishable",
            Self::Opposite => "opposite",
            Self::Towards => "towards",
            Self::Short => "short",
            Self::BelowLevel => "below_level",
            Self::Reached => "reached",
        }
    }

    /// The same in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoBaseline => "no baseline yet",
            Self::Withheld => "can't be told: a figure is not shown",
            Self::Open => "whether the target is reached can't be told yet",
            Self::NotDistinguishable => "not distinguishable from no change yet",
            Self::Opposite => "changed the other way",
            Self::Towards => "changed as wanted; whether the target is reached can't be told yet",
            Self::Short => "changed as wanted, short of the target",
            Self::BelowLevel => "short of the target",
            Self::Reached => "target reached",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disclosure::Catalogue;

    const FEWER: Aim = Aim { percent: 10, is_level: false, is_fewer: true, baseline: None };
    const MORE: Aim = Aim { is_fewer: false, ..FEWER };

    fn stands(aim: Aim, lower: f64, upper: f64) -> Standing {
        aim.standing(Some(Ratio { value: f64::midpoint(lower, upper), lower, upper }))
    }

    #[test]
    fn nothing_is_said_that_the_interval_leaves_open() {
        let (fewer, more) = (FEWER, MORE);
        assert_eq!(stands(fewer, 0.85, 1.01), Standing::NotDistinguishable);
        assert_eq!(stands(fewer, 0.85, 0.95), Standing::Towards);
        assert_eq!(stands(fewer, 0.92, 0.98), Standing::Short);
        assert_eq!(stands(fewer, 0.80, 0.90), Standing::Reached);
        assert_eq!(stands(fewer, 1.02, 1.30), Standing::Opposite);
        assert_eq!(stands(more, 0.99, 1.30), Standing::NotDistinguishable);
        assert_eq!(stands(more, 1.02, 1.30), Standing::Towards);
        assert_eq!(stands(more, 1.02, 1.08), Standing::Short);
        assert_eq!(stands(more, 1.10, f64::INFINITY), Standing::Reached);
        assert_eq!(stands(more, 0.70, 0.90), Standing::Opposite);
        assert_eq!(more.standing(None), Standing::Withheld);
        let level = Aim { percent: 60, is_level: true, ..MORE };
        assert_eq!(level.level_standing(Some((60.0, 63.0))), Standing::Reached);
        assert_eq!(level.level_standing(Some((59.9, 63.0))), Standing::Open);
        assert_eq!(level.level_standing(Some((50.0, 59.9))), Standing::BelowLevel);
        assert_eq!(level.level_standing(None), Standing::Withheld);
    }

    #[test]
    fn the_shipped_targets_are_understood() {
        let catalogue = Catalogue::shipped().unwrap();
        let aims: Vec<_> = catalogue.indicators.iter().filter_map(Aim::of).collect();
        assert!(aims.contains(&FEWER) && aims.contains(&MORE), "{aims:?}");
    }
}
