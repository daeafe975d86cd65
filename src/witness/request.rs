//! The body of `add-checkpoint`, read strictly: `old <size>`, up to 63 hashes in base64, an
//! empty line, and the checkpoint as a signed note.

use crate::verify::proof::Sha;
use base64::{Engine, engine::general_purpose::STANDARD};

/// The most hashes of a consistency proof that the standard allows.
pub const MOST_HASHES: usize = 63;

/// The body is not what the standard says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the body of an add-checkpoint request")]
pub struct Malformed;

/// What is asked of the witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// The size that the witness is thought to have seen last.
    pub old: u64,
    /// The proof that the checkpoint continues the tree of that size.
    pub proof: Vec<Sha>,
    /// The signed checkpoint, not looked at yet.
    pub note: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// [`Malformed`] for anything but the one spelling.
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        // No line of the head can be empty, so the first empty line ends it.
        let end = body.windows(2).position(|pair| pair == b"\n\n").ok_or(Malformed)?;
        let (head, note) = body.split_at_checked(end + 2).ok_or(Malformed)?;
        let head = std::str::from_utf8(head).map_err(|_| Malformed)?;
        let mut lines = head.trim_end_matches('\n').split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old = old.and_then(size).ok_or(Malformed)?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == MOST_HASHES {
                return Err(Malformed);
            }
            let hash = STANDARD.decode(line).map_err(|_| Malformed)?;
            proof.push(hash.try_into().map_err(|_| Malformed)?);
        }
        if note.is_empty() { Err(Malformed) } else { Ok(Self { old, proof, note }) }
    }
}

/// A decimal number without sign and leading zeros.
fn size(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hash(byte: u8) -> String {
        STANDARD.encode([byte; 32])
    }

    #[test]
    fn the_standards_form_is_read() {
        let body = format!("old 20852014\n{}\n{}\n\nnote\n\nrest\n", hash(1), hash(2));
        let read = Request::parse(body.as_bytes()).unwrap();
        assert_eq!((read.old, read.proof), (20_852_014, vec![[1; 32], [2; 32]]));
        assert_eq!(read.note, b"note\n\nrest\n");
        let most = format!("old 1\n{}\nnote\n", format!("{}\n", hash(3)).repeat(MOST_HASHES));
        assert_eq!(Request::parse(most.as_bytes()).unwrap().proof.len(), MOST_HASHES);
    }

    #[test]
    fn every_other_form_is_malformed() {
        let many = format!("old 1\n{}\nnote\n", format!("{}\n", hash(3)).repeat(MOST_HASHES + 1));
        let one = hash(1);
        for body in [
            "",
            "\n\n",
            "old 1\n",
            "old 1\n\n",
            "old 1\nnote\n",
            "old\n\nnote\n",
            "old \n\nnote\n",
            "old 01\n\nnote\n",
            "old +1\n\nnote\n",
            "old -1\n\nnote\n",
            "old 1 \n\nnote\n",
            "old  1\n\nnote\n",
            "OLD 1\n\nnote\n",
            "old 18446744073709551616\n\nnote\n",
            "old 1\r\n\r\nnote\r\n",
            "old 1\nAAAA\n\nnote\n",
            &format!("old 1\n{}\n\nnote\n", &one[..43]),
            &format!("old 1\n{one} \n\nnote\n"),
            &format!("{one}\n\nnote\n"),
            &many,
        ] {
            assert_eq!(Request::parse(body.as_bytes()), Err(Malformed), "{body:?}");
        }
        assert_eq!(Request::parse(b"old 1\n\xff\n\nnote\n"), Err(Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Request::parse(&body);
        }

        #[test]
        fn what_is_written_is_read(
            old in any::<u64>(),
            proof in prop::collection::vec(any::<[u8; 32]>(), 0..=MOST_HASHES),
            note in prop::collection::vec(any::<u8>(), 1..200),
        ) {
            let lines: String =
                proof.iter().map(|hash| format!("{}\n", STANDARD.encode(hash))).collect();
            let body = [format!("old {old}\n{lines}\n").as_bytes(), &note].concat();
            let read = Request::parse(&body).unwrap();
            prop_assert_eq!((read.old, read.proof, read.note), (old, proof, &note[..]));
        }
    }
}
