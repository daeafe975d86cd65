//! `tallygate backup`: the whole database as one file, while the gateway goes on.

use super::{
    CliError, Console, Outcome,
    migrate::read_config,
    output::{Printing, Record},
    text::counted,
};
use crate::{
    config::Config,
    store::{
        Store,
        backup::{self, Contents},
    },
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

const HELP: &str = "\
One consistent state of every table, whatever is written meanwhile: on SQLite beside the running
gateway, on PostgreSQL as database.owner. A backup of either engine can be restored into the other.

Keys are NOT in it, and without them nobody can use it, you included: keep copies of the files that
the configuration names (master keys, log key, release key) apart from the backups. The file itself
is as sensitive as the database; it is written for its owner alone.

Example:
  tallygate backup --config gateway.toml --out tallygate-2026-03-31.backup";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Backup {
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The file to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    printing: Printing,
}

impl Backup {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let config = read_config(&self.config)?;
        let unwritable = |source| CliError::Unwritable { path: self.out.clone(), source };
        let draft = Draft::begin(&self.out).map_err(unwritable)?;
        let store =
            Store::open_to_read(&config.owner).await.map_err(|error| failed(error.into()))?;
        let written = backup::backup(&store, BufWriter::with_capacity(1 << 20, &draft.file)).await;
        store.close().await;
        let (contents, bytes) = written.map_err(|error| failed(error.into()))?;
        draft.keep(&self.out).map_err(unwritable)?;
        console.record(self.printing.format, &record(&contents).with("bytes", bytes))?;
        console.note(&format!(
            "{} written; keys are not in it: keep copies of {} apart",
            counted(contents.rows(), "row", "rows"),
            key_files(&config),
        ));
        Ok(Outcome::Done)
    }
}

fn failed(source: Box<dyn std::error::Error + Send + Sync>) -> CliError {
    CliError::Failed { act: "back the database up", source }
}

/// The key files that an archive is of no use without.
pub(super) fn key_files(config: &Config) -> String {
    let files = [config.master_keys.path(), &config.log_key, &config.release_key];
    files.map(|path| path.display().to_string()).join(", ")
}

/// What an archive holds, for people and for scripts.
pub(super) fn record(contents: &Contents) -> Record {
    let tables: Vec<String> =
        contents.tables.iter().map(|(table, rows)| format!("{rows} {table}")).collect();
    Record::default()
        .with("rows", contents.rows())
        .with("tables", tables)
        .with("log_entries", contents.log.as_ref().map_or(0, |log| log.size))
        .with("log_root", contents.log.as_ref().map(|log| log.root.clone()))
        .with("sha256", hex::encode(contents.digest))
}

/// A file under a temporary name, gone unless it is kept.
struct Draft {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl Draft {
    fn begin(out: &Path) -> io::Result<Self> {
        if out.try_exists()? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut path = out.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        // What a broken run left is of no use to anyone.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        // The mode above is cut by the umask; this one is exact.
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        Ok(Self { path, file, kept: false })
    }

    /// Puts it in its place once it is on disk; another file there is not replaced.
    fn keep(mut self, out: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        // A link, unlike a rename, refuses an existing name.
        match fs::hard_link(&self.path, out) {
            Ok(()) => fs::remove_file(&self.path)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) => fs::rename(&self.path, out)?,
        }
        self.kept = true;
        let folder = out.parent().filter(|path| !path.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_draft_is_its_owners_alone_and_is_kept_or_gone() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("a.backup");
        drop(Draft::begin(&out).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut draft = Draft::begin(&out).unwrap();
        draft.file.write_all(b"x").unwrap();
        draft.keep(&out).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(Draft::begin(&out).is_err(), "an existing backup is not replaced");
    }
}
