//! The page of reasons is the program's, and has every reason that the sources give.

use crate::support::output;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !name.contains("tests") {
            sources(&path, found);
        } else if name.ends_with(".rs") && !name.contains("tests") {
            found.push(path);
        }
    }
}

/// Words of a source that stand where a reason does: followed by the sentence that it is told in,
/// and not named as a field.
fn reasons(text: &str) -> BTreeSet<&str> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let parts: Vec<&str> = code.split('"').collect();
    let mut found = BTreeSet::new();
    for at in 1..parts.len() - 1 {
        let (before, word, after) = (parts[at - 1].trim_end(), parts[at], parts[at + 1]);
        let is_word = word.contains('_')
            && word.bytes().all(|c| c.is_ascii_lowercase() || c == b'_' || c.is_ascii_digit());
        let field = ["invalid(", "wrong(", "with_field(", "field(", "rule(", "Err(("];
        let opens = before.ends_with('(')
            || before.ends_with("kind,")
            || before.contains("RefusalKind::") && before.ends_with(',');
        let told = after.trim_start_matches(',').trim_start();
        let sentence = told.starts_with("sentence")
            || told.is_empty() && parts.get(at + 2).is_some_and(|next| next.contains(' '));
        let named = field.iter().any(|field| before.ends_with(field));
        if is_word && opens && !named && after.starts_with(',') && sentence {
            found.insert(word);
        }
    }
    found
}

#[test]
fn the_page_is_the_programs_and_has_every_reason() {
    let page = fs::read_to_string(root().join("deploy/ERRORS.md")).unwrap();
    let printed = output(&["errors"], 0);
    assert!(
        page == printed,
        "deploy/ERRORS.md is another page: tallygate errors > deploy/ERRORS.md"
    );
    let mut files = Vec::new();
    for room in ["gateway", "identity", "web"] {
        sources(&root().join("src").join(room), &mut files);
    }
    let texts: Vec<String> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let given: BTreeSet<&str> = texts.iter().flat_map(|text| reasons(text)).collect();
    assert!(given.len() > 50, "only {given:?}");
    let missing: Vec<&&str> =
        given.iter().filter(|reason| !page.contains(&format!("| `{reason}` |"))).collect();
    assert!(missing.is_empty(), "reasons without a line in src/cli/errors/table.rs: {missing:?}");
    // Each once.
    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let words: BTreeSet<&str> = lines.iter().filter_map(|line| line.split('|').nth(1)).collect();
    assert!(lines.len() - words.len() <= 4, "{} lines, {} reasons", lines.len(), words.len());
    let one = output(&["errors", "--reason", "TOKEN_EXPIRED"], 0);
    assert!(one.starts_with("token_expired: "), "{one}");
    output(&["errors", "--reason", "no_such_reason"], 1);
}
