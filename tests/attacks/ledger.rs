//! What the catalogue costs, worked out again from its text and a calendar alone.
//!
//! Why: the attacks are held to what the ledger charges, and a mistake there would move attack and bound
//! together. Nothing here calls the code that charges: the TOML is read as plain values, lives are
//! gone through by every single date of birth, and the cost is the plain sum of d * cap / variance. What the
//! program prints, what the attacks are held to and what a signed release says of its budget must agree.

use super::{Later, released::released};
use crate::support::output;
use jiff::{ToSpan, civil::Date};
use serde_json::Value;
use tallygate::disclosure::accounting::normal_distribution;

const TEXT: &str = include_str!("../../src/disclosure/catalogue.toml");
/// Whoever is that old is an adult: sixteen years.
const ADULT: i32 = 192;

/// A table as the text has it.
struct Declared {
    id: String,
    cap: f64,
    variance: f64,
    periods: usize,
    /// Of children, in whole months on a quarter's last day: from, and below.
    ages: Option<(i32, i32)>,
    adults: bool,
    due: Vec<i8>,
}

fn declared() -> Vec<Declared> {
    let text: toml::Value = toml::from_str(TEXT).unwrap();
    let number = |value: &toml::Value| value.as_integer().unwrap();
    let table = |table: &toml::Value| Declared {
        id: table["id"].as_str().unwrap().to_owned(),
        cap: number(&table["cap"]) as f64,
        variance: number(&table["variance"]) as f64,
        periods: usize::try_from(number(&table["periods"])).unwrap(),
        ages: table.get("ages").map(|ages| {
            let month = |name: &str| i32::try_from(number(&ages[name])).unwrap();
            (month("from"), month("to"))
        }),
        adults: table.get("adults").is_some_and(|adults| adults.as_bool().unwrap()),
        due: table.get("due").map_or_else(Vec::new, |due| {
            due.as_array().unwrap().iter().map(|q| i8::try_from(number(q)).unwrap()).collect()
        }),
    };
    text["tables"].as_array().unwrap().iter().map(table).collect()
}

/// The last days of so many years' quarters, with their numbers.
fn quarters(years: i16) -> Vec<(i8, Date)> {
    let of = |year: i16| {
        [(3, 31), (6, 30), (9, 30), (12, 31)]
            .into_iter()
            .zip(1..)
            .map(move |((month, day), number)| (number, Date::new(year, month, day).unwrap()))
    };
    (2_001..2_001 + years).flat_map(of).collect()
}

/// Completed months, by counting birthdays.
fn months(born: Date, on: Date) -> i32 {
    let mut count = 0;
    while born.checked_add((count + 1).months()).unwrap() <= on {
        count += 1;
    }
    // Who is born on a 31st turns a month older where there is none only on the day after its last.
    if born <= on && born.day() > on.day() && born.checked_add(count.months()).unwrap() == on {
        count -= 1;
    }
    count
}

impl Declared {
    fn is_due(&self, number: i8) -> bool {
        self.due.is_empty() || self.due.contains(&number)
    }

    fn holds(&self, months: i32) -> bool {
        self.ages.is_some_and(|(from, to)| (from..to).contains(&months))
    }

    /// What a change in one quarter of it adds to mu squared: d = 2 cells for each of the cap.
    fn one(&self) -> f64 {
        if self.variance > 0.0 { 2.0 * self.cap / self.variance } else { 0.0 }
    }

    /// In how many quarters at most: those that age and calendar allow. A table that is due in
    /// each quarter and yet declares fewer counts who turns an age.
    fn times(&self, quarters: usize) -> usize {
        if self.due.is_empty() { quarters.min(self.periods) } else { quarters }
    }
}

/// The sum of d * cap / variance of the dearest quarter and of the dearest life.
fn dearest(tables: &[Declared]) -> [f64; 2] {
    let (mut quarter, mut life) = (0.0_f64, 0.0_f64);
    let days = quarters(7);
    let mut born = Date::constant(2_000, 1, 1);
    while born.year() < 2_002 {
        let ages: Vec<(i8, i32)> = days
            .iter()
            .filter(|(_, last)| born <= *last)
            .map(|(number, last)| (*number, months(born, *last)))
            .collect();
        let held = |table: &Declared| {
            ages.iter().filter(|(q, months)| table.is_due(*q) && table.holds(*months)).count()
        };
        let whole = tables.iter().map(|table| table.times(held(table)) as f64 * table.one());
        life = life.max(whole.sum());
        for (number, months) in &ages {
            let now = tables.iter().filter(|table| table.is_due(*number) && table.holds(*months));
            quarter = quarter.max(now.map(Declared::one).sum());
        }
        born = born.tomorrow().unwrap();
    }
    // An adult's five years: each quarter of the year five times.
    let adults = || tables.iter().filter(|table| table.adults);
    let due = |table: &Declared| if table.due.is_empty() { 20 } else { 5 * table.due.len() };
    life = life.max(adults().map(|table| table.times(due(table)) as f64 * table.one()).sum());
    for number in 1..=4 {
        let now = adults().filter(|table| table.is_due(number)).map(Declared::one);
        quarter = quarter.max(now.sum());
    }
    [quarter, life]
}

