//! Just enough DER (ITU-T X.690 §10) to tell which kind of key a public or private key is.
//!
//! It reads the outer shell alone; the key inside is parsed by the crypto library, which
//! refuses what is malformed there. Lengths are taken in their one shortest form only.

use rustls_pki_types::AlgorithmIdentifier;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// The values that are left of a sequence.
struct Values<'a>(&'a [u8]);

impl<'a> Values<'a> {
    /// Of a sequence that is all there is.
    fn of_one_sequence(der: &'a [u8]) -> Option<Self> {
        let mut whole = Self(der);
        let inner = whole.next(SEQUENCE)?;
        whole.0.is_empty().then_some(Self(inner))
    }

    /// The contents of the next value, which must have this tag.
    fn next(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&[first, length], rest) = self.0.split_first_chunk()?;
        let (length, rest) = match length {
            0..=0x7F => (usize::from(length), rest),
            0x81 => {
                let (&[length], rest) = rest.split_first_chunk()?;
                (usize::from(length), rest)
            }
            0x82 => {
                let (&length, rest) = rest.split_first_chunk()?;
                (usize::from(u16::from_be_bytes(length)), rest)
            }
            // Longer than 64 KiB is no key; an indefinite length is no DER.
            _ => return None,
        };
        let shortest = match self.0[1] {
            0x81 => length >= 0x80,
            0x82 => length >= 0x100,
            _ => true,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (first == tag && shortest).then_some(value)
    }
}

/// A key within the shell that names its algorithm.
pub(super) struct ShelledKey<'a> {
    algorithm: &'a [u8],
    /// The key's own bytes, in the form its algorithm defines.
    pub(super) key: &'a [u8],
}

impl<'a> ShelledKey<'a> {
    /// A `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7), whole and followed by nothing.
    pub(super) fn public(der: &'a [u8]) -> Option<Self> {
        let mut values = Values::of_one_sequence(der)?;
        let algorithm = values.next(SEQUENCE)?;
        // A bit string begins with the number of its unused bits: none, in a key.
        let (&unused, key) = values.next(BIT_STRING)?.split_first()?;
        (unused == 0 && values.0.is_empty()).then_some(Self { algorithm, key })
    }

    /// A `OneAsymmetricKey` (RFC 5958 §2), which PKCS#8 files hold.
    pub(super) fn private(der: &'a [u8]) -> Option<Self> {
        let mut values = Values::of_one_sequence(der)?;
        values.next(INTEGER)?;
        let algorithm = values.next(SEQUENCE)?;
        // Attributes and the public key may follow.
        values.next(OCTET_STRING).map(|key| Self { algorithm, key })
    }

    /// Whether it is of this algorithm, parameters included.
    pub(super) fn is(&self, algorithm: AlgorithmIdentifier) -> bool {
        self.algorithm == algorithm.as_ref()
    }
}

/// The bits of the modulus of an `RSAPublicKey` (RFC 8017 §A.1.1).
pub(super) fn rsa_modulus_bits(der: &[u8]) -> Option<usize> {
    let mut values = Values::of_one_sequence(der)?;
    // A positive number whose highest bit is set has a byte of zeros before it.
    let modulus = match values.next(INTEGER)? {
        [0, modulus @ ..] if modulus.first()? & 0x80 != 0 => modulus,
        modulus if (1..=0x7F).contains(modulus.first()?) => modulus,
        _ => return None,
    };
    values.next(INTEGER)?;
    let unused = modulus.first()?.leading_zeros() as usize;
    values.0.is_empty().then_some(8 * modulus.len() - unused)
}
