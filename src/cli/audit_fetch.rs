//! `tallygate audit fetch`: a mirror of the log, brought up to date and verified on the way.
//!
//! The gateway sends entries; every tile and the root are computed here, and what it signed
//! must be what was computed. What the mirror held before must be the beginning of what is
//! shown now: a log that was rolled back or forked is refused, and both signed checkpoints are
//! kept beside the mirror, for they are the proof.

use super::{
    CliError, Console, Outcome,
    audit::client,
    audit_proof::read_key,
    audit_verify::{cosigned_by, moment, read_witness_key},
    mirror::{Mirror, MirrorRefused},
    output::{Printing, Record},
    remote::{Remote, Session, present},
};
use crate::{
    verify::{Cosigned, Directory, VerifierKey, WitnessKey, proof::Sha, verify_log},
    wire::v1::{self, read_entries_response::Message},
};
use indicatif::ProgressBar;
use std::path::PathBuf;

const HELP: &str = "\
DIR is a folder in the C2SP tlog-tiles layout, for `audit verify` and any tool that reads it, one
for each year's log: the key names which. It is made when it is not there; from then on only what
is new is fetched, and a fetch that was interrupted goes on where it was. DIR verifies at every
moment. A log that was rolled back or forked is refused with exit code 1, and both checkpoints are
kept in DIR.evidence.

Given --witness-vkey-file, the mirror is of the log as it was last published: whoever was shown
another one than the witnesses is told so (exit code 1).

A mirror found damaged is made anew, and the damaged one kept as DIR.damaged-1. Lost files are
found each time, altered ones with --recheck.

Examples:
  tallygate audit fetch --out mirror --vkey-file log.vkey --profile auditor.toml
  tallygate audit fetch --out mirror --vkey-file log.vkey --recheck --profile auditor.toml
  tallygate audit fetch --out m --vkey-file log.vkey --witness-vkey-file o.vkey --profile a.toml";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Fetch {
    /// The mirror's folder.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The log's verifier key, which you hold from elsewhere.
    #[arg(long, value_name = "FILE")]
    vkey_file: PathBuf,
    /// The verifier key of a witness that must have cosigned what is fetched.
    #[arg(long, value_name = "FILE")]
    witness_vkey_file: Vec<PathBuf>,
    /// Verify the whole mirror before anything is fetched.
    #[arg(long)]
    recheck: bool,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

/// What the gateway showed that was refused, and the checkpoint that came with it.
struct Refusal {
    refused: MirrorRefused,
    note: String,
}

impl Fetch {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let key = read_key(&self.vkey_file)?;
        let witnesses: Vec<WitnessKey> = self
            .witness_vkey_file
            .iter()
            .map(|path| read_witness_key(path))
            .collect::<Result<_, _>>()?;
        let mut mirror = Mirror::open(&self.out, key.clone())?;
        let whole = mirror.has_every_file() && (!self.recheck || self.is_whole(&mirror, &key)?);
        if !whole {
            anew(&mut mirror, console)?;
        }
        let before = mirror.held_size();
        let session = self.remote.open().await?;
        let mut tried_again = false;
        loop {
            let published = !witnesses.is_empty();
            let fetched = fetch(&session, &mut mirror, published, console).await?;
            let Err(Refusal { refused, note }) = fetched else {
                break;
            };
            // What an interrupted fetch had left may be what does not fit, and is removed by now.
            if refused == MirrorRefused::RootDiffers && mirror.reused() > 0 && !tried_again {
                console.note("what an interrupted fetch had left does not fit: fetching it again");
                tried_again = true;
                continue;
            }
            console.note(&format!("FAILED: {refused}"));
            if !matches!(refused, MirrorRefused::NotSigned(_)) {
                let folder = mirror.keep_evidence(&note)?;
                console.note(&format!("the signed checkpoints are kept in {}", folder.display()));
            }
            console.note("the mirror is as it was");
            return Ok(Outcome::WithFindings);
        }
        let record = Record::default()
            .with("mirror", self.out.display().to_string())
            .with("log", key.name())
            .with("entries_before", before)
            .with("entries", mirror.held_size())
            .with("bundles_reused", mirror.reused());
        console.record(self.printing.format, &record)?;
        Ok(Outcome::findings(!self.is_cosigned(&witnesses, console)))
    }

    /// Whether every witness asked for has cosigned what the mirror now is.
    fn is_cosigned(&self, witnesses: &[WitnessKey], console: &mut Console<'_>) -> bool {
        let cosigned = cosigned_by(&self.out, witnesses);
        for Cosigned { witness, at, .. } in &cosigned {
            console.note(&match at {
                Some(at) => format!("cosigned by {witness} at {}", moment(*at)),
                None => format!("FAILED: not cosigned by {witness}: fetch again after a tick"),
            });
        }
        cosigned.iter().all(|one| one.at.is_some())
    }

    /// Whether the mirror as it is recomputes; one that is not there yet has nothing wrong.
    fn is_whole(&self, mirror: &Mirror, key: &VerifierKey) -> Result<bool, CliError> {
        if mirror.held_size() == 0 {
            return Ok(true);
        }
        let report = verify_log(&Directory::new(&self.out), key);
        let unreadable = |source: crate::verify::SourceError| CliError::Failed {
            act: "read the mirror",
            source: source.into(),
        };
        Ok(report.map_err(unreadable)?.is_whole())
    }
}

