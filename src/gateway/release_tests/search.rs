//! Searching everything that a gateway leaves behind for keys in any form.

use super::support::{Place, Town};
use crate::store::{Location, Store, backup, faults::world::postgres::Cluster};
use aho_corasick::AhoCorasick;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};
use tracing_subscriber::fmt::MakeWriter;

/// The forms in which sixteen bytes may stand in a file: raw, in hexadecimal of either case, and
/// in base64 of either alphabet, wherever within it they begin.
pub(super) fn forms(key: &[u8; 16]) -> Vec<Vec<u8>> {
    let mut forms = vec![key.to_vec(), hex::encode(key).into(), hex::encode_upper(key).into()];
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend(key);
        let text = STANDARD_NO_PAD.encode(&bytes);
        // Only the characters that hold bits of the key alone.
        let (first, last) = ((before * 8).div_ceil(6), (bytes.len() * 8) / 6);
        let text = &text[first..last];
        forms.push(text.into());
        forms.push(text.replace('+', "-").replace('/', "_").into());
    }
    forms
}

/// What the gateway writes about itself, at the finest level.
#[derive(Clone, Default)]
pub(super) struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Written {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&path, found),
            Ok(kind) if kind.is_file() => found.push(path),
            _ => {}
        }
    }
}

/// Where erased bytes could be.
pub(super) struct Ground {
    pub(super) cluster: Option<Cluster>,
    pub(super) log: Written,
}

impl Ground {
    pub(super) async fn place(&self) -> Place {
        match &self.cluster {
            None => Place::Sqlite,
            Some(cluster) => {
                let database = cluster.database(None).await;
                database.may_scrub().await;
                Place::Postgres(Box::new(database))
            }
        }
    }

    /// Scrubs as whoever may.
    pub(super) async fn scrub(&self, town: &Town) {
        let owner = Store::open(&town.owner).await;
        let done = match (&town.owner, owner) {
            (Location::Postgres(_), Ok(owner)) => owner.scrub().await.unwrap(),
            _ => town.gateway.store().scrub().await.unwrap(),
        };
        assert!(done.is_done(), "{done:?}");
    }

    /// Where and how many of these stand, in any form: every file of the database is searched, a
    /// backup made now, and what the gateway wrote about itself.
    pub(super) async fn found(&self, town: &Town, sought: &[[u8; 16]]) -> Found {
        // What is in memory alone is written, and statistics hold samples of what is there.
        if let Location::Postgres(_) = &town.owner {
            let owner = Store::open(&town.owner).await.unwrap();
            owner.settle_for_tests().await;
            owner.close().await;
        }
        let mut paths = Vec::new();
        files(town.dir.path(), &mut paths);
        if let Some(cluster) = &self.cluster {
            files(&cluster.folder.join("data"), &mut paths);
            assert!(paths.len() > 500, "the whole cluster is searched: {}", paths.len());
        }
        let is_log = |path: &Path| {
            let path = path.to_string_lossy();
            path.contains("/pg_wal/") || path.ends_with("-wal")
        };
        assert!(paths.iter().any(|path| is_log(path)), "the write-ahead log is searched");
        let mut archive = Vec::new();
        let owner = Store::open_to_read(&town.owner).await.unwrap();
        backup::backup(&owner, &mut archive).await.unwrap();
        owner.close().await;
        let written = self.log.0.lock().unwrap().clone();
        assert!(!written.is_empty(), "the gateway's log is searched");
        let needles: Vec<Vec<u8>> = sought.iter().flat_map(forms).collect();
        let search = AhoCorasick::new(&needles).unwrap();
        let each = needles.len() / sought.len();
        let look = |texts: &mut dyn Iterator<Item = Vec<u8>>| {
            let mut found = vec![false; sought.len()];
            for bytes in texts {
                for hit in search.find_overlapping_iter(&bytes) {
                    found[hit.pattern().as_usize() / each] = true;
                }
            }
            found.into_iter().filter(|found| *found).count()
        };
        // A file of a running server's may go while it is looked at.
        let read = |log: bool| {
            let of_kind = paths.iter().filter(move |path| is_log(path) == log);
            of_kind.filter_map(|path| fs::read(path).ok())
        };
        Found {
            database: look(&mut read(false)),
            ahead: look(&mut read(true)),
            backup: look(&mut std::iter::once(archive)),
            log: look(&mut std::iter::once(written)),
        }
    }
}

/// Where keys were found, and how many of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// In the database's files, the write-ahead log aside.
    pub(super) database: usize,
    /// In the write-ahead log.
    pub(super) ahead: usize,
    /// In a backup.
    pub(super) backup: usize,
    /// In what the gateway writes about itself.
    pub(super) log: usize,
}

pub(super) const NOWHERE: Found = Found { database: 0, ahead: 0, backup: 0, log: 0 };

impl Found {
    /// All four keys of a child are in the database, one way or the other, and in a backup.
    pub(super) fn is_all_there(self) -> bool {
        self.backup == 4 && self.database.max(self.ahead) == 4 && self.log == 0
    }
}

/// What is searched with is tried on what it must find.
pub(super) fn the_search_finds_every_form() {
    let key = [0x5A, 0xFF, 0x3E, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 0xFB, 0xFF];
    let search = AhoCorasick::new(forms(&key)).unwrap();
    for before in 0..3 {
        let mut text = vec![b'x'; before];
        text.extend(key);
        text.push(b'y');
        let lower = hex::encode(&text);
        let upper = hex::encode_upper(&text);
        let base64 = STANDARD_NO_PAD.encode(&text);
        let url = base64.replace('+', "-").replace('/', "_");
        for written in [text.clone(), lower.into(), upper.into(), base64.into(), url.into()] {
            assert!(search.is_match(&written));
        }
    }
}
