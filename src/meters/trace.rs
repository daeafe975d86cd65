//! By what a call is followed: an id of its own, and the trace that it belongs to (W3C Trace
//! Context, level 1).
//!
//! A trace's ids come over the wire. They are random numbers by their rule, so that one that does
//! not look so (not a letter among its hexadecimal digits: an NHS number behind zeros, a date) is
//! not taken, and the call begins a trace of its own. Nothing else of a caller's context is read:
//! `tracestate` and `baggage` are texts.

use std::{fmt, str::FromStr};

/// The header, in both directions.
pub const TRACEPARENT: &str = "traceparent";
/// The header and trailer in which a caller is told the id of its call.
pub const REQUEST_ID: &str = "x-request-id";

/// The id of one call: random, told to the caller and to the gateway's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(pub [u8; 16]);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace: [u8; 16],
    /// The span in it.
    pub span: [u8; 8],
    /// Whether whoever began it keeps it.
    pub sampled: bool,
}

/// A text was none, or does not look random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent of random ids")]
pub struct InvalidTrace;

impl FromStr for TraceParent {
    type Err = InvalidTrace;

    fn from_str(text: &str) -> Result<Self, InvalidTrace> {
        let mut parts = text.split('-');
        let mut part = |length: usize| {
            let part = parts.next().filter(|part| part.len() == length);
            let lower = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            part.filter(|part| part.chars().all(lower)).ok_or(InvalidTrace)
        };
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        if version != "00" || parts.next().is_some() || ![trace, span].into_iter().all(is_random) {
            return Err(InvalidTrace);
        }
        let mut read = Self { trace: [0; 16], span: [0; 8], sampled: false };
        let mut flag = [0; 1];
        hex::decode_to_slice(trace, &mut read.trace).map_err(|_| InvalidTrace)?;
        hex::decode_to_slice(span, &mut read.span).map_err(|_| InvalidTrace)?;
        hex::decode_to_slice(flags, &mut flag).map_err(|_| InvalidTrace)?;
        read.sampled = flag[0] & 1 == 1;
        Ok(read)
    }
}

/// Of random ids one in thousands has no letter; it loses its trace, and nothing else.
fn is_random(digits: &str) -> bool {
    digits.bytes().any(|digit| digit.is_ascii_alphabetic())
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.sampled);
        write!(f, "00-{}-{}-{flags:02x}", hex::encode(self.trace), hex::encode(self.span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_example_of_the_standard_is_read_and_written() {
        let read: TraceParent = GOOD.parse().unwrap();
        assert!(read.sampled);
        assert_eq!(read.to_string(), GOOD);
    }

    #[test]
    fn what_is_none_or_not_random_is_not_taken() {
        let wrong = [
            "".to_owned(),
            GOOD.replace("00-4b", "01-4b"),
            GOOD.replace("00-4b", "ff-4b"),
            GOOD.to_uppercase(),
            format!("{GOOD}-more"),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            // An identifier where an id should be.
            GOOD.replace(
                "4bf92f3577b34da6a3ce929d0e0e4736",
                &format!("{:0>32}", 9_990_000_018_u64),
            ),
            GOOD.replace("00f067aa0ba902b7", &format!("{:0>16}", 9_990_000_018_u64)),
            GOOD.replace("-01", "-xy"),
        ];
        for text in wrong {
            assert_eq!(text.parse::<TraceParent>(), Err(InvalidTrace), "{text}");
        }
    }
}
