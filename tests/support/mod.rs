//! One demo, made once and shared: most tests look at what it left behind, or start its
//! gateway again from a copy.

pub(crate) mod gateway;
pub(crate) mod postgres;
pub(crate) mod proxy;
pub(crate) mod stream;
pub(crate) mod words;

pub(crate) use postgres::told;

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

/// How large the shared demo is: all areas exist, some thousand records.
pub(crate) const SCALE: &str = "0.02";
/// People with words in their names that nobody else has.
pub(crate) const CANARIES: u16 = 50;
/// The seed of the shared demo's files.
pub(crate) const SEED: u64 = 7;

/// A finished demo.
pub(crate) struct Demo {
    pub(crate) dir: PathBuf,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
}

/// Runs the program.
pub(crate) fn tallygate<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tallygate"))
        .args(arguments)
        .env_remove("TALLYGATE_PROFILE")
        .env_remove("TALLYGATE_LOG")
        .output()
        .unwrap()
}

/// Standard output of a run that must end with `code`.
pub(crate) fn output(arguments: &[&str], code: i32) -> String {
    let done = tallygate(arguments);
    let text = String::from_utf8(done.stdout).unwrap();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(code), "{arguments:?}\n{text}\n{errors}");
    text
}

/// The shared demo, at debug level, with canaries.
pub(crate) fn demo() -> &'static Demo {
    static DEMO: OnceLock<Demo> = OnceLock::new();
    DEMO.get_or_init(|| demo_with("shared-demo", "hmac"))
}

/// The same files in a blinded deployment: all partners but the centres blind.
pub(crate) fn blinded_demo() -> &'static Demo {
    static DEMO: OnceLock<Demo> = OnceLock::new();
    DEMO.get_or_init(|| demo_with("blinded-demo", "oprf"))
}

fn demo_with(folder: &str, prf: &str) -> Demo {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let path = dir.to_str().unwrap().to_owned();
    let (canaries, seed) = (CANARIES.to_string(), SEED.to_string());
    let done = tallygate([
        "demo",
        "--dir",
        &path,
        "--scale",
        SCALE,
        "--seed",
        &seed,
        "--canaries",
        &canaries,
        "--pseudonym-prf",
        prf,
        "--log",
        "debug",
    ]);
    Demo {
        dir,
        stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
        code: done.status.code(),
    }
}

/// Copies a folder with everything in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}
