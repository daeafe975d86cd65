//! Sealing of small facts that must be read again: dates of birth.
//!
//! AES-256-GCM (NIST SP 800-38D) with table, column and row as associated data, so that a sealed
//! value moved to another cell does not open. Stored form: key version (2 bytes, big-endian), nonce
//! (12, random), ciphertext, tag (16). Random nonces keep their bound of 2^32 values under one key:
//! England's 3.2 million children sealed ten times over use less than 1% of it.

use super::{BirthDate, KeyError, KeyVersion, MasterKeys};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rand::CryptoRng;
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

const VERSION_LEN: usize = 2;
const TAG_LEN: usize = 16;

/// How many bytes a sealed value has more than the plain one.
pub const SEALED_OVERHEAD: usize = VERSION_LEN + NONCE_LEN + TAG_LEN;

/// Where a sealed value stands. Part of what is authenticated, and all that an error says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The row's number.
    pub row: i64,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} of row {}", self.table, self.column, self.row)
    }
}

impl Cell {
    /// Length-prefixed table and column, then the row: no two cells share it.
    fn associated_data(&self) -> Aad<Vec<u8>> {
        let mut aad = Vec::with_capacity(24 + self.table.len() + self.column.len());
        for name in [self.table, self.column] {
            aad.extend_from_slice(&(name.len() as u64).to_be_bytes());
            aad.extend_from_slice(name.as_bytes());
        }
        aad.extend_from_slice(&self.row.to_be_bytes());
        Aad::from(aad)
    }
}

/// Seals and opens. Only linkage and the release builder are handed one.
pub struct Sealer {
    current: KeyVersion,
    keys: Vec<(KeyVersion, LessSafeKey)>,
}

impl Sealer {
    /// Prepares the sealing keys; the newest seals.
    ///
    /// # Errors
    /// [`KeyError::Refused`] if the library refuses a key.
    pub fn new(keys: &MasterKeys) -> Result<Self, KeyError> {
        Self::under(keys, keys.newest())
    }

    /// Prepares the sealing keys; `current` seals.
    ///
    /// # Errors
    /// [`KeyError::Refused`] if the library refuses a key.
    pub fn under(keys: &MasterKeys, current: KeyVersion) -> Result<Self, KeyError> {
        let mut prepared = Vec::new();
        for (version, key) in keys.sealing_keys() {
            let key = UnboundKey::new(&AES_256_GCM, key.bytes())
                .map_err(|_| KeyError::Refused("take a sealing key"))?;
            prepared.push((version, LessSafeKey::new(key)));
        }
        Ok(Self { current, keys: prepared })
    }

