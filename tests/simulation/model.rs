//! What a gateway must hold of one sender's records, in as few words as it can be said.

use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use std::collections::{BTreeMap, BTreeSet};

/// Different records of a simulation.
const RECORDS: usize = 60;

/// What is done next.
pub(super) enum Operation {
    /// A stream of batches.
    Push(Vec<Vec<usize>>),
    /// The n-th stream is undone, perhaps not for the first time.
    Undo(usize),
    Find(Vec<usize>),
    Erase(Vec<usize>),
    Card,
    Restart,
}

/// A stream: the receipt of its opening, how many records it brought, whether it was undone.
struct Stream {
    opened: (u64, Vec<u8>),
    brought: u64,
    undone: bool,
}

/// What there is.
#[derive(Default)]
pub(super) struct Model {
    streams: Vec<Stream>,
    /// Records that count, by the stream that brought them first.
    held: BTreeMap<usize, usize>,
    /// Named for erasure: no more to be found, but there until the day ends or the gateway starts
    /// anew. What is sent under such an id before goes with it.
    erased: BTreeSet<usize>,
}

/// Every record that may occur.
pub(super) fn all() -> Vec<usize> {
    (0..RECORDS).collect()
}

impl Model {
    /// What is done next, by chance.
    pub(super) fn draw(&self, chance: &mut StdRng) -> Operation {
        let some = |chance: &mut StdRng, most: usize| -> Vec<usize> {
            let count = chance.random_range(1..=most);
            (0..count).map(|_| chance.random_range(0..RECORDS)).collect()
        };
        match chance.random_range(0..100) {
            0..45 => {
                let batches = chance.random_range(1..=3);
                Operation::Push((0..batches).map(|_| some(chance, 12)).collect())
            }
            45..65 => {
                let streams: Vec<usize> = (0..self.streams.len()).collect();
                match streams.choose(chance) {
                    Some(stream) => Operation::Undo(*stream),
                    None => Operation::Card,
                }
            }
            65..80 => Operation::Find(some(chance, 20)),
            80..86 => Operation::Erase(some(chance, 3)),
            86..94 => Operation::Card,
            _ => Operation::Restart,
        }
    }

    /// A stream opens; its number.
    pub(super) fn open(&mut self, opened: (u64, Vec<u8>)) -> usize {
        self.streams.push(Stream { opened, brought: 0, undone: false });
        self.streams.len() - 1
    }

    /// A stream brings a batch: how many of its records were sent before.
    pub(super) fn take(&mut self, stream: usize, batch: &[usize]) -> usize {
        let mut before = 0;
        for record in batch {
            if self.held.contains_key(record) {
                before += 1;
            } else {
                self.held.insert(*record, stream);
                self.streams[stream].brought += 1;
            }
        }
        before
    }

    /// A stream is undone: how it was opened, how many records that concerns, and whether it was
    /// undone before.
    pub(super) fn undo(&mut self, stream: usize) -> ((u64, Vec<u8>), u64, bool) {
        self.held.retain(|_, of| *of != stream);
        let Stream { opened, brought, undone } = &mut self.streams[stream];
        let already = std::mem::replace(undone, true);
        (opened.clone(), *brought, already)
    }

    pub(super) fn erase(&mut self, records: &[usize]) {
        self.erased.extend(records);
    }

    /// The gateway starts anew, and does what it owes. What was erased can be sent again.
    pub(super) fn restart(&mut self) {
        for record in std::mem::take(&mut self.erased) {
            self.held.remove(&record);
        }
    }

    /// Which of them are found.
    pub(super) fn holds(&self, records: &[usize]) -> Vec<bool> {
        let found = |record| self.held.contains_key(record) && !self.erased.contains(record);
        records.iter().map(found).collect()
    }

    /// How many count in the database.
    pub(super) fn counted(&self) -> usize {
        self.held.len()
    }
}
