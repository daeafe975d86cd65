//! Files as partners make them, and as they should not.

use super::*;
use proptest::prelude::*;
use std::io::Cursor;

fn table(bytes: &[u8]) -> CsvTable<Cursor<Vec<u8>>> {
    CsvTable::open(Cursor::new(bytes.to_vec())).unwrap()
}

fn refusal(bytes: &[u8]) -> FilesError {
    CsvTable::open(Cursor::new(bytes.to_vec())).err().unwrap()
}

/// Each row's number, and its values or fault.
fn rows(bytes: &[u8]) -> Vec<(u64, Result<Vec<String>, RowFault>)> {
    let mut table = table(bytes);
    let order: Vec<_> = (0..table.columns().len()).collect();
    let mut rows = Vec::new();
    while let Some(row) = table.next_row().unwrap() {
        let values = row.values(&order).map(|v| v.into_iter().map(str::to_owned).collect());
        rows.push((row.number(), values));
    }
    rows
}

fn good(values: &[&str]) -> Result<Vec<String>, RowFault> {
    Ok(values.iter().map(|v| (*v).to_owned()).collect())
}

#[test]
fn byte_order_mark_line_ends_quotes_and_blank_lines() {
    for (text, numbers) in [
        ("a,b\n1,\"x, \"\"y\"\"\"\n2,\n", [2, 3]),
        ("\u{feff}a,b\r\n1,\"x, \"\"y\"\"\"\r\n\r\n2,\r\n", [2, 4]),
        ("\u{feff}\"a\", b \n\n1,\"x, \"\"y\"\"\"\n2,", [3, 4]),
        ("\n\na,b\n1,\"x, \"\"y\"\"\"\n\n\n2,\n", [4, 7]),
        ("a,b\r1,\"x, \"\"y\"\"\"\r2,", [2, 3]),
    ] {
        let values = [good(&["1", "x, \"y\""]), good(&["2", ""])];
        let expected: Vec<_> = numbers.into_iter().zip(values).collect();
        assert_eq!(table(text.as_bytes()).columns(), ["a", "b"], "{text:?}");
        assert_eq!(rows(text.as_bytes()), expected, "{text:?}");
    }
    // A row that is refused for its line breaks moves nobody else.
    let text = "a,b\n\n1,\"x\n2,y\n\n3,z\n";
    assert_eq!(rows(text.as_bytes()).iter().map(|row| row.0).collect::<Vec<_>>(), [3, 4, 6]);
}

#[test]
fn a_first_line_may_only_say_the_delimiter() {
    for (text, numbers) in [
        ("sep=;\r\na;b\r\n1;\"x,|y\"\r\n\r\n2;\r\n", [3, 5]),
        ("\u{feff}\"SEP=|\"\na|b\n1|\"x,|y\"\n2|", [3, 4]),
        ("sep=\t\ra\tb\r1\tx,|y\r2\t", [3, 4]),
    ] {
        let values = [good(&["1", "x,|y"]), good(&["2", ""])];
        let expected: Vec<_> = numbers.into_iter().zip(values).collect();
        assert_eq!(table(text.as_bytes()).columns(), ["a", "b"], "{text:?}");
        assert_eq!(rows(text.as_bytes()), expected, "{text:?}");
    }
    assert!(matches!(refusal(b"sep=;\n"), FilesError::Empty));
    // A heading of that name is one.
    assert_eq!(table(b"sep=x,b\n1,2\n").columns(), ["sep=x", "b"]);
    assert_eq!(table(b"sep=,b\n1,2\n").columns(), ["sep=", "b"]);
}

#[test]
fn a_million_empty_rows_are_passed_over() {
    for end in ["\n", "\r\n"] {
        let blank = end.repeat(1_500_000);
        let text = format!("a,b{end}1,2{end}{blank}3,4{end}");
        let expected = [(2, good(&["1", "2"])), (1_500_003, good(&["3", "4"]))];
        assert_eq!(rows(text.as_bytes()), expected);
    }
}

