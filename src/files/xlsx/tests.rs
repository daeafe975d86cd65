//! Workbooks: good ones, damaged ones, and bombs.

use super::*;
use proptest::prelude::*;
use std::io::Cursor;

/// An archive of parts, each stored or, where asked, deflated.
fn archive(parts: &[(&str, &[u8])], deflate: bool) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in parts {
        let packed =
            if deflate { miniz_oxide::deflate::compress_to_vec(bytes, 9) } else { bytes.to_vec() };
        let (method, offset) = (if deflate { 8u16 } else { 0 }, u32::try_from(out.len()).unwrap());
        let size = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
        let length = u16::try_from(name.len()).unwrap().to_le_bytes();
        let mut common = vec![20, 0, 0, 0];
        common.extend(method.to_le_bytes());
        common.extend([0; 8]);
        common.extend(size(packed.len()));
        common.extend(size(bytes.len()));
        common.extend(length);
        common.extend([0; 2]);
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(&packed);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (place, size) =
        (u32::try_from(out.len()).unwrap(), u32::try_from(directory.len()).unwrap());
    let count = u16::try_from(parts.len()).unwrap().to_le_bytes();
    out.extend(&directory);
    out.extend(b"PK\x05\x06\x00\x00\x00\x00");
    out.extend(count);
    out.extend(count);
    out.extend(size.to_le_bytes());
    out.extend(place.to_le_bytes());
    out.extend([0; 2]);
    out
}

const WORKBOOK: &str = r#"<?xml version="1.0"?><workbook><sheets><sheet name="Old" sheetId="2" state="hidden" r:id="rId2"/><sheet name="A" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
const RELATIONS: &str =
    r#"<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>"#;
const STYLES: &str = r#"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="dd\-mmm\-yy"/><numFmt numFmtId="165" formatCode="0.00&quot;days&quot;"/></numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/></cellXfs></styleSheet>"#;
const STRINGS: &str = r#"<sst><si><t>record_id</t></si><si><r><t>Ad</t></r><r><t>a &amp; B</t></r><rPh><t>x</t></rPh></si></sst>"#;

fn book(sheet: &str, deflate: bool) -> Result<String, FilesError> {
    let parts: [(&str, &[u8]); 5] = [
        ("xl/workbook.xml", WORKBOOK.as_bytes()),
        ("xl/_rels/workbook.xml.rels", RELATIONS.as_bytes()),
        ("xl/styles.xml", STYLES.as_bytes()),
        ("xl/sharedStrings.xml", STRINGS.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ];
    first_sheet(Cursor::new(archive(&parts, deflate))).map(|csv| String::from_utf8(csv).unwrap())
}

#[test]
fn a_sheet_becomes_csv_with_its_days_and_digits() {
    let sheet = r#"<worksheet><sheetData><row r="1"/><row r="2"><c r="A2" t="s"><v>0</v></c><c r="B2" t="inlineStr"><is><t>day</t></is></c><c r="D2" t="str"><v>n</v></c></row><row><c r="A3" t="s"><v>1</v></c><c r="B3" s="1"><v>45382</v></c><c r="C3" s="2"><v>45382.0</v></c><c r="D3"><v>9.990000018E9</v></c></row><row r="4"><c r="A4" s="3"><v>45382</v></c><c r="B4" t="b"><v>1</v></c><c r="C4" t="e"><v>#REF!</v></c><c r="D4"><v>0.5</v></c></row><x:row r="5"><x:c r="A5"><x:v>1</x:v></x:c></x:row></sheetData></worksheet>"#;
    for deflate in [false, true] {
        let expected = "\nrecord_id,day,,n\nAda & B,2024-03-31,2024-03-31,9990000018\n45382,yes,#REF!,0.5\n1,,,\n";
        assert_eq!(book(sheet, deflate).unwrap(), expected);
    }
    // Cells that don't say where they are stand one behind the other, empty ones, too.
    let sheet = "<worksheet><sheetData><row><c><v>1</v></c><c><v>2</v></c><c><v>3</v></c></row>\
                 <row><c/><c><v>5</v></c><c s=\"0\"/></row><row><c r=\"B3\"/><c><v>6</v></c></row>\
                 </sheetData></worksheet>";
    assert_eq!(book(sheet, false).unwrap(), "1,2,3\n,5,\n,,6\n");
    // Empty rows are counted, stated or not; what can't be a row's number is not taken.
    let sheet = "<worksheet><sheetData><row r=\"1\"><c><v>1</v></c></row><row r=\"4\"><c><v>4</v></c>\
                 </row><row/><row r=\"2\"><c><v>6</v></c></row><row r=\"99999999\"><c t=\"str\">\
                 <v>two\nlines</v></c></row></sheetData></worksheet>";
    assert_eq!(book(sheet, false).unwrap(), "1\n\n\n4\n\n6\ntwo lines\n");
    assert_eq!((day_of(1, false), day_of(60, false)), (Some(date(1900, 1, 1)), None));
    assert_eq!(day_of(0, true), Some(date(1904, 1, 1)));
    assert_eq!(day_of(i32::MAX, false), None);
}

#[test]
fn bombs_and_what_is_no_workbook_are_refused_in_bounded_memory() {
    let bomb = vec![b' '; 8 << 20];
    let packed = archive(&[("bomb", &bomb)], true);
    assert!(packed.len() < 64 << 10);
    let text = |limit| Archive::open(Cursor::new(&packed)).unwrap().text("bomb", limit);
    assert!(matches!(text(1 << 20), Err(FilesError::WorkbookTooLarge)));
    assert_eq!(text(8 << 20).unwrap().unwrap().len(), 8 << 20);
    let far = r#"<sheetData><row><c r="XFD1"><v>1</v></c></row></sheetData>"#;
    assert!(matches!(book(far, true), Err(FilesError::TooManyColumns { found: 16_384 })));
    // Rows whose last column alone is full become a thousand times as long.
    let wide = r#"<row><c r="ALK1"><v>1</v></c></row>"#.repeat(2_000);
    let dates = Dates { styles: Vec::new(), from_1904: false };
    let csv = |limit| to_csv(&wide, &Strings::read("").unwrap(), &dates, limit);
    assert!(matches!(csv(1 << 20), Err(FilesError::WorkbookTooLarge)));
    assert_eq!(csv(4 << 20).unwrap().len(), 2_000 * 1_000);
    for none in [&b""[..], b"PK\x03\x04", b"PK\x05\x06", &[0; 100]] {
        assert!(matches!(first_sheet(Cursor::new(none)), Err(FilesError::Workbook)));
    }
    assert!(is_old(b"\xd0\xcf\x11\xe0\xa1") && is_archive(b"PK\x03\x04"));
}

proptest! {
    #[test]
    fn no_sheet_and_no_archive_panics(
        sheet in "(<row>|</row>|<c r=\"[A-Z]{0,4}[0-9]\"( t=\"[sbe]\")?>|</c>|<v>|</v>|<t>|&[a-z#0-9]{0,4};?|<!--|-->|<!|<\\?|\\PC{0,4}){0,40}",
        at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>(), deflate: bool,
    ) {
        let _ = book(&sheet, deflate);
        let parts: [(&str, &[u8]); 2] = [("xl/workbook.xml", WORKBOOK.as_bytes()), ("xl/worksheets/sheet1.xml", sheet.as_bytes())];
        let mut bytes = archive(&parts, deflate);
        let place = at.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let _ = first_sheet(Cursor::new(&bytes));
        bytes.truncate(cut.index(bytes.len()));
        let _ = first_sheet(Cursor::new(&bytes));
    }
}