    /// Seals a few bytes for one cell.
    ///
    /// # Errors
    /// [`KeyError::Refused`] if the library refuses; it does not for values below 64 GiB.
    pub fn seal(
        &self,
        cell: Cell,
        plain: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, KeyError> {
        let version = self.current;
        let key = self.key(version).ok_or(KeyError::Refused("seal without a key"))?;
        let mut nonce = [0; NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        let mut sealed = Vec::with_capacity(plain.len() + SEALED_OVERHEAD);
        sealed.extend_from_slice(&version.number().to_be_bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let text = &mut sealed[VERSION_LEN + NONCE_LEN..];
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                cell.associated_data(),
                text,
            )
            .map_err(|_| {
                text.zeroize();
                KeyError::Refused("seal")
            })?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    fn key(&self, version: KeyVersion) -> Option<&LessSafeKey> {
        self.keys.iter().find_map(|(held, key)| (*held == version).then_some(key))
    }

    /// The same plain value under the current key.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`seal`](Self::seal).
    pub fn reseal(
        &self,
        cell: Cell,
        sealed: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, KeyError> {
        self.seal(cell, &self.open(cell, sealed)?, rng)
    }

    /// Opens what was sealed for this cell.
    ///
    /// # Errors
    /// [`KeyError::NoSealingKey`] where its key is not held, else [`KeyError::NotOpened`]; both name
    /// the cell and nothing else.
    pub fn open(&self, cell: Cell, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let not_opened = || KeyError::NotOpened { cell };
        let (version, rest) = sealed.split_first_chunk().ok_or_else(not_opened)?;
        let (nonce, text) = rest.split_first_chunk().ok_or_else(not_opened)?;
        let version = KeyVersion::new(u16::from_be_bytes(*version));
        let key = self.key(version).ok_or(KeyError::NoSealingKey { cell, version })?;
        let mut plain = Zeroizing::new(text.to_vec());
        let length = key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), cell.associated_data(), &mut plain)
            .map_err(|_| not_opened())?
            .len();
        plain.truncate(length);
        Ok(plain)
    }

    /// Seals a date of birth with one byte of the owner's choice beside it (the code of sex).
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub fn seal_birth(
        &self,
        cell: Cell,
        birth: &BirthDate,
        beside: u8,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, KeyError> {
        let mut plain = Zeroizing::new([0; 5]);
        plain[..4].copy_from_slice(&*birth.to_bytes());
        plain[4] = beside;
        self.seal(cell, &*plain, rng)
    }

    /// Opens what [`seal_birth`](Self::seal_birth) sealed.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`KeyError::NotOpened`] also where it is no date of birth.
    pub fn open_birth(&self, cell: Cell, sealed: &[u8]) -> Result<(BirthDate, u8), KeyError> {
        let plain = self.open(cell, sealed)?;
        let [a, b, c, d, beside] = plain[..] else { return Err(KeyError::NotOpened { cell }) };
        let birth = BirthDate::from_bytes([a, b, c, d]).ok_or(KeyError::NotOpened { cell })?;
        Ok((birth, beside))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    const CELL: Cell = Cell { table: "person", column: "birth", row: 7 };

    fn sealer() -> (Sealer, StdRng) {
        let mut rng = StdRng::seed_from_u64(5);
        (Sealer::new(&MasterKeys::generate(&mut rng)).unwrap(), rng)
    }

    #[test]
    fn opens_where_it_was_sealed_and_nowhere_else() {
        let (sealer, mut rng) = sealer();
        let birth = BirthDate::new(date(2024, 5, 6));
        let sealed = sealer.seal_birth(CELL, &birth, 2, &mut rng).unwrap();
        assert_eq!(sealed.len(), 5 + SEALED_OVERHEAD);
        let (opened, beside) = sealer.open_birth(CELL, &sealed).unwrap();
        assert_eq!((opened.age_on(date(2029, 5, 6)), beside), (Some(5), 2));
        assert_eq!(opened.age_on(date(2029, 5, 5)), Some(4));
        let elsewhere = [
            Cell { table: "subject", ..CELL },
            Cell { column: "sex", ..CELL },
            Cell { row: 8, ..CELL },
            Cell { table: "personb", column: "irth", row: 7 },
        ];
        for cell in elsewhere {
            let error = sealer.open(cell, &sealed).err().unwrap();
            assert!(matches!(error, KeyError::NotOpened { .. }));
        }
        let again = sealer.seal_birth(CELL, &birth, 2, &mut rng).unwrap();
        assert_ne!(sealed, again, "equal births must not look equal");
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let (sealer, mut rng) = sealer();
        let sealed = sealer.seal(CELL, b"secret", &mut rng).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.open(CELL, &changed).is_err(), "byte {at}");
            assert!(sealer.open(CELL, &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn errors_name_the_cell_only() {
        let (sealer, mut rng) = sealer();
        let mut sealed = sealer.seal(CELL, b"secret", &mut rng).unwrap();
        sealed[20] ^= 1;
        let text = sealer.open(CELL, &sealed).err().unwrap().to_string();
        assert_eq!(text, "person.birth of row 7 does not open: altered, cut short or moved");
        sealed[1] = 9;
        let text = sealer.open(CELL, &sealed).err().unwrap().to_string();
        assert_eq!(text, "no sealing key v9 for person.birth of row 7");
    }

    #[test]
    fn earlier_keys_still_open_until_they_are_destroyed() {
        let mut rng = StdRng::seed_from_u64(6);
        let mut keys = MasterKeys::generate(&mut rng);
        let sealed = Sealer::new(&keys).unwrap().seal(CELL, b"x", &mut rng).unwrap();
        let two = keys.add_version(&mut rng).unwrap();
        let before = Sealer::under(&keys, KeyVersion::FIRST).unwrap();
        assert_eq!(before.seal(CELL, b"x", &mut rng).unwrap()[..2], [0, 1]);
        let new = Sealer::under(&keys, two).unwrap();
        assert_eq!(new.open(CELL, &sealed).unwrap().as_slice(), b"x");
        let again = new.reseal(CELL, &sealed, &mut rng).unwrap();
        assert_eq!(
            (&again[..2], new.open(CELL, &again).unwrap().as_slice()),
            (&[0, 2][..], &b"x"[..])
        );
        keys.destroy_version(KeyVersion::FIRST).unwrap();
        let left = Sealer::new(&keys).unwrap();
        assert!(matches!(left.open(CELL, &sealed), Err(KeyError::NoSealingKey { .. })));
        assert!(left.open(CELL, &again).is_ok());
    }
}
