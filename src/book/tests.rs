//! The page and its tables, on a small book.

use super::*;

fn figure(area: &str, quarter: &str, value: &str) -> Figure {
    let shown = value.parse::<f64>().is_ok();
    let text = |text: String| if shown { text } else { String::new() };
    let number = value.parse::<f64>().unwrap_or(0.0);
    Figure {
        indicator: "registered".to_owned(),
        area: area.to_owned(),
        quarter: quarter.to_owned(),
        part: String::new(),
        value: value.to_owned(),
        lower: text(format!("{:.2}", number - 1.5)),
        upper: text(format!("{:.2}", number + 1.5)),
        margin: text("1.5".to_owned()),
        out_of: text("1410".to_owned()),
        word: if shown { "large majority".to_owned() } else { String::new() },
        unit: "percent".to_owned(),
    }
}

fn area(code: &str, name: &str, group: Group) -> Area {
    Area {
        code: code.to_owned(),
        name: name.to_owned(),
        level: if group == Group::Around { "authority" } else { "reach_area" }.to_owned(),
        group,
        estimated_under_fives: 1_420,
    }
}

fn change() -> Change {
    Change {
        against: "previous".to_owned(),
        since: "2025Q4".to_owned(),
        value: "-1.2".to_owned(),
        lower: "-3.4".to_owned(),
        upper: "+1.0".to_owned(),
        margin: "2.2".to_owned(),
        unit: "points".to_owned(),
        distinct: false,
    }
}

fn line() -> Line {
    let beside = |area: &str, value: &str, from: &[&str]| Beside {
        figure: figure(area, "2026Q1", value),
        distinct_from: from.iter().map(|&code| code.to_owned()).collect(),
    };
    Line {
        number: "3".to_owned(),
        title: "Registered".to_owned(),
        definition: "Under-fives with a registration, <b>counted</b> once.".to_owned(),
        denominator: "Under-fives who live here.".to_owned(),
        target: "10% higher than the baseline".to_owned(),
        standing: Some(Standing {
            code: "not_distinguishable".to_owned(),
            words: "not distinguishable from no change yet".to_owned(),
            baseline: "2025Q2".to_owned(),
            change: "-7".to_owned(),
            lower: "-20".to_owned(),
            upper: "+9".to_owned(),
        }),
        figure: figure("CC01", "2026Q1", "67.1"),
        trend: ["66.0", "<10", "withdrawn"]
            .iter()
            .zip(["2025Q2", "2025Q3", "2025Q4"])
            .map(|(value, quarter)| figure("CC01", quarter, value))
            .collect(),
        changes: vec![change()],
        parts: vec![Part {
            title: "=Under one".to_owned(),
            dimension: "age".to_owned(),
            figure: Figure { part: "age_0".to_owned(), ..figure("CC01", "2026Q1", "<10") },
        }],
        beside: vec![
            beside("CC01", "67.1", &["CC02"]),
            beside("CC02", "80.2", &["CC01"]),
            beside("CC03", "66.0", &[]),
            beside("E08", "70.0", &[]),
        ],
        comparisons: 2,
        feeds: vec![Feed {
            partner: "centres".to_owned(),
            record_type: "registration".to_owned(),
            week: "2026-W18".to_owned(),
        }],
    }
}

fn book() -> Book {
    Book {
        period: Period::Quarter("2026Q1".to_owned()),
        quarter: "2026Q1".to_owned(),
        quarters: vec!["2026Q1".to_owned()],
        areas: vec![
            area("CC01", "Foleshill & <North>", Group::Own),
            area("CC02", "Zeta", Group::Sibling),
            area("CC03", "Alpha", Group::Sibling),
            area("E08", "Coventry", Group::Around),
        ],
        lines: vec![
            line(),
            Line {
                number: "2".to_owned(),
                title: "Under-fives".to_owned(),
                figure: Figure {
                    indicator: "under_fives".to_owned(),
                    value: "1410".to_owned(),
                    lower: "1380".to_owned(),
                    upper: "1440".to_owned(),
                    unit: "persons".to_owned(),
                    ..figure("CC01", "2026Q1", "1410")
                },
                trend: vec![],
                ..line()
            },
        ],
        commentary: None,
        notices: vec![Notice {
            quarter: "2025Q4".to_owned(),
            notice: "Half was missing.".to_owned(),
        }],
        releases: vec![Release { quarter: "2026Q1".to_owned(), digest: "ab".repeat(32) }],
        catalogue: "2026.2".to_owned(),
        geography: "1".to_owned(),
        linkage_note: "Linkage may miss.".to_owned(),
        sum_note: "Parts need not add up.".to_owned(),
    }
}

#[test]
fn a_page_stands_alone_and_escapes_every_text() {
    let page = book().html();
    for absent in ["<script", "http://", "https://", "@import", "url(", "<b>counted", "<North>"] {
        let found = page.replace("http://www.w3.org/2000/svg", "").contains(absent);
        assert!(!found, "{absent}");
    }
    assert!(page.contains("Foleshill &amp; &lt;North&gt; (CC01), January to March 2026"));
    assert!(page.contains("&lt;b&gt;counted"));
    assert_eq!(page, book().html(), "the same book, the same bytes");
}

