//! What the keyed function gave.

use super::WholeInput;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

/// What the keyed function gave for one input: below the wrapping, transient, wiped when dropped. No
/// Debug, no way into the store but as a pseudonym or sealed.
pub struct PrfOutput {
    pub(super) bytes: Zeroizing<[u8; 32]>,
    /// Not at a connector that has yet to ask for it.
    pub(super) known: bool,
}

impl PrfOutput {
    pub(super) fn of(mac: Hmac<Sha256>) -> Self {
        let mut hash = mac.finalize().into_bytes();
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(&hash);
        hash.as_mut_slice().zeroize();
        Self { bytes, known: true }
    }

    pub(super) fn unknown() -> Self {
        Self { bytes: Zeroizing::new([0; 32]), known: false }
    }

    /// Of an input that consists of outputs: secret without a key.
    pub(super) fn digest(whole: &WholeInput) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"tallygate derived");
        hash.update(&**whole);
        Self { bytes: Zeroizing::new(hash.finalize().into()), known: true }
    }

    /// Four bytes of it that no pseudonym holds, for a sealed comparison: below what tells people
    /// apart in a list, enough to tell two values of one field apart.
    #[must_use]
    pub fn tag(&self) -> u32 {
        let mut tag = [0; 4];
        tag.copy_from_slice(&self.bytes[16..20]);
        u32::from_be_bytes(tag)
    }

    /// The inner value: the first 128 bits.
    pub(super) fn inner(&self) -> &[u8; 16] {
        self.bytes.first_chunk().unwrap_or(&[0; 16])
    }
}
