//! How figures, quarters and levels are said to people.

use super::model::{Change, Figure, Period};

/// `2026Q1` as "January to March 2026".
pub(super) fn quarter(quarter: &str) -> String {
    let Some((year, number)) = quarter.split_once('Q') else { return quarter.to_owned() };
    let months = match number {
        "1" => "January to March",
        "2" => "April to June",
        "3" => "July to September",
        "4" => "October to December",
        _ => return quarter.to_owned(),
    };
    format!("{months} {year}")
}

/// `2026Q1` as "2026 Q1", for axes and tables.
pub(super) fn short_quarter(quarter: &str) -> String {
    quarter.replacen('Q', " Q", 1)
}

pub(super) fn period(period: &Period) -> String {
    match period {
        Period::Quarter(of) => quarter(of),
        Period::Year(year) => format!("the year {year}"),
    }
}

/// A quarter's place in time, for axes.
pub(super) fn ordinal(quarter: &str) -> Option<i32> {
    let (year, number) = quarter.split_once('Q')?;
    Some(year.parse::<i32>().ok()? * 4 + number.parse::<i32>().ok()? - 1)
}

pub(super) fn level(level: &str) -> &'static str {
    match level {
        "reach_area" => "reach area",
        "cluster" => "cluster",
        "lead_agency" => "lead agency",
        "authority" => "authority",
        _ => "area",
    }
}

/// What stands behind a number.
pub(super) fn sign(unit: &str) -> &'static str {
    if unit == "percent" { "%" } else { "" }
}

/// What an axis or a column is called.
pub(super) fn unit(unit: &str) -> &'static str {
    match unit {
        "persons" => "Persons",
        "families" => "Families",
        "percent" => "Percent",
        "points" => "Percentage points",
        "ratio" => "Ratio, smaller to larger",
        _ => "Value",
    }
}

/// A whole number of thousands or more with its commas.
pub(super) fn grouped(number: &str) -> String {
    let (sign, digits) = match number.strip_prefix(['+', '-']) {
        Some(digits) => (&number[..1], digits),
        None => ("", number),
    };
    if digits.len() < 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return minus(number);
    }
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    minus(&format!("{sign}{grouped}"))
}

/// A real minus sign, which aligns with a plus.
fn minus(number: &str) -> String {
    number.replacen('-', "\u{2212}", 1)
}

/// "67.1%", "1,410", "<10", "withdrawn".
pub(super) fn value(figure: &Figure) -> String {
    match figure.numbers() {
        Some(_) => format!("{}{}", grouped(&figure.value), sign(&figure.unit)),
        None => figure.value.clone(),
    }
}

/// "± 1.2", or nothing.
pub(super) fn margin(figure: &Figure) -> String {
    match figure.margin.is_empty() {
        true => String::new(),
        false => format!("\u{b1}\u{a0}{}", grouped(&figure.margin)),
    }
}

/// "65.9% to 68.3%", or nothing.
pub(super) fn interval(figure: &Figure) -> String {
    match figure.numbers() {
        None => String::new(),
        Some(_) => {
            let (low, high) = (short(&figure.lower), short(&figure.upper));
            let sign = sign(&figure.unit);
            format!("{}{sign} to {}{sign}", grouped(&low), grouped(&high))
        }
    }
}

/// Interval ends have a place more than values; readers need none.
fn short(number: &str) -> String {
    match (number.split_once('.'), number.parse::<f64>()) {
        (Some((_, places)), Ok(parsed)) if places.len() == 2 => format!("{parsed:.1}"),
        _ => number.to_owned(),
    }
}

/// "+1.2 points ± 1.9: not distinguishable from no change".
pub(super) fn change(change: &Change) -> String {
    let unit = match change.unit.as_str() {
        "points" => " points",
        _ => "",
    };
    let told = if change.distinct { "a change" } else { "not distinguishable from no change" };
    format!("{}{unit}\u{a0}\u{b1}\u{a0}{}: {told}", grouped(&change.value), grouped(&change.margin))
}

pub(super) fn against(change: &Change) -> String {
    let quarter = short_quarter(&change.since);
    match change.against.as_str() {
        "year_before" => format!("a year before ({quarter})"),
        "baseline" => format!("the baseline ({quarter})"),
        _ => format!("the quarter before ({quarter})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_said_with_their_units() {
        let figure = |value: &str, unit: &str| Figure {
            value: value.to_owned(),
            lower: "65.87".to_owned(),
            upper: "68.3".to_owned(),
            unit: unit.to_owned(),
            ..Figure::default()
        };
        assert_eq!(value(&figure("67.1", "percent")), "67.1%");
        assert_eq!(interval(&figure("67.1", "percent")), "65.9% to 68.3%");
        assert_eq!(value(&figure("16170", "persons")), "16,170");
        assert_eq!(
            (value(&figure("<10", "percent")), interval(&figure("<10", "percent"))),
            ("<10".to_owned(), String::new())
        );
        assert_eq!(
            [grouped("-1410"), grouped("+5"), grouped("0.615")],
            ["\u{2212}1,410", "+5", "0.615"]
        );
    }

    #[test]
    fn quarters_are_months() {
        assert_eq!(quarter("2026Q1"), "January to March 2026");
        assert_eq!(quarter("soon"), "soon");
        assert_eq!(ordinal("2026Q1").unwrap() - ordinal("2025Q4").unwrap(), 1);
    }
}
