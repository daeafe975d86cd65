//! Axes: what they span, and where they are marked.

/// A straight axis from values to positions.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    /// Values with a mark.
    pub(super) marks: Vec<f64>,
    places: usize,
}

impl Scale {
    /// An axis that holds all these values, at least `least` long, between round numbers, with
    /// about `marks` marks; from position `from` to position `to`. `floor` and `ceiling` are
    /// never passed.
    pub(super) fn over(
        values: impl Iterator<Item = f64>,
        least: f64,
        (floor, ceiling): (f64, f64),
        marks: u32,
        (from, to): (f64, f64),
    ) -> Self {
        let (low, high) = values
            .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let missing = ((least - (high - low)) / 2.0).max(0.0);
        // What the floor or ceiling takes away is given to the other side.
        let (mut low, mut high) = (low - missing, high + missing);
        if low < floor {
            high += floor - low;
            low = floor;
        }
        if high > ceiling {
            low = (low - (high - ceiling)).max(floor);
            high = ceiling;
        }
        let step = round_step((high - low).max(1e-9) / f64::from(marks.max(1)));
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let mut marks = Vec::new();
        let mut at = first;
        while at <= last {
            // No minus before a zero.
            marks.push(if at == 0.0 { 0.0 } else { at * step });
            at += 1.0;
        }
        let places = if step >= 1.0 { 0 } else { if step >= 0.1 { 1 } else { 2 } };
        Self { low: first * step, high: last * step, from, to, marks, places }
    }

    /// Where a value stands.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low).max(1e-9);
        self.from + share * (self.to - self.from)
    }

    /// A mark's text.
    pub(super) fn text(&self, mark: f64) -> String {
        super::words::grouped(&format!("{mark:.0$}", self.places))
    }
}

/// The next of 1, 2, 5, 10 ... above a step.
fn round_step(step: f64) -> f64 {
    let power = 10.0_f64.powf(step.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0].into_iter().find(|times| times * power >= step * 0.999);
    times.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: (f64, f64) = (f64::MIN, f64::MAX);

    #[test]
    fn marks_are_round_and_hold_every_value() {
        let scale = Scale::over([66.3, 71.8].into_iter(), 0.0, FREE, 5, (200.0, 0.0));
        assert_eq!(scale.marks, [66.0, 68.0, 70.0, 72.0]);
        assert_eq!((scale.at(66.0), scale.at(72.0)), (200.0, 0.0));
        assert_eq!(scale.text(68.0), "68");
        let large = Scale::over([1310.0, 1490.0].into_iter(), 0.0, FREE, 4, (0.0, 1.0));
        assert_eq!(large.text(large.marks[0]), "1,300");
    }

    #[test]
    fn an_axis_is_as_long_as_noise_asks_and_stays_within_its_bounds() {
        let scale = Scale::over([70.0, 70.5].into_iter(), 8.0, (0.0, 100.0), 4, (0.0, 1.0));
        assert!(scale.marks.first().unwrap() <= &66.5 && scale.marks.last().unwrap() >= &74.0);
        let low = Scale::over([1.0, 2.0].into_iter(), 20.0, (0.0, 100.0), 4, (0.0, 1.0));
        assert_eq!(low.marks.first(), Some(&0.0));
        let high = Scale::over([99.0, 100.0].into_iter(), 20.0, (0.0, 100.0), 4, (0.0, 1.0));
        assert_eq!((high.marks.first(), high.marks.last()), (Some(&80.0), Some(&100.0)));
    }
}