/// Phi(1/2 sqrt(sum of d * cap / variance)).
fn formula(mu_squared: f64) -> f64 {
    normal_distribution(0.5 * mu_squared.sqrt())
}

#[test]
fn what_is_charged_printed_and_attacked_follows_from_the_catalogues_text() {
    let tables = declared();
    assert!(tables.iter().all(|t| t.ages.is_none_or(|(_, to)| to <= ADULT)));
    let [quarter, life] = dearest(&tables);
    let numbers = output(&["catalogue", "dpia", "--format", "json"], 0);
    let numbers: Value = serde_json::from_str(&numbers).unwrap();
    for (period, mu_squared) in [("quarter", quarter), ("childhood", life)] {
        let rho: f64 = numbers[period]["rho"].as_str().unwrap().parse().unwrap();
        // Each of a life's charges is rounded up to the next thousand-millionth.
        assert!((0.0..1e-6).contains(&(rho - mu_squared / 2.0)), "{period}: {rho} {mu_squared}");
        let accuracy = numbers[period]["accuracy"].as_f64().unwrap();
        let off = accuracy - formula(mu_squared);
        assert!((0.0..1e-4).contains(&off), "{period}: {accuracy} is {off} off the formula");
        // And the tables that it says are those of the text.
        for own in numbers[period]["tables"].as_array().unwrap() {
            let table = tables.iter().find(|table| own["id"] == *table.id).unwrap();
            assert_eq!(own["variance"].as_f64(), Some(table.variance), "{}", table.id);
            assert_eq!(own["cap"].as_f64(), Some(table.cap), "{}", table.id);
        }
    }
    let rows = output(&["bench", "attacks", "--trials", "10", "--format", "json"], 0);
    let rows: Vec<Value> = serde_json::from_str(&rows).unwrap();
    for (attack, mu_squared) in [("6 ", quarter), ("12 ", life)] {
        let is = |row: &&Value| {
            row["attack"].as_str().unwrap().starts_with(attack) && row["mechanism"] == "tallygate"
        };
        let row = rows.iter().find(is).unwrap();
        let off = row["ledger"].as_f64().unwrap() - formula(mu_squared);
        assert!((-1e-5..1e-4).contains(&off), "{row}");
        assert!(row["bound"].as_f64() <= row["ledger"].as_f64(), "{row}");
    }
}

/// What a signed release says that it cost.
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_releases_budget_is_what_the_text_costs() {
    let later = Later::on(None).await;
    let officer = later.caller("officer").await;
    let release = released(&officer, "2026Q1").await;
    let tables = declared();
    let [_, life] = dearest(&tables);
    // Of its own quarter: who is dearest on its last day.
    let due: Vec<&Declared> = tables.iter().filter(|table| table.is_due(1)).collect();
    let of = |holds: &dyn Fn(&Declared) -> bool| {
        due.iter().filter(|table| holds(table)).map(|table| table.one()).sum::<f64>()
    };
    let children = (0..ADULT).map(|months| of(&|table| table.holds(months)));
    let quarter = children.fold(of(&|table| table.adults), f64::max);
    for (signed, mu_squared) in [(release.budget.quarter, quarter), (release.budget.lifetime, life)]
    {
        let off = signed.value() - mu_squared / 2.0;
        assert!((0.0..1e-6).contains(&off), "{signed}: {mu_squared}");
    }
    // And the noise that it was made with is the text's.
    assert_eq!(release.tables.len(), due.len());
    for (table, declared) in release.tables.iter().zip(due) {
        let own = (table.id.as_str(), f64::from(table.variance), f64::from(table.cap));
        assert_eq!(own, (declared.id.as_str(), declared.variance, declared.cap));
    }
    later.running.stop().await.unwrap();
}