#[test]
fn a_byte_order_mark_that_comes_byte_by_byte_is_still_seen() {
    struct Trickle(Cursor<Vec<u8>>);
    impl Read for Trickle {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(1);
            self.0.read(&mut buffer[..most])
        }
    }
    impl Seek for Trickle {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }
    let source = Trickle(Cursor::new("\u{feff}\"a\",b\n1,2\n".into()));
    assert_eq!(CsvTable::open(source).unwrap().columns(), ["a", "b"]);
}

#[test]
fn values_come_in_the_order_asked_for() {
    let mut table = table(b"c,a,b\n3,1,2\n");
    let order = table.order(&["a", "b", "c"]).unwrap();
    let row = table.next_row().unwrap().unwrap();
    assert_eq!(row.values(&order).unwrap(), ["1", "2", "3"]);
    assert!(matches!(table.order(&["a", "d"]), Err(FilesError::AbsentColumn { name: "d" })));
}

#[test]
fn files_that_are_none_are_refused_in_one_sentence() {
    for empty in [&b""[..], b"\n\n", b"\xef\xbb\xbf", b"\r\n"] {
        assert!(matches!(refusal(empty), FilesError::Empty), "{empty:?}");
    }
    assert!(matches!(refusal(b"\xff\xfea\0,\0"), FilesError::Utf16));
    assert!(matches!(refusal(b"\xfe\xff\0a"), FilesError::Utf16));
    assert!(matches!(refusal(b"a\0,\0b\0"), FilesError::Utf16));
    assert!(matches!(refusal(b"a,\xe9\n"), FilesError::HeadingNotUtf8 { column: 2 }));
    assert!(matches!(refusal(b"a,\"b\n1,2\n"), FilesError::HeadingQuote));
    assert!(matches!(refusal(b"a,b,a\n"), FilesError::DuplicateHeading { first: 1, second: 3 }));
    let wide = vec!["a"; 10_000].join(",");
    assert!(matches!(refusal(wide.as_bytes()), FilesError::TooManyColumns { found: 10_000 }));
    assert_eq!(rows(b"a,b\n"), vec![]);
}

#[test]
fn ragged_rows_and_open_quotes_spoil_no_neighbour() {
    let shape = |found| Err(RowFault::Shape { expected: 2, found });
    assert_eq!(
        rows(b"a,b\n1,2\n3\n4,5,6\n7,8\n"),
        vec![(2, good(&["1", "2"])), (3, shape(1)), (4, shape(3)), (5, good(&["7", "8"]))]
    );
    for ends in ["\n", "\r\n"] {
        let text = ["a,b", "1,2", "3,\"4", "5,6", "\"7,8", "9,\"0\"", ""].join(ends);
        let expected = vec![
            (2, good(&["1", "2"])),
            (3, Err(RowFault::OpenQuote)),
            (4, good(&["5", "6"])),
            (5, Err(RowFault::OpenQuote)),
            (6, good(&["9", "0"])),
        ];
        assert_eq!(rows(text.as_bytes()), expected, "{ends:?}");
    }
}

#[test]
fn an_open_quote_before_megabytes_of_rows_costs_one_row() {
    let mut text = String::from("a,b\n1,\"2\n");
    for _ in 0..300_000 {
        text.push_str("33,44\n");
    }
    let rows = rows(text.as_bytes());
    assert_eq!(rows.len(), 300_001);
    assert_eq!(rows.iter().filter(|(_, row)| row.is_err()).count(), 1);
    assert_eq!(rows[0], (2, Err(RowFault::OpenQuote)));
}

#[test]
fn the_original_of_a_broken_row_is_kept_whole() {
    let mut table = table(b"a,b,_code\n1,2,x,4\n5,\"6,7\n8\n");
    let mut originals = Vec::new();
    while let Some(row) = table.next_row().unwrap() {
        originals.push(row.original());
    }
    let expected = [vec!["1", "2,x,4"], vec!["5", "\"6,7"], vec!["8", ""]];
    assert_eq!(originals, expected.map(ByteRecord::from));
}

#[test]
fn invalid_utf8_is_placed_and_not_shown() {
    let rows = rows(b"a,b\nsecret,2\n1,Ren\xe9\n3,4\n");
    let fault = RowFault::NotUtf8 { column: 2, byte: 3, row_byte: 13 };
    assert_eq!(rows[1], (3, Err(fault)));
    assert_eq!(rows[2], (4, good(&["3", "4"])));
    assert!(!format!("{fault} {fault:?}").contains("Ren"));
}

