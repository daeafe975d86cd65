//! The house's import rule: a room may use what lies below it, and nothing above.
//!
//! A single crate has no compiler boundary between its rooms, so this reads every
//! `crate::room` in the sources, in `use` lines and inline paths alike.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// What each room may use. Rooms lower in the house come first.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("wire", &[]),
    ("meters", &["domain"]),
    ("keys", &["domain"]),
    ("protocol", &["domain", "keys"]),
    ("linkage", &["domain", "keys"]),
    ("disclosure", &["domain", "keys"]),
    ("audit", &["domain", "keys"]),
    // Stand-alone rooms: the verifier shares nothing with what it verifies.
    ("verify", &["domain"]),
    ("witness", &["domain", "keys", "verify"]),
    ("files", &["domain", "keys"]),
    ("book", &["domain"]),
    ("synth", &["domain", "keys"]),
    ("store", &["domain", "meters", "keys", "protocol", "linkage", "disclosure", "audit"]),
    (
        "gateway",
        &["domain", "meters", "keys", "protocol", "linkage", "disclosure", "audit", "store"],
    ),
    ("identity", &["domain", "keys", "protocol", "audit", "gateway"]),
    (
        "web",
        &[
            "domain",
            "protocol",
            "disclosure",
            "audit",
            "verify",
            "files",
            "book",
            "store",
            "gateway",
            "identity",
        ],
    ),
    (
        "connector",
        &["domain", "meters", "keys", "linkage", "files", "wire", "identity", "protocol"],
    ),
    (
        "grpc",
        &[
            "domain",
            "meters",
            "keys",
            "protocol",
            "disclosure",
            "audit",
            "store",
            "gateway",
            "identity",
            "wire",
        ],
    ),
    ("config", &["domain", "keys", "audit", "store"]),
    (
        "server",
        &[
            "domain",
            "meters",
            "keys",
            "disclosure",
            "audit",
            "store",
            "gateway",
            "identity",
            "grpc",
            "web",
            "config",
        ],
    ),
    (
        "demo",
        &[
            "domain",
            "keys",
            "protocol",
            "disclosure",
            "store",
            "gateway",
            "identity",
            "connector",
            "synth",
            "verify",
            "wire",
            "config",
            "server",
        ],
    ),
    // Measures every room, and holds what only a measurement may do.
    ("bench", &[]),
    ("cli", &[]),
    ("lib", &[]),
    ("main", &[]),
];

/// Rooms that may use everything.
const ON_TOP: [&str; 4] = ["bench", "cli", "lib", "main"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The rooms named in `crate::room` paths, `use crate::{a, b::c}` lists included.
fn used_rooms(text: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        rooms.insert(std::mem::take(&mut name));
                    }
                    c if depth == 0 => name.push(c),
                    _ => {}
                }
            }
            rooms.insert(name);
        } else {
            rooms.insert(rest.to_owned());
        }
    }
    rooms
        .into_iter()
        .map(|path| {
            let path = path.trim_start();
            path.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
        })
        .filter(|room: &String| !room.is_empty())
        .collect()
}

fn without_tests_and_comments(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn imports_run_downward_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rules: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let (mut files, mut wrong) = (Vec::new(), Vec::new());
    sources(&root, &mut files);
    for path in &files {
        let relative = path.strip_prefix(&root).unwrap();
        let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
        let room = first.strip_suffix(".rs").unwrap_or(first);
        let allowed = rules.get(room).unwrap_or_else(|| panic!("no rule for the room {room}"));
        // In-room test modules may stand anywhere: they are not part of the house.
        let is_test = relative.to_string_lossy().contains("tests");
        if ON_TOP.contains(&room) || is_test {
            continue;
        }
        for used in used_rooms(&without_tests_and_comments(&fs::read_to_string(path).unwrap())) {
            if rules.contains_key(used.as_str())
                && used != room
                && !allowed.contains(&used.as_str())
            {
                wrong.push(format!("{} uses crate::{used}", relative.display()));
            }
        }
    }
    assert!(files.len() > 100, "the sources were not found");
    assert!(wrong.is_empty(), "imports that run upward:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_store_names_sqlx_and_only_config_reads_the_environment() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let code = without_tests_and_comments(&text);
        let in_store = path.starts_with(root.join("store"));
        assert!(in_store || !code.contains("sqlx::"), "{} names sqlx", path.display());
        let in_config = path == root.join("config.rs");
        assert!(
            in_config || !code.contains("env::var"),
            "{} reads the environment",
            path.display()
        );
    }
}

/// Insecure baselines live in `bench` and `store::bench`: whoever names either could reach
/// them, so only the command and the lists of modules do.
#[test]
fn nobody_but_its_command_names_the_bench() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut users = BTreeSet::new();
    for path in files {
        let code = without_tests_and_comments(&fs::read_to_string(&path).unwrap());
        let mut words = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let relative = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        let outside = !relative.starts_with("bench/") && !relative.contains("tests");
        if outside && words.any(|word| word == "bench") {
            users.insert(relative);
        }
        let limits = ["store::bench", "gateway::bench"].iter().any(|of| code.contains(of));
        let own = path.starts_with(root.join("cli")) && limits;
        assert!(!own, "{} uses a limit", path.display());
    }
    let allowed = [
        "cli/bench.rs",
        "cli/bench_attacks.rs",
        "cli/bench_linkage.rs",
        "cli/bench_noise.rs",
        "cli/bench_utility.rs",
        "cli/catalogue_dpia.rs",
        "cli/mod.rs",
        "gateway/mod.rs",
        "lib.rs",
        "store/mod.rs",
    ];
    let allowed = allowed.map(str::to_owned);
    assert_eq!(users, BTreeSet::from(allowed), "who names the bench");
}

#[test]
fn lists_of_imports_are_read() {
    let text = "use crate::{\n    domain::{A, B},\n    keys::C,\n};\nfn f() { crate::audit::g(); }";
    let rooms: Vec<_> = used_rooms(text).into_iter().collect();
    assert_eq!(rooms, ["audit", "domain", "keys"]);
}
