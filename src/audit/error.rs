//! What can go wrong while writing the log. Never holds what was submitted.

/// Errors of the log's writing side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// A word of a leaf broke its rule.
    #[error("not a word a leaf may hold: {rule}")]
    InvalidWord {
        /// The rule it broke.
        rule: &'static str,
    },
    /// A number is beyond what JSON carries exactly (2^53 - 1).
    #[error("the number in leaf field {field} is beyond 2^53 - 1")]
    NumberTooLarge {
        /// The leaf's field.
        field: &'static str,
    },
    /// An entry is longer than the two length bytes of an entry bundle can say.
    #[error("a log entry is longer than 65535 bytes")]
    EntryTooLong,
    /// The leaf could not be written as JSON.
    #[error("the leaf could not be encoded")]
    NotEncodable,
    /// Bytes are not a leaf: not JSON, unknown or missing field, unknown kind or version.
    #[error("not a leaf of a known form")]
    NotALeaf,
    /// Bytes are a leaf, but not in its one canonical form.
    #[error("a leaf that is not in canonical form (RFC 8785)")]
    NotCanonical,
    /// The tree would grow beyond 2^63 - 1 leaves, or a proof asks for more leaves than there are.
    #[error("beyond the size of the tree")]
    BeyondTree,
    /// A tile was given too few or too many hashes.
    #[error("a tile of level {level} has the wrong number of hashes")]
    TileWidth {
        /// The tile's level.
        level: u8,
    },
    /// A reader did not have a hash that a proof needs.
    #[error("the hash of the subtree at height {height}, number {index}, is missing")]
    MissingHash {
        /// Height above the leaves.
        height: u8,
        /// Number of the subtree at that height, from the left.
        index: u64,
    },
    /// Stored frontier bytes are not a frontier.
    #[error("stored frontier bytes are damaged")]
    DamagedFrontier,
    /// The log's signing key is not a usable Ed25519 key.
    #[error("the log's signing key is not a usable Ed25519 key")]
    KeyRejected,
}
