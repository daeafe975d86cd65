//! Reading signed checkpoints strictly (C2SP signed-note 1.0.0, tlog-checkpoint 1.0.0).
//!
//! Strictly means that one checkpoint has one spelling: canonical base64, a size without
//! leading zeros, no extension lines, no carriage returns, nothing after the signatures. What
//! is wrong is named by its line.

use super::proof::Sha;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use std::str::FromStr;

/// signed-note's type of an Ed25519 signature.
const TYPE_ED25519: u8 = 1;
/// A checkpoint beyond this many bytes is refused unread.
pub const MAX_NOTE_BYTES: usize = 64 * 1024;

/// What is wrong with a note or a key, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteProblem {
    /// The verifier key is not `name+id+base64` with a matching id.
    #[error(
        "not a verifier key: it must read name+8 hex digits+base64, the id being that of the key"
    )]
    BadVerifierKey,
    /// The note is not UTF-8, has control characters, or is far too long.
    #[error("line {line}: not the text of a signed note")]
    NotText {
        /// Counted from 1.
        line: usize,
    },
    /// The first line is not the name of the verifier key.
    #[error("line 1: the origin is not the log that this key belongs to")]
    WrongOrigin,
    /// The second line is not a size.
    #[error("line 2: not a tree size (digits without leading zeros)")]
    BadSize,
    /// The third line is not a root hash.
    #[error("line 3: not a root hash (32 bytes in canonical base64)")]
    BadRoot,
    /// The text has more than origin, size and root.
    #[error("line {line}: a checkpoint has no extension lines")]
    ExtraLine {
        /// Counted from 1.
        line: usize,
    },
    /// The note stops before its signatures.
    #[error("line {line}: the note ends too early")]
    Truncated {
        /// Counted from 1.
        line: usize,
    },
    /// A line after the text is not a signature line.
    #[error("line {line}: not a signature line")]
    BadSignatureLine {
        /// Counted from 1.
        line: usize,
    },
    /// A signature is by a key that was not given.
    #[error("line {line}: signed by a key that is not the log's")]
    UnknownSigner {
        /// Counted from 1.
        line: usize,
    },
    /// The log's key signed twice.
    #[error("line {line}: a second signature by the log's key")]
    SecondSignature {
        /// Counted from 1.
        line: usize,
    },
    /// The log's signature does not fit the text.
    #[error("line {line}: the signature does not fit lines 1 to 3")]
    BadSignature {
        /// Counted from 1.
        line: usize,
    },
}

impl NoteProblem {
    /// The line it is on, from 1; `None` for a key.
    #[must_use]
    pub const fn line(self) -> Option<usize> {
        match self {
            Self::BadVerifierKey => None,
            Self::WrongOrigin => Some(1),
            Self::BadSize => Some(2),
            Self::BadRoot => Some(3),
            Self::NotText { line }
            | Self::ExtraLine { line }
            | Self::Truncated { line }
            | Self::BadSignatureLine { line }
            | Self::UnknownSigner { line }
            | Self::SecondSignature { line }
            | Self::BadSignature { line } => Some(line),
        }
    }
}

/// A log's verifier key; auditors have it out of band.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    public_key: [u8; 32],
}

impl VerifierKey {
    /// The log's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same key for a log of another name: of another year.
    ///
    /// # Errors
    /// When the name can't be a log's.
    pub fn named(&self, name: &str) -> Result<Self, NoteProblem> {
        let mut key = vec![TYPE_ED25519];
        key.extend_from_slice(&self.public_key);
        let digest =
            Sha256::new_with_prefix(name).chain_update(b"\n").chain_update(&key).finalize();
        format!("{name}+{}+{}", hex::encode(&digest[..4]), STANDARD.encode(key)).parse()
    }
}

impl FromStr for VerifierKey {
    type Err = NoteProblem;

