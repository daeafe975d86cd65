//! The noise as other programs can check it, and releases as the benches make them.
//!
//! Each value's exact probability, and how often it was drawn: the draws are of a seed given on the
//! command line, and of no release.
//!
//! A bench that needs thousands of releases of one count freezes it once with a generator that draws
//! no noise, which nobody but a bench can hand in, and adds to it by the function that a freeze
//! draws with ([`NoiseTable::noised`]). That both give the same, bit by bit, is seen in each run of
//! the attacks and in the suite.

use crate::disclosure::{
    Closing, Digest, Ledger, Release,
    noise::{NoiseTable, Noises},
};
use jiff::Timestamp;
use rand::{CryptoRng, SeedableRng, TryCryptoRng, TryRng, rngs::StdRng};
use std::convert::Infallible;

/// One value of the noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drawn {
    /// The value.
    pub(crate) value: i64,
    /// Its probability, in 2^-128; the middle's is never all of it.
    pub(crate) probability: u128,
    /// How often it was drawn.
    pub(crate) drawn: u64,
}

/// Every value of a variance's table, with so many draws.
pub(crate) fn values(variance: u32, draws: u64, seed: u64) -> Vec<Drawn> {
    let table = NoiseTable::new(variance);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut values: Vec<Drawn> = (-table.reach()..=table.reach())
        .map(|value| Drawn { value, probability: table.probability(value), drawn: 0 })
        .collect();
    for _ in 0..draws {
        let at = usize::try_from(table.draw(&mut rng) + table.reach()).unwrap_or(usize::MAX);
        values[at].drawn += 1;
    }
    values
}

/// A generator of the one value that is no noise: the middle of the distribution.
pub(super) struct Noiseless;

impl TryRng for Noiseless {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(1 << 31)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(1 << 63)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(0x80);
        Ok(())
    }
}

impl TryCryptoRng for Noiseless {}

/// What a bench's release records of its making: nothing.
pub(super) fn closing(ledger: &Ledger) -> Closing<'_> {
    Closing {
        ledger,
        policy: Digest::of(b"bench"),
        feeds: vec![],
        protocols: vec![],
        previous: None,
        created_at: Timestamp::UNIX_EPOCH,
    }
}

/// Draws noise for an exact release's every cell, as a freeze draws it, into one of its shape.
pub(super) fn draw_into<R: CryptoRng + ?Sized>(
    drawn: &mut Release,
    exact: &Release,
    noises: &mut Noises,
    rng: &mut R,
) {
    for (table, exact) in drawn.tables.iter_mut().zip(&exact.tables) {
        if exact.variance == 0 {
            continue;
        }
        let noise = noises.of(exact.variance);
        let pairs = table.counts.iter_mut().flatten().zip(exact.counts.iter().flatten());
        pairs.for_each(|(count, exact)| *count = noise.noised(*exact, rng));
    }
}

/// The same into a release of its own.
pub(super) fn drawn<R: CryptoRng + ?Sized>(
    exact: &Release,
    noises: &mut Noises,
    rng: &mut R,
) -> Release {
    let mut release = exact.clone();
    draw_into(&mut release, exact, noises, rng);
    release
}