#[test]
fn nul_bytes_stay_in_their_value() {
    // Every kind of field refuses control characters, so the row check names the field.
    assert_eq!(rows(b"a,b\n1\0,2\n"), vec![(2, good(&["1\0", "2"]))]);
}

/// Some lines, then one of a gigabyte that nobody holds, then nothing.
struct Gigabyte {
    head: &'static [u8],
    at: u64,
    given: u64,
}

const GIGABYTE: u64 = 1 << 30;

impl Read for Gigabyte {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let head = self.head.get(usize::try_from(self.at).unwrap()..).unwrap_or_default();
        let read = if head.is_empty() {
            let left = self.head.len() as u64 + GIGABYTE - self.at;
            let read = usize::try_from(left).unwrap().min(buffer.len());
            buffer[..read].fill(b'9');
            read
        } else {
            let read = head.len().min(buffer.len());
            buffer[..read].copy_from_slice(&head[..read]);
            read
        };
        self.at += read as u64;
        self.given += read as u64;
        Ok(read)
    }
}

impl Seek for Gigabyte {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Start(at) = to else { return Err(io::ErrorKind::Unsupported.into()) };
        self.at = at;
        Ok(at)
    }
}

#[test]
fn a_line_of_a_gigabyte_is_refused_by_its_number_and_never_held() {
    for (head, line) in [
        (&b""[..], 1),
        (b"a,b\n1,2\n3,", 3),
        (b"a,b\r\n1,2\r\n\r\n3,\"", 4),
        (b"a,b\n1,\"2\n3,\"4\n\n", 5),
    ] {
        let mut source = Gigabyte { head, at: 0, given: 0 };
        let error = match CsvTable::open(&mut source) {
            Err(error) => error,
            Ok(mut table) => loop {
                match table.next_row() {
                    Ok(row) => assert!(row.is_some(), "the end was never reached"),
                    Err(error) => break error,
                }
            },
        };
        assert!(matches!(error, FilesError::LineTooLong { line: at } if at == line), "{error}");
        assert!(
            error.to_string().contains(&format!("line {line} "))
                && !error.to_string().contains("99")
        );
        assert!(source.given < 8 * ROW_MAX, "{} bytes were read", source.given);
    }
}

#[test]
fn a_row_too_long_to_send_spoils_no_neighbour() {
    let text = format!("a,b\n1,{}\n3,4\n", "x".repeat(SENT_ROW_MAX));
    let rows = rows(text.as_bytes());
    assert_eq!(rows, vec![(2, Err(RowFault::TooLarge)), (3, good(&["3", "4"]))]);
}

proptest! {
    #[test]
    fn no_bytes_panic_the_reader(bytes in proptest::collection::vec(
        prop_oneof![
            Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), Just(0u8), Just(0xef), any::<u8>()
        ], 0..300))
    {
        if let Ok(mut table) = CsvTable::open(Cursor::new(bytes.clone())) {
            let order: Vec<_> = (0..table.columns().len()).collect();
            let mut seen = 0;
            while let Some(row) = table.next_row().unwrap() {
                seen += 1;
                prop_assert!(seen <= bytes.len(), "the reader does not come to an end");
                let _ = (row.values(&order), row.original());
            }
        }
    }

    /// Whatever lines stand between them, sound rows come out as they went in.
    #[test]
    fn sound_rows_survive_any_neighbours(
        broken in proptest::collection::vec("[a-z\",]{0,12}", 0..6),
        crlf in any::<bool>(),
    ) {
        let mut lines = vec!["a,b".to_owned()];
        for line in &broken {
            lines.push(line.clone());
            lines.push("7001,7002".to_owned());
        }
        let text = lines.join(if crlf { "\r\n" } else { "\n" });
        let found = rows(text.as_bytes());
        let sound = found.iter().filter(|(_, row)| *row == good(&["7001", "7002"])).count();
        prop_assert_eq!(sound, broken.len());
    }
}
