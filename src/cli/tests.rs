//! The frame: arguments of every command, help with examples, exit codes.

use super::*;
use clap::CommandFactory;

/// The exit code, standard output and standard error of a command line.
fn run_line(line: &str) -> (u8, String, String) {
    let arguments = std::iter::once("tallygate").chain(line.split_whitespace());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run_on(arguments.map(OsString::from), &mut out, &mut err, false);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn parses(line: &str) -> bool {
    let arguments = std::iter::once("tallygate").chain(line.split_whitespace());
    Cli::try_parse_from(arguments).is_ok()
}

#[test]
fn the_arguments_are_consistent() {
    Cli::command().debug_assert();
}

fn walk(command: &clap::Command, path: &str, visit: &mut dyn FnMut(&clap::Command, &str)) {
    visit(command, path);
    for child in command.get_subcommands() {
        walk(child, &format!("{path} {}", child.get_name()), visit);
    }
}

#[test]
fn every_commands_help_has_an_example_of_itself() {
    let mut leaves = 0;
    walk(&Cli::command(), "tallygate", &mut |command, path| {
        let help = command.clone().render_long_help().to_string();
        assert!(help.contains("Example"), "{path} has no example");
        assert!(command.get_about().is_some(), "{path} does not say what it does");
        if command.has_subcommands() {
            return;
        }
        leaves += 1;
        let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(
            examples.contains(&format!("{path} ")),
            "{path}: the example is of another command"
        );
        assert!(help.lines().all(|line| line.chars().count() <= 120), "{path}: too wide");
    });
    assert!(leaves >= 30, "{leaves} commands");
}

/// Each example of the help, its continued lines joined, without a redirection.
fn examples(help: &str) -> Vec<String> {
    let joined = help.replace("\\\n    ", "");
    joined
        .lines()
        .filter_map(|line| line.trim().strip_prefix("tallygate "))
        .map(|line| line.split(" > ").next().unwrap_or(line).to_owned())
        .collect()
}

#[test]
fn every_example_parses() {
    let mut count = 0;
    walk(&Cli::command(), "tallygate", &mut |command, path| {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for example in examples(&help) {
            assert!(parses(&example), "{path}: {example}");
            count += 1;
        }
    });
    assert!(count > 40, "{count} examples");
}

#[test]
fn the_contracts_lines_parse() {
    for line in [
        "synth --place coventry --seed 7 --scale 1.0 --quarters 8 --out d",
        "keys new --purpose token --out d",
        "keys list --profile p",
        "partner add f --profile p",
        "partner list --format json",
        "partner show health",
        "partner disable health",
        "catalogue cost",
        "catalogue cost --file f --areas g --frontier --part errors --format csv",
        "catalogue check f --format json",
        "catalogue show --file f",
        "area load f --postcodes g",
        "area list --format csv",
        "protocol new --template health",
        "protocol sign f --key k --party health --role siro",
        "protocol verify f --keys jwks.json",
        "protocol submit f",
        "protocol list",
        "protocol show isp-health",
        "protocol suspend isp-health",
        "protocol reinstate isp-health --key k.pem --role siro",
        "protocol resume isp-health --key k.pem --role siro --out word.json",
        "protocol explain --table engagement --area CC01",
        "protocol explain --field health_review.outcome --partner health --area E01009600",
        "protocol explain --type live_birth --protocol isp-health --day 2026-03-31",
        "retention preview --on 2027-03-31 --format csv",
        "retention prove --quarter 2026Q1",
        "retention prove --day 2026-03-31 --format json",
        "bench protocols --size 100",
        "databook --area CC01 --period 2026Q1 --out books",
        "databook --area E08000026 --year 2025 --commentary c.md --out books",
        "area compare old.toml new.toml --lookup lookup.csv",
        "figures find new birth visit by day 14",
        "figures decide 3 --grant --reason ok",
        "push a b --type live_birth --protocol isp-health --dry-run --rejects r --resume",
        "consent record f",
        "consent withdraw C1",
        "consent show C1",
        "release preview 2026Q1",
        "release close 2026Q1",
        "release close 2026Q1 --accept late_data --accept feed_stale",
        "release withdraw 2026Q1 --notice n",
        "undo a b --reason wrong-file",
        "release list",
        "release show 2026Q1",
        "release verify f --key jwk",
        "query registered --area CC01 --by age --period 2025Q2..2026Q1 --purpose inspection",
        "card --area CC01 --period 2026Q1 --definitions",
        "audit search --who dwp --what refused --area CC01 --purpose audit --protocol isp-dwp \
         --decision refused --from 2026-01-01 --until 2026-03-31",
        "audit prove 12",
        "audit consistency 10 20",
        "audit fetch --out d --vkey-file f",
        "audit fetch --out d --vkey-file f --recheck --receipts r --format json",
        "audit verify tiles --vkey-file f",
        "audit verify --receipts d --vkey-file f",
        "audit search --user 0123456789abcdef0123456789abcdef --all --tiles d",
        "audit search --limit 5 --page-token t --tiles d --vkey-file k",
        "audit reconcile a b --tiles d --vkey-file k --evidence e",
        "audit reconcile a --vkey-file k --profile p",
        "audit verify-evidence f --vkey-file k",
        "audit gaps d --partner health --receipts a --receipts b",
        "audit erasures d",
        "audit erasures --profile p",
        "audit export 1 2 --out o --tiles d",
        "audit verify-proof f --leaf l --vkey-file k",
        "audit trace --area CC01 --quarter 2026Q1 --indicator registered --tiles d",
        "audit patterns d --config c --fail",
        "bench verify --size 1000000",
        "bench attacks --trials 100 --seed 1 --format json",
        "bench utility --scale 0.1 --draws 2",
        "bench withheld --size 100",
        "catalogue dpia --out f --trials 100",
    ] {
        assert!(parses(line), "{line}");
    }
}

#[test]
fn wrong_arguments_are_refused() {
    for line in [
        "",
        "unknown",
        "query registered",
        "query Registered --area CC01",
        "query registered --area cc01",
        "query registered --area CC01 --period 2026Q1..2025Q1",
        "card --area CC01 --format xml",
        "release close 2026",
        "push --type live_birth --protocol isp-health",
        "push a --type birth --protocol isp-health",
        "audit verify --vkey-file f",
        "audit verify tiles",
        "audit fetch --out d",
        "audit fetch --vkey-file f",
        "audit search --decision maybe",
        "audit search --from yesterday",
        "audit search --user jane",
        "audit search --all --limit 3",
        "audit reconcile --vkey-file k",
        "audit reconcile a --tiles d",
        "audit gaps d --receipts r",
        "audit export --out o",
        "audit trace --area CC01",
        "audit patterns",
        "audit patterns d --tiles e",
        "protocol explain --protocol isp-health",
        "protocol explain --table engagement",
        "protocol explain --type live_birth",
        "protocol explain --field outcome",
        "protocol explain --field birth.outcome",
        "protocol explain --type live_birth --protocol p --columns a --area CC01",
        "retention preview --on tomorrow",
        "retention prove --quarter 2026Q1 --day 2026-03-31",
        "protocol sign f --key k --party health --role boss",
        "keys new --purpose log --out d",
        "synth --place atlantis --out d",
    ] {
        let (code, out, err) = run_line(line);
        assert_eq!((code, out.as_str()), (2, ""), "{line}");
        assert!(!err.is_empty(), "{line}");
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let (code, out, err) = run_line("query --help");
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("Example"));
    let (code, out, _) = run_line("--version");
    assert_eq!(code, 0);
    assert!(out.starts_with("tallygate "));
}

#[test]
fn what_can_not_run_ends_with_two_and_one_sentence() {
    for (line, says) in [
        ("card --area CC01 --profile no-such-profile.toml", "can't read the profile"),
        ("partner add no-such-file.toml --profile p", "can't read no-such-file.toml"),
        ("area load no-such-file.toml --profile p", "can't read no-such-file.toml"),
        ("consent record no-such-file.csv --profile p", "can't read no-such-file.csv"),
        ("protocol submit no-such-file.json --profile p", "can't read no-such-file.json"),
        ("release verify no-such-file.json --key k", "can't read k"),
        ("audit verify tiles --vkey-file no-such-file", "can't read no-such-file"),
        ("synth --quarters 0 --out d", "the number of quarters must be"),
    ] {
        let (code, out, err) = run_line(line);
        assert_eq!((code, out.as_str()), (2, ""), "{line}: {err}");
        assert!(err.starts_with("tallygate: ") && err.contains(says), "{line}: {err}");
        assert_eq!(err.lines().count(), 1, "{line}: {err}");
    }
}