#[test]
fn elements_nest_ids_are_one_and_headings_go_down_step_by_step() {
    let page = book().html();
    let (mut open, mut ids, mut last) = (Vec::new(), std::collections::BTreeSet::new(), 0);
    for piece in page.split('<').skip(2) {
        let tag = piece.split(['>', ' ']).next().unwrap();
        if let Some(id) = piece.split(" id=\"").nth(1) {
            assert!(ids.insert(id.split('"').next().unwrap().to_owned()), "{piece}");
        }
        if let Some(level) = tag.strip_prefix('h').and_then(|level| level.parse::<u8>().ok()) {
            assert!(level <= last + 1, "{piece}");
            last = level;
        }
        match tag.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed.to_owned()), "{piece}"),
            None if piece.split('>').next().unwrap().ends_with('/') => {}
            None => open.push(tag.to_owned()),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    for named in page.split("aria-labelledby=\"").skip(1) {
        for id in named.split('"').next().unwrap().split(' ') {
            assert!(ids.contains(id), "{id}");
        }
    }
}

#[test]
fn areas_stand_by_name_with_what_can_be_told_apart() {
    let page = book().html();
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}\n{page}"));
    assert!(at(">Alpha (CC03)</th>") < at(">Zeta (CC02)</th>"));
    let told = "2 comparisons were made together, which is allowed for: Foleshill &amp; \
                &lt;North&gt; (CC01) can be told from Zeta (CC02).";
    assert!(page.contains(told));
    assert!(page.contains("not distinguishable from no change yet (\u{2212}7% against 2025 Q2"));
    assert!(
        page.contains(
            "\u{2212}1.2 points\u{a0}\u{b1}\u{a0}2.2: not distinguishable from no change"
        )
    );
    assert!(page.contains("2025 Q4 was withdrawn."));
    // Beside the count stands the estimate.
    assert!(page.contains("Published estimate") && page.contains(">1,420</td>"));
}

#[test]
fn every_figure_of_a_chart_stands_in_a_table_and_what_is_not_shown_has_one_sign() {
    let page = book().html();
    // Trends, areas side by side, and parts by each dimension.
    assert_eq!(page.matches("<svg").count(), 5);
    assert_eq!(page.matches("role=\"img\"").count(), 5);
    for value in ["66.0%", "67.1%", "80.2%", "&lt;10", "withdrawn"] {
        assert!(page.contains(&format!(">{value}</td>")), "{value}");
    }
    // Of a trend that is broken no line goes over the gap.
    assert!(!page.contains("<polyline"));
    assert!(page.contains(">&lt;10</text>") && page.contains(">\u{d7}</text>"));
}

#[test]
fn an_annual_book_has_its_commentary() {
    let annual = Book {
        period: Period::Year(2025),
        quarters: vec!["2025Q3".to_owned(), "2025Q4".to_owned()],
        commentary: Some("# Reach\n\nMore came.".to_owned()),
        ..book()
    };
    let page = annual.html();
    assert!(page.contains("Annual data book") && page.contains("the year 2025"));
    assert!(page.contains("2025 Q3 and 2025 Q4") && page.contains("<h3>Reach</h3>"));
    assert_eq!(annual.files().unwrap()[0].name, "databook-CC01-2025.html");
}

#[test]
fn tables_are_described_and_each_row_has_its_own_key() {
    let files = book().files().unwrap();
    let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "databook-CC01-2026Q1.html",
            "databook-CC01-2026Q1.json",
            "databook-CC01-2026Q1-figures.csv",
            "databook-CC01-2026Q1-figures.csv-metadata.json",
            "databook-CC01-2026Q1-changes.csv",
            "databook-CC01-2026Q1-changes.csv-metadata.json",
        ]
    );
    for (table, metadata) in [(2, 3), (4, 5)] {
        let metadata: serde_json::Value = serde_json::from_str(&files[metadata].text).unwrap();
        assert_eq!(metadata["url"], files[table].name.as_str());
        let columns = metadata["tableSchema"]["columns"].as_array().unwrap();
        let columns: Vec<_> = columns.iter().map(|c| c["name"].as_str().unwrap()).collect();
        let heading = files[table].text.lines().next().unwrap();
        assert_eq!(heading.split(',').collect::<Vec<_>>(), columns);
    }
    let figures = &files[2].text;
    assert!(figures.contains(",'=Under one,age_0,withheld,,,,,,,percent\r\n"), "{figures}");
    assert!(figures.contains(
        "CC01,Foleshill & <North>,reach_area,2025Q4,3,registered,Registered,,withdrawn,,"
    ));
    let json: serde_json::Value = serde_json::from_str(&files[1].text).unwrap();
    assert_eq!(json["lines"][0]["beside"][1]["distinct_from"][0], "CC01");
}
