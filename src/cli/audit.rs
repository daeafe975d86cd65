//! `tallygate audit`: who asked what, and whether the log still says what it said.

use super::{
    CliError, Console, Outcome,
    audit_erasures::Erasures,
    audit_evidence::VerifyEvidence,
    audit_export::{Export, VerifyProof},
    audit_fetch::Fetch,
    audit_gaps::Gaps,
    audit_open::Open,
    audit_patterns::Patterns,
    audit_proof::{Consistency, Prove},
    audit_reconcile::Reconcile,
    audit_search::Search,
    audit_trace::Trace,
    audit_verify::Verify,
    remote::{MAX_ANSWER_BYTES, Service, Session},
};
use crate::wire::v1::access_log_service_client::AccessLogServiceClient;
use clap::Subcommand;

pub(super) const EXAMPLES: &str = "\
Examples:
  tallygate audit search --area CC01 --decision refused --profile auditor.toml
  tallygate audit fetch --out mirror --vkey-file log.vkey --profile auditor.toml
  tallygate audit verify mirror --vkey-file log.vkey
  tallygate audit reconcile receipts --tiles mirror --vkey-file log.vkey --evidence evidence
  tallygate audit prove 1204 --vkey-file log.vkey --profile auditor.toml";

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Searches the log's entries, the latest first.
    Search(Search),
    /// Mirrors the log into a folder of tiles, and verifies it on the way.
    Fetch(Fetch),
    /// Recomputes a log from its tiles or its database, or checks receipts; 1 when one failed.
    Verify(Verify),
    /// Proves that an entry stands in the log.
    Prove(Prove),
    /// Proves that an earlier log is the beginning of a later one.
    Consistency(Consistency),
    /// Compares receipts with the log; one that the log denies is exported as evidence.
    Reconcile(Reconcile),
    /// Checks exported evidence of misbehaviour, with the verifier key alone.
    VerifyEvidence(VerifyEvidence),
    /// Checks the partners' own counters for gaps and repeats.
    Gaps(Gaps),
    /// Lists the daily entries of erasures, and the days without one.
    Erasures(Erasures),
    /// Writes entries with their proofs, in a form that other tools check (C2SP tlog-proof).
    Export(Export),
    /// Checks an exported proof, with its entry and the verifier key alone.
    VerifyProof(VerifyProof),
    /// Follows a figure back to its release, the protocols behind it and the batches.
    Trace(Trace),
    /// Lists what may be worth a look: refusals, volume, areas, hours, enumeration.
    Patterns(Patterns),
    /// Opens an item of an entry's private detail, and checks it; 1 when it failed.
    Open(Open),
}

pub(super) type Client = AccessLogServiceClient<Service>;

/// The most entries of one answer.
pub(super) const MAX_PAGE: u32 = 1_000;

pub(super) fn client(session: &Session) -> Client {
    Client::new(session.service()).max_decoding_message_size(MAX_ANSWER_BYTES)
}

impl AuditCommand {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        match self {
            Self::Search(search) => search.run(console).await,
            Self::Fetch(fetch) => fetch.run(console).await,
            Self::Verify(verify) => verify.run(console).await,
            Self::Prove(prove) => prove.run(console).await,
            Self::Consistency(consistency) => consistency.run(console).await,
            Self::Reconcile(reconcile) => reconcile.run(console).await,
            Self::VerifyEvidence(verify) => verify.run(console),
            Self::Gaps(gaps) => gaps.run(console),
            Self::Erasures(erasures) => erasures.run(console).await,
            Self::Export(export) => export.run(console).await,
            Self::VerifyProof(verify) => verify.run(console),
            Self::Trace(trace) => trace.run(console).await,
            Self::Patterns(patterns) => patterns.run(console),
            Self::Open(open) => open.run(console).await,
        }
    }
}