    /// Reads `name+hex(id)+base64(type || public key)`; a line break at the end is allowed.
    fn from_str(text: &str) -> Result<Self, NoteProblem> {
        let parse = || {
            let mut parts = text.strip_suffix('\n').unwrap_or(text).splitn(3, '+');
            let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
            let key = STANDARD.decode(key).ok()?;
            let (kind, public_key) = key.split_first()?;
            let public_key: [u8; 32] = public_key.try_into().ok()?;
            let is_name =
                !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control());
            let digest =
                Sha256::new_with_prefix(name).chain_update(b"\n").chain_update(&key).finalize();
            let fits = is_name && *kind == TYPE_ED25519 && hex::encode(&digest[..4]) == id;
            let id = [digest[0], digest[1], digest[2], digest[3]];
            fits.then(|| Self { name: name.to_owned(), id, public_key })
        };
        parse().ok_or(NoteProblem::BadVerifierKey)
    }
}

/// What a checkpoint says: the tree's size and root. Whether it is signed is told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The root of their tree.
    pub root: Sha,
}

/// A signature line: where, by whom, and its bytes behind the key id.
pub(super) struct SignatureLine<'a> {
    pub(super) line: usize,
    pub(super) name: &'a str,
    pub(super) key_id: [u8; 4],
    pub(super) signature: Vec<u8>,
}

impl SignatureLine<'_> {
    /// Whether it has the length of a cosignature: a time (8 bytes) and an Ed25519 signature.
    fn is_dated(&self) -> bool {
        self.signature.len() == 8 + 64
    }
}

/// A checkpoint read but not yet trusted.
pub struct OpenedNote<'a> {
    /// What it claims.
    pub checkpoint: Checkpoint,
    pub(super) text: &'a str,
    pub(super) signatures: Vec<SignatureLine<'a>>,
}

/// Reads a checkpoint's form, whosever it is.
///
/// # Errors
/// The first line that is not as the standard says.
pub fn read(note: &[u8]) -> Result<OpenedNote<'_>, NoteProblem> {
    let note = readable(note)?;
    parse(note, &note.split('\n').collect::<Vec<_>>(), false)
}

/// The same of any log's checkpoint (C2SP tlog-checkpoint), which may have extension lines
/// below its root: they are signed with the rest and nothing is read out of them. Our own logs
/// have none.
///
/// # Errors
/// The first line that is not as the standard says.
pub fn read_any(note: &[u8]) -> Result<OpenedNote<'_>, NoteProblem> {
    let note = readable(note)?;
    parse(note, &note.split('\n').collect::<Vec<_>>(), true)
}

/// Reads a checkpoint's form. The key is looked at only to name the first line where that
/// is what went wrong; see [`OpenedNote::problems`] for the signatures.
///
/// # Errors
/// The first line that is not as the standard says.
pub fn open<'a>(note: &'a [u8], key: &VerifierKey) -> Result<OpenedNote<'a>, NoteProblem> {
    let note = readable(note)?;
    let lines: Vec<&str> = note.split('\n').collect();
    parse(note, &lines, false).map_err(|problem| {
        let foreign = lines.first() != Some(&key.name.as_str());
        if foreign { NoteProblem::WrongOrigin } else { problem }
    })
}

fn parse<'a>(
    note: &'a str,
    lines: &[&'a str],
    extensions: bool,
) -> Result<OpenedNote<'a>, NoteProblem> {
    let line = |n: usize| lines.get(n - 1).copied().ok_or(NoteProblem::Truncated { line: n });
    let checkpoint = Checkpoint {
        origin: line(1)?.to_owned(),
        size: size(line(2)?).ok_or(NoteProblem::BadSize)?,
        root: root(line(3)?).ok_or(NoteProblem::BadRoot)?,
    };
    let mut blank = 4;
    while !line(blank)?.is_empty() {
        if !extensions {
            return Err(NoteProblem::ExtraLine { line: blank });
        }
        blank += 1;
    }
    // The note ends with a line break, so the last piece is empty and no line.
    let end = lines.len();
    if end < blank + 2 || !line(end)?.is_empty() {
        return Err(NoteProblem::Truncated { line: end });
    }
    let signatures = (blank + 1..end)
        .map(|n| signature_line(n, line(n)?).ok_or(NoteProblem::BadSignatureLine { line: n }))
        .collect::<Result<_, _>>()?;
    let text_bytes = lines[..blank - 1].iter().map(|line| line.len() + 1).sum();
    let text = note.get(..text_bytes).unwrap_or_default();
    Ok(OpenedNote { checkpoint, text, signatures })
}

