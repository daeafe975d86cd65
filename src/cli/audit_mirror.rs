//! A mirrored log as the auditor's commands find it: a folder, believed only as far as it was
//! verified; and the entries that the gateway gives instead.

use super::{
    CliError, Console,
    audit::{Client, MAX_PAGE},
    audit_proof::read_key,
    remote::Session,
};
use crate::{
    verify::{
        Directory, Report, VerifierKey,
        entries::{Entries, EntriesError},
        leaf::{self, Leaf},
        verify_log_on,
    },
    wire::v1,
};
use std::{path::PathBuf, thread};

/// The flag of commands that read a mirror's entries.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct VerifyFirst {
    /// Verify the mirror first, with the log's verifier key; else its files are believed
    #[arg(long, value_name = "FILE")]
    vkey_file: Option<PathBuf>,
}

impl VerifyFirst {
    /// Whether the mirror may be read: it is sound, or nobody asked.
    ///
    /// # Errors
    /// When key or mirror can't be read.
    pub(super) fn allows(
        &self,
        mirror: &Directory,
        console: &mut Console<'_>,
    ) -> Result<bool, CliError> {
        let Some(path) = &self.vkey_file else {
            console.note("the mirror is not verified here: give --vkey-file FILE, or see verify");
            return Ok(true);
        };
        let report = verify_mirror(mirror, &read_key(path)?, console)?;
        if !report.is_whole() {
            console.note("FAILED: the mirror is not sound; tallygate audit verify says where");
        }
        Ok(report.is_whole())
    }
}

/// Verifies a mirror on every core, with a progress bar.
///
/// # Errors
/// When it can't be read.
pub(super) fn verify_mirror(
    mirror: &Directory,
    key: &VerifierKey,
    console: &Console<'_>,
) -> Result<Report, CliError> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let bar = console.progress(0);
    bar.set_message("verifying");
    let report = verify_log_on(mirror, key, threads, &mut |done, size| {
        bar.set_length(size);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    report.map_err(|source| CliError::Failed { act: "read the log", source: source.into() })
}

/// Why entries could not be read.
pub(super) fn unread(source: EntriesError) -> CliError {
    CliError::Failed { act: "read the log", source: source.into() }
}

/// Opens a mirror's entries.
///
/// # Errors
/// When it is none.
pub(super) fn entries(mirror: &Directory) -> Result<Entries<'_, Directory>, CliError> {
    Entries::open(mirror).map_err(unread)
}

/// What an entry from the gateway says, read by the auditor's own code.
///
/// # Errors
/// When it is no leaf.
pub(super) fn read_leaf<'e>(
    entry: &'e v1::LogEntry,
    scratch: &mut Vec<u8>,
) -> Result<Leaf<'e>, CliError> {
    let index = entry.index;
    leaf::read(&entry.leaf, scratch)
        .map_err(|problem| unread(EntriesError::NotALeaf { index, problem }))
}

/// Every entry that the gateway finds, the latest first.
///
/// # Errors
/// When the gateway refuses.
pub(super) async fn search_all(
    session: &Session,
    client: &mut Client,
    mut request: v1::SearchEntriesRequest,
    console: &mut Console<'_>,
) -> Result<Vec<v1::LogEntry>, CliError> {
    let mut entries = Vec::new();
    request.page_size = MAX_PAGE;
    loop {
        let answer = client.search_entries(request.clone()).await?.into_inner();
        session.logged(console, answer.receipt)?;
        entries.extend(answer.entries);
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            return Ok(entries);
        }
    }
}
