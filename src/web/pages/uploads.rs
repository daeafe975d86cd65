//! Files that browsers send: read from a form, and kept in memory between the check and the sending.
//!
//! Why in memory: a file holds identifiers and names as they are, and nothing of it may lie on a disk
//! in clear. It is kept for its sender alone, for a quarter of an hour, and wiped.

use super::Pages;
use crate::{
    audit::UserPseudonym,
    domain::{PartnerId, RecordType},
    files::{Kept, Mapping},
    gateway::Actor,
    identity::Secret,
};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The longest file, bytes; the connector sends longer ones.
pub(super) const MOST_BYTES: usize = 8 << 20;
/// The most files that are kept; the oldest makes room.
const MOST_KEPT: usize = 12;
/// Files that come in, or are checked or sent, at once: a workbook may unpack to some hundred MiB.
const AT_ONCE: usize = 2;
/// How long a file is kept.
const LIFE: Duration = Duration::from_mins(15);

/// A file between its check and its sending. No Debug: it holds values.
#[derive(Clone)]
pub(super) struct Upload {
    owner: (PartnerId, UserPseudonym),
    until: Timestamp,
    pub(super) bytes: Kept,
    pub(super) record_type: RecordType,
    pub(super) protocol: String,
    pub(super) extract_day: String,
    pub(super) mapping: Option<Arc<Mapping>>,
    /// Whether it was checked as it is, which comes before it is sent.
    pub(super) checked: bool,
    /// The rejected rows of its last check or sending, as CSV.
    pub(super) rejects: Kept,
    /// The receipts of its sending, as JSON.
    pub(super) receipts: Arc<str>,
}

impl Upload {
    /// What a form sent.
    pub(super) fn new(
        actor: &Actor,
        bytes: Vec<u8>,
        (record_type, protocol, extract_day): (RecordType, String, String),
    ) -> Self {
        Self {
            owner: (actor.partner.clone(), actor.user),
            until: Timestamp::UNIX_EPOCH,
            bytes: Kept::new(bytes),
            record_type,
            protocol,
            extract_day,
            mapping: None,
            checked: false,
            rejects: Kept::new(Vec::new()),
            receipts: Arc::from(""),
        }
    }
}

/// The files that are kept, by a name that only their sender's pages have.
pub(super) struct Uploads {
    kept: Mutex<HashMap<String, Upload>>,
    places: Arc<Semaphore>,
}

impl Default for Uploads {
    fn default() -> Self {
        Self { kept: Mutex::default(), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Uploads {
    /// A place to work on a file; `None` while all are taken. Whoever works keeps it, also when the
    /// browser has gone.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// A sender's own file.
    pub(super) fn find(&self, name: &str, actor: &Actor, now: Timestamp) -> Option<Upload> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(name)?;
        let (partner, user) = &found.owner;
        (*partner == actor.partner && *user == actor.user && now < found.until)
            .then(|| found.clone())
    }

    /// Lets a person's files go.
    pub(super) fn forget(&self, actor: &Actor) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, upload| upload.owner != (actor.partner.clone(), actor.user));
    }

    fn keep(&self, name: String, upload: Upload, now: Timestamp) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // One file a person: another one takes its place.
        kept.retain(|_, held| held.owner != upload.owner && now < held.until);
        if kept.len() >= MOST_KEPT {
            let oldest = kept.iter().min_by_key(|(_, held)| held.until).map(|(name, _)| name);
            let oldest = oldest.cloned();
            oldest.and_then(|name| kept.remove(&name));
        }
        kept.insert(name, upload);
    }

    fn let_go(&self, name: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(name);
    }
}

/// Keeps a file under a new name, and sees to it that it goes.
pub(super) fn keep(pages: &Arc<Pages>, mut upload: Upload) -> String {
    let now = pages.now();
    let name = Secret::draw(&mut *pages.rng()).expose().to_owned();
    let life = SignedDuration::try_from(LIFE).unwrap_or(SignedDuration::ZERO);
    upload.until = now.checked_add(life).unwrap_or(now);
    pages.uploads.keep(name.clone(), upload, now);
    let (pages, gone) = (Arc::downgrade(pages), name.clone());
    tokio::spawn(async move {
        tokio::time::sleep(LIFE).await;
        if let Some(pages) = pages.upgrade() {
            pages.uploads.let_go(&gone);
        }
    });
    name
}

/// One field of a form (RFC 7578).
pub(super) struct Part<'a> {
    pub(super) name: &'a str,
    pub(super) bytes: &'a [u8],
}

/// What separates a form's fields, of its content type.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, rest) = content_type.split_once(';')?;
    let boundary = rest.trim().strip_prefix("boundary=")?;
    let boundary = boundary.trim_matches('"');
    let fits = kind.trim().eq_ignore_ascii_case("multipart/form-data")
        && (1..=70).contains(&boundary.len());
    fits.then_some(boundary)
}

/// The fields of a form; `None` for what is none.
pub(super) fn parts<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<Part<'a>>> {
    let first = format!("--{boundary}\r\n");
    let next = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(first.as_bytes())?;
    let mut parts = Vec::new();
    loop {
        let blank = find(rest, b"\r\n\r\n")?;
        let headers = std::str::from_utf8(&rest[..blank]).ok()?;
        let value = &rest[blank + 4..];
        let end = find(value, next.as_bytes())?;
        let lines = headers.split("\r\n");
        let disposition = lines.into_iter().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-disposition").then(|| value.trim())
        })?;
        let named = disposition.strip_prefix("form-data; name=\"")?;
        parts.push(Part { name: named.split('"').next()?, bytes: &value[..end] });
        rest = &value[end + next.len()..];
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        rest = rest.strip_prefix(b"\r\n")?;
    }
}

fn find(within: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut at = 0;
    while let Some(next) = within.get(at..)?.iter().position(|byte| *byte == first) {
        at += next;
        if within[at..].starts_with(wanted) {
            return Some(at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browsers_form_is_read_and_nothing_else() {
        let body =
            b"--x1\r\nContent-Disposition: form-data; name=\"form\"\r\n\r\nsecret\r\n--x1\r\n\
            Content-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\
            Content-Type: text/csv\r\n\r\na,b\r\n1,2\r\n\r\n--x1--\r\n";
        let read = parts(body, "x1").unwrap();
        let read: Vec<(&str, &[u8])> = read.iter().map(|part| (part.name, part.bytes)).collect();
        assert_eq!(read, [("form", &b"secret"[..]), ("file", &b"a,b\r\n1,2\r\n"[..])]);
        for cut in 1..body.len() - 4 {
            assert!(parts(&body[..cut], "x1").is_none(), "{cut}");
        }
        assert!(parts(body, "x2").is_none() && parts(b"", "x1").is_none());
        assert_eq!(boundary("multipart/form-data; boundary=----W"), Some("----W"));
        for other in ["multipart/form-data", "text/plain; boundary=x", "multipart/form-data; a=b"] {
            assert_eq!(boundary(other), None, "{other}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_form_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = parts(&bytes, "x");
            let _ = parts(&[b"--x\r\n".as_slice(), &bytes].concat(), "x");
        }
    }
}