/// The note as text: UTF-8 without control characters other than line breaks.
fn readable(note: &[u8]) -> Result<&str, NoteProblem> {
    let line_at = |offset: usize| 1 + note.iter().take(offset).filter(|b| **b == b'\n').count();
    if note.len() > MAX_NOTE_BYTES {
        return Err(NoteProblem::NotText { line: line_at(MAX_NOTE_BYTES) });
    }
    let text = std::str::from_utf8(note)
        .map_err(|error| NoteProblem::NotText { line: line_at(error.valid_up_to()) })?;
    match text.find(|c: char| c.is_control() && c != '\n') {
        Some(offset) => Err(NoteProblem::NotText { line: line_at(offset) }),
        None => Ok(text),
    }
}

/// No tree has more than 2^63 - 1 entries: what is beyond would only overflow somebody's sums.
fn size(line: &str) -> Option<u64> {
    let plain = line.bytes().all(|b| b.is_ascii_digit()) && (line == "0" || !line.starts_with('0'));
    line.parse().ok().filter(|size| plain && i64::try_from(*size).is_ok())
}

fn root(line: &str) -> Option<Sha> {
    STANDARD.decode(line).ok()?.try_into().ok()
}

pub(super) fn signature_line(number: usize, line: &str) -> Option<SignatureLine<'_>> {
    let (name, blob) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let blob = STANDARD.decode(blob).ok()?;
    let (key_id, signature) = blob.split_first_chunk::<4>()?;
    let is_name = !name.is_empty() && !name.contains('+') && !name.chars().any(char::is_whitespace);
    (is_name && !signature.is_empty()).then(|| SignatureLine {
        line: number,
        name,
        key_id: *key_id,
        signature: signature.to_vec(),
    })
}

impl<'a> OpenedNote<'a> {
    /// The signed lines: what stands before the signatures.
    #[must_use]
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// Whether one of these keys signed it, whoever else did: how a witness looks at it. A
    /// signature that is said to be by one of them and is not spoils the note.
    #[must_use]
    pub fn is_signed_by_any(&self, keys: &[VerifierKey]) -> bool {
        let mut signed = false;
        for SignatureLine { name, key_id, signature, .. } in &self.signatures {
            let named = keys.iter().find(|key| *name == key.name && *key_id == key.id);
            let Some(key) = named else { continue };
            let public_key = UnparsedPublicKey::new(&ED25519, key.public_key);
            if public_key.verify(self.text.as_bytes(), signature).is_err() {
                return false;
            }
            signed = true;
        }
        signed
    }

    /// Everything that speaks against this being a checkpoint signed by `key`; empty when
    /// nothing does. Lines of other names that are dated as cosignatures are may stand beside
    /// the log's own: who they are by is another question ([`super::cosignature`]).
    #[must_use]
    pub fn problems(&self, key: &VerifierKey) -> Vec<NoteProblem> {
        let mut problems = Vec::new();
        if self.checkpoint.origin != key.name {
            problems.push(NoteProblem::WrongOrigin);
        }
        let is_own = |line: &SignatureLine<'_>| line.name == key.name && line.key_id == key.id;
        let has_own = self.signatures.iter().any(is_own);
        let mut signed = false;
        for each in &self.signatures {
            let SignatureLine { line, name, key_id, signature } = each;
            let line = *line;
            if has_own && *name != key.name && each.is_dated() {
                continue;
            }
            if *name != key.name || *key_id != key.id {
                problems.push(NoteProblem::UnknownSigner { line });
            } else if signed {
                problems.push(NoteProblem::SecondSignature { line });
            } else {
                signed = true;
                let public_key = UnparsedPublicKey::new(&ED25519, key.public_key);
                if public_key.verify(self.text.as_bytes(), signature).is_err() {
                    problems.push(NoteProblem::BadSignature { line });
                }
            }
        }
        problems
    }
}

/// The checkpoint, once its form and the log's signature are right.
///
/// # Errors
/// The first problem found.
pub fn verify_checkpoint(note: &[u8], key: &VerifierKey) -> Result<Checkpoint, NoteProblem> {
    let opened = open(note, key)?;
    match opened.problems(key).first() {
        Some(problem) => Err(*problem),
        None => Ok(opened.checkpoint),
    }
}
