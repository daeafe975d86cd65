//! `push --watch`: a folder into which extracts are put, nightly or otherwise.
//!
//! A file is pushed once two looks found it the same. It is moved only after its push came to an
//! end: a crash before that pushes it again, and the gateway recognises what it has. A connection
//! that broke leaves the file where it is, for the next look to go on with; what the gateway
//! refuses altogether stops the watch, since no other file would fare better.

use super::{Bar, Push, is_own, stopped, tell, today};
use crate::{
    cli::{CliError, Console, Outcome, remote::connect},
    connector::{Gateway, JournalError, PushError, PushOrder, PushReport, push},
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(5);

/// What is pushed: anything else in the folder is left alone.
const ENDINGS: [&str; 7] = ["csv", "txt", "tsv", "xlsx", "jsonl", "ndjson", "json"];

/// How large a file is, and when it was last written.
type Looks = (u64, Option<SystemTime>);

/// How a file looks now; `None` where there is none, or a link or folder.
fn looks_of(path: &Path) -> Option<Looks> {
    let metadata = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some((metadata.len(), metadata.modified().ok()))
}

struct Folder {
    root: PathBuf,
}

impl Folder {
    fn new(root: &Path) -> Result<Self, CliError> {
        for part in ["done", "failed", "receipts"] {
            let path = root.join(part);
            fs::create_dir_all(&path)
                .map_err(|source| CliError::Unreadable { path: path.clone(), source })?;
        }
        Ok(Self { root: root.to_owned() })
    }

    /// The files that may be pushed, in the order of their names.
    fn files(&self) -> io::Result<BTreeMap<PathBuf, Looks>> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let path = entry.path();
            let known = path.extension().and_then(|e| e.to_str()).is_some_and(|ending| {
                ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
            });
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            // One that was moved away meanwhile is none.
            if known
                && !hidden
                && let Some(looks) = looks_of(&path)
            {
                files.insert(path, looks);
            }
        }
        Ok(files)
    }

    /// A name in a part of the folder that is not taken.
    fn free(&self, part: &str, file: &Path) -> PathBuf {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let ending = file.extension().unwrap_or_default().to_string_lossy();
        let names = (1u32..).map(|number| match number {
            1 => format!("{stem}.{ending}"),
            _ => format!("{stem}.{number}.{ending}"),
        });
        let mut paths = names.map(|name| self.root.join(part).join(name));
        paths.find(|path| !path.exists()).unwrap_or_else(|| self.root.join(part))
    }

    fn put(&self, part: &str, file: &Path) -> Result<PathBuf, CliError> {
        let path = self.free(part, file);
        fs::rename(file, &path)
            .map_err(|source| CliError::Unreadable { path: path.clone(), source })?;
        Ok(path)
    }

    /// Puts a file that can't be used aside, with the reason beside it.
    fn fail(&self, file: &Path, reason: &str) -> Result<(), CliError> {
        let path = self.put("failed", file)?;
        let mut beside = path.into_os_string();
        beside.push(".reason.txt");
        let path = PathBuf::from(beside);
        fs::write(&path, format!("{reason}\n"))
            .map_err(|source| CliError::Unreadable { path, source })
    }
}

impl Push {
    pub(super) async fn watch_folder(
        &self,
        root: &Path,
        console: &mut Console<'_>,
    ) -> Result<Outcome, CliError> {
        let folder = Folder::new(root)?;
        let gateway = connect(self.profile.as_deref()).await?;
        let mut seen: BTreeMap<PathBuf, Looks> = BTreeMap::new();
        let mut rejects = false;
        loop {
            let unreadable = |source| CliError::Unreadable { path: root.to_owned(), source };
            let found = folder.files().map_err(unreadable)?;
            for (file, looks) in &found {
                if self.once || seen.get(file) == Some(looks) {
                    rejects |= !self.push_one(&folder, &gateway, (file, looks), console).await?;
                }
            }
            if self.once {
                return Ok(Outcome::findings(rejects));
            }
            seen = found;
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = tokio::signal::ctrl_c() => return Ok(Outcome::findings(rejects)),
            }
        }
    }

    /// Whether all of it was well-formed. A file that looks otherwise once it was pushed stays where
    /// it is: nobody has seen the rows that came meanwhile.
    async fn push_one(
        &self,
        folder: &Folder,
        gateway: &Gateway,
        (file, looks): (&Path, &Looks),
        console: &mut Console<'_>,
    ) -> Result<bool, CliError> {
        let rejects = {
            let mut name = file.file_stem().unwrap_or_default().to_owned();
            name.push("-rejects.csv");
            folder.root.join("failed").join(name)
        };
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let mut order = PushOrder {
            rejects: Some(rejects.clone()),
            receipts: Some(folder.root.join("receipts").join(format!("{stem}.json"))),
            resume: true,
            ..self.order(file, today(), self.blinding(gateway)?)?
        };
        let mut outcome = self.attempt(gateway, &order, console).await;
        // The file was replaced since, or the resume file is of no use: begin anew.
        if let Err(PushError::Journal(
            JournalError::FileChanged
            | JournalError::OtherPush
            | JournalError::OtherRejects
            | JournalError::Damaged { .. },
        )) = outcome
        {
            order.resume = false;
            outcome = self.attempt(gateway, &order, console).await;
        }
        match outcome {
            Ok(report) => {
                tell(&report, &order, console);
                for receipt in report.receipts() {
                    is_own(receipt, gateway.partner())?;
                }
                self.print(std::slice::from_ref(&report), console)?;
                if report.is_clean() {
                    // Only headings are in it.
                    let _ = fs::remove_file(&rejects);
                }
                if looks_of(file) != Some(*looks) {
                    let file = file.display();
                    console
                        .note(&format!("{file}: changed while it was pushed; push it once more"));
                    return Ok(false);
                }
                folder.put("done", file)?;
                Ok(report.is_clean())
            }
            Err(PushError::File { path, source }) if path == file => {
                console.note(&format!("{}: {source}", file.display()));
                folder.fail(file, &source.to_string())?;
                Ok(false)
            }
            Err(error @ PushError::Broken { .. }) if !self.once => {
                console.note(&format!("{}: {error}; the next look goes on", file.display()));
                Ok(true)
            }
            Err(error) => Err(stopped(file, error)),
        }
    }

    async fn attempt(
        &self,
        gateway: &Gateway,
        order: &PushOrder,
        console: &Console<'_>,
    ) -> Result<PushReport, PushError> {
        let mut bar = Bar(console.progress(0).with_message("opening"), 0);
        let outcome = push(gateway.service(), order, &mut bar).await;
        bar.0.finish_and_clear();
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_never_taken_twice_and_only_extracts_are_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path()).unwrap();
        for name in ["a.csv", "b.XLSX", ".hidden.csv", "a.csv.tallygate-resume", "note.pdf"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let names: Vec<_> = folder.files().unwrap().into_keys().collect();
        assert_eq!(names, [dir.path().join("a.csv"), dir.path().join("b.XLSX")]);
        folder.fail(&names[0], "one sentence").unwrap();
        fs::write(&names[0], "y").unwrap();
        folder.fail(&names[0], "another").unwrap();
        let failed = |name: &str| fs::read_to_string(dir.path().join("failed").join(name)).unwrap();
        assert_eq!((failed("a.csv"), failed("a.2.csv")), ("x".to_owned(), "y".to_owned()));
        assert_eq!(failed("a.csv.reason.txt"), "one sentence\n");
    }
}
