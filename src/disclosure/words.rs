//! Inspection's words for proportions.
//!
//! Bands of whole percentages, as the data book prints them. Only "large majority" is
//! confirmed by a published action plan; the others are the field's custom. The word is
//! withheld where the margin of error reaches into another band.

/// The word of a percentage's interval: that of the band in which both ends, rounded to
/// whole percentages, lie; `None` when they lie in two.
#[must_use]
pub fn proportion_word(lower: f64, upper: f64) -> Option<&'static str> {
    let word = band(lower.round());
    (word == band(upper.round())).then_some(word)
}

fn band(percent: f64) -> &'static str {
    const BANDS: [(f64, &str); 8] = [
        (97.0, "vast majority"),
        (80.0, "very large majority"),
        (65.0, "large majority"),
        (51.0, "majority"),
        (50.0, "half"),
        (35.0, "minority"),
        (20.0, "small minority"),
        (4.0, "very small minority"),
    ];
    BANDS.iter().find(|(from, _)| percent >= *from).map_or("almost none", |(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_band_begins_and_ends_where_inspection_says() {
        for (low, high, word) in [
            (97.0, 100.0, "vast majority"),
            (80.0, 96.0, "very large majority"),
            (65.0, 79.0, "large majority"),
            (51.0, 64.0, "majority"),
            (50.0, 50.0, "half"),
            (35.0, 49.0, "minority"),
            (20.0, 34.0, "small minority"),
            (4.0, 19.0, "very small minority"),
            (0.0, 3.0, "almost none"),
        ] {
            assert_eq!(proportion_word(low, high), Some(word));
            assert!(low < 1.0 || proportion_word(low - 1.0, high).is_none(), "{word}");
            assert!(high > 99.0 || proportion_word(low, high + 1.0).is_none(), "{word}");
        }
    }

    #[test]
    fn the_word_is_withheld_where_the_margin_spans_an_edge() {
        assert_eq!(proportion_word(69.9, 72.1), Some("large majority"));
        assert_eq!(proportion_word(78.0, 79.6), None);
        assert_eq!(proportion_word(49.6, 50.4), Some("half"));
        assert_eq!(proportion_word(49.4, 50.4), None);
        assert_eq!(proportion_word(0.0, 4.0), None);
    }
}
