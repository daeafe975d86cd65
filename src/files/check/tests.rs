//! Whole files through the check.

use super::*;
use crate::domain::LayoutError;
use jiff::civil::date;
use proptest::prelude::*;
use std::io::Cursor;

const TODAY: Date = date(2026, 6, 30);

const HEADINGS: &str = "record_id,extracted_at,event_date,nhs_number,forename,date_of_birth,\
                        centre,start_date,target_groups";

fn check(text: &str) -> (FileSummary, String) {
    let mut rejects = Vec::new();
    let from = Cursor::new(text.as_bytes().to_vec());
    let summary = check_file(from, RecordType::Registration, TODAY, Some(&mut rejects)).unwrap();
    (summary, String::from_utf8(rejects).unwrap())
}

#[test]
fn a_bad_record_spoils_no_neighbour_and_is_explained() {
    let good = "1,2026-04-02,2026-03-10,9990000018,Ann,2025-03-01,CC01,2026-03-10,father;eal";
    let text = [
        HEADINGS,
        good,
        "2,2026-04-02,2027-03-10,9990000018,Ann,2025-03-01,CC01,2026-03-10,",
        "3,2026-04-02,2026-03-10,9999999999,Ann,2025-03-01,CC01,2026-03-10,",
        "4,2026-04-02,2026-03-10,9990000018,Ann,2025-03-01,CC01",
        "5,2026-04-02,2026-03-10,9990000018,\"Ann,2025-03-01,CC01,2026-03-10,",
        "6,2026-04-02,2026-03-10,1000000000,A\u{0}n,2025-03-01,CC01,2026-03-10,",
        good,
    ]
    .join("\r\n");
    let (summary, rejects) = check(&text);
    assert_eq!((summary.rows, summary.well_formed, summary.rejected), (7, 2, 5));
    let reasons: Vec<_> =
        summary.reasons.iter().map(|((f, c), n)| (f.as_ref(), c.as_ref(), *n)).collect();
    assert_eq!(
        reasons,
        [
            ("", "open-quote", 1),
            ("", "row-shape", 1),
            ("event_date", "date-in-future", 1),
            ("forename", "name-form", 1),
            ("nhs_number", "nhs-all-same", 1),
            ("nhs_number", "uln-in-nhs-column", 1),
        ]
    );
    let lines: Vec<_> = rejects.lines().collect();
    assert_eq!(lines.len(), 6);
    assert!(lines[1].contains(",3,event_date,date-in-future,"));
    assert!(lines[5].contains(",7,nhs_number;forename,uln-in-nhs-column;name-form,"));
    assert!(lines[5].contains("this is a valid ULN, not an NHS number"));
}

#[test]
fn a_corrected_rejects_file_passes() {
    let bad = "3,2026-04-02,2026-03-10,9999999999,Ann,2025-03-01,CC01,2026-03-10,";
    let (_, rejects) = check(&format!("{HEADINGS}\n{bad}\n"));
    let (again, _) = check(&rejects);
    assert_eq!((again.rows, again.rejected), (1, 1));
    let (mended, _) = check(&rejects.replace("9999999999", "9990000018"));
    assert_eq!((mended.rows, mended.well_formed), (1, 1));
}

#[test]
fn columns_that_do_not_fit_are_refused_without_their_heading() {
    let refuse = |text: &str| {
        let from = Cursor::new(text.as_bytes().to_vec());
        check_file(from, RecordType::Registration, TODAY, None::<Vec<u8>>).err().unwrap()
    };
    // A file without headings begins with a record.
    let record = refuse("7001,2026-04-02,9990000018\n");
    assert!(matches!(record, FilesError::Layout(LayoutError::UnknownColumn { position: 1, .. })));
    assert!(!format!("{record} {record:?}").contains("999"));
    assert!(matches!(
        refuse("record_id,extracted_at\n"),
        FilesError::Layout(LayoutError::MissingColumn { name: "event_date", .. })
    ));
}

proptest! {
    /// Values are long and of a shape that no sentence of ours has.
    #[test]
    fn no_complaint_holds_a_value(
        values in proptest::collection::vec("[QXZ]{7}[0-9]{0,6}", 9),
        quote in 0usize..18,
    ) {
        let mut fields = values.clone();
        if let Some(field) = fields.get_mut(quote) {
            field.insert(0, '"');
        }
        let text = format!("{HEADINGS}\n{}\n", fields.join(","));
        let mut table = CsvTable::open(Cursor::new(text.into_bytes())).unwrap();
        let check = FileCheck::new(RecordType::Registration, table.columns(), TODAY).unwrap();
        let row = table.next_row().unwrap().unwrap();
        let Verdict::Bad(complaints) = check.judge(&row) else {
            return Err(TestCaseError::fail("nothing was found wrong"));
        };
        let said = format!("{complaints:?}");
        for value in values {
            prop_assert!(!said.contains(&value), "{}", said);
        }
    }

    #[test]
    fn no_file_panics_the_check(text in "[\\PC\"\\r\\n,]{0,200}") {
        let from = Cursor::new(format!("{HEADINGS}\n{text}").into_bytes());
        let summary =
            check_file(from, RecordType::Registration, TODAY, Some(Vec::new())).unwrap();
        prop_assert_eq!(summary.rows, summary.well_formed + summary.rejected);
    }
}