fn anew(mirror: &mut Mirror, console: &mut Console<'_>) -> Result<(), CliError> {
    console.note("the mirror is damaged: it is made anew, and the damaged one kept beside it");
    mirror.begin_anew()
}

/// One fetch, up to the log's head.
async fn fetch(
    session: &Session,
    mirror: &mut Mirror,
    published: bool,
    console: &mut Console<'_>,
) -> Result<Result<(), Refusal>, CliError> {
    let next = match mirror.begin()? {
        Some(next) => next,
        None => {
            anew(mirror, console)?;
            mirror.begin()?.unwrap_or(0)
        }
    };
    let from_index = next * 256;
    // The log that the key is for: one of an earlier year is fetched to its end.
    let (known_size, origin) = (mirror.held_size(), mirror.log().to_owned());
    let request = v1::ReadEntriesRequest { from_index, known_size, origin, published };
    let mut answers = client(session).read_entries(request).await?.into_inner();
    let Some(Message::Opened(opened)) = answers.message().await?.and_then(|answer| answer.message)
    else {
        return Err(CliError::AnswerIncomplete { part: "opening" });
    };
    session.logged(console, opened.receipt)?;
    let note = opened.checkpoint;
    let proof: Option<Vec<Sha>> =
        opened.consistency.iter().map(|hash| hash.as_slice().try_into().ok()).collect();
    let proof = present(proof, "consistency proof")?;
    let size = match mirror.offer(&note, &proof)? {
        Ok(size) => size,
        Err(refused) => return Ok(Err(Refusal { refused, note })),
    };
    let bar = console.progress(size).with_message("entries");
    bar.set_position(from_index.min(size));
    let taken = take_all(&mut answers, mirror, &bar).await;
    bar.finish_and_clear();
    let receipt = match taken {
        Ok(Ok(receipt)) => receipt,
        Ok(Err(refused)) => return Ok(Err(Refusal { refused, note })),
        Err(error) => {
            console.note("what was fetched is kept: run the same command to go on");
            return Err(error);
        }
    };
    session.logged(console, receipt)?;
    Ok(mirror.finish()?.map_err(|refused| Refusal { refused, note }))
}

/// Takes every bundle; gives the receipt of the stream's end.
async fn take_all(
    answers: &mut tonic::Streaming<v1::ReadEntriesResponse>,
    mirror: &mut Mirror,
    bar: &ProgressBar,
) -> Result<Result<Option<v1::Receipt>, MirrorRefused>, CliError> {
    loop {
        let answer = answers.message().await?.ok_or(CliError::BrokenOff)?;
        match present(answer.message, "message")? {
            Message::Bundle(bundle) => {
                let width = usize::try_from(bundle.width).unwrap_or(usize::MAX);
                if let Err(refused) = mirror.take(bundle.index, width, &bundle.entries)? {
                    return Ok(Err(refused));
                }
                bar.set_position(mirror.taken());
            }
            Message::Closed(closed) => return Ok(Ok(closed.receipt)),
            Message::Opened(_) => return Err(CliError::AnswerIncomplete { part: "order" }),
        }
    }
}
