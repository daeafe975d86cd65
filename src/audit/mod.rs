//! The access log's writing side: leaves, tree, tiles, checkpoints and receipts.
//!
//! Why it exists: every act of the gateway becomes one leaf of an append-only Merkle log
//! that nobody, not even the authority, can rewrite unseen. This room is pure: no store, no
//! runtime, no clock. What it makes is checked by [`crate::verify`], which shares no code
//! with it.
//!
//! - [`leaf`]: what a leaf says, and its one canonical encoding (RFC 8785).
//! - [`detail`], [`item`]: the commitment to private details that live off the log, and
//!   what they are.
//! - [`tree`]: the append-only tree and its proofs (RFC 6962 §2.1).
//! - [`tile`]: files of the log on disk (C2SP tlog-tiles).
//! - [`note`]: signed checkpoints (C2SP signed-note, tlog-checkpoint).
//! - [`cosignature`]: what is asked of witnesses, and what of their answers is believed.
//! - [`receipt`]: what an answer carries to prove that it was logged.
//!
//! The tree's arithmetic is our own, not that of the crate `tlog_tiles`: that one addresses
//! single stored hashes and reads them one by one, panics where a reader returns too few,
//! and writes Go's older tile paths. Here a batch's receipts come from the tiles that the
//! batch itself touched, without a read. Both agree on the published vectors.

pub mod cosignature;
pub mod detail;
pub mod error;
pub mod hash;
pub mod item;
pub mod leaf;
mod leaf_form;
pub mod note;
pub mod receipt;
pub mod tile;
pub mod tree;
pub mod words;

pub use cosignature::{BadWitnessKey, Cosignature, WitnessKey};
pub use detail::{Detail, KeptDetail, Opening, Slot};
pub use error::AuditError;
pub use hash::{Hash, leaf_hash, node_hash};
pub use item::Item;
pub use leaf::{
    Decision, EntryRange, Leaf, LeafKind, Notes, PreviousLog, ProtocolReference, SizeClass,
};
pub use note::{LogName, LogSigner};
pub use receipt::Receipt;
pub use tile::TileFile;
pub use tree::{Appended, Frontier, HashReader, NewHash, Tile, TileId, TileSet};
pub use words::{Code, Token, UserPseudonym};

#[cfg(test)]
mod tests;
