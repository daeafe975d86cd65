//! The log's rows before the verifier, in trees of several levels: one damaged row is named,
//! and no other.

use jiff::{SignedDuration, Timestamp};
use std::{collections::BTreeMap, convert::Infallible};
use tallygate::{
    audit::{Frontier, Leaf, LeafKind, LogSigner, leaf_hash},
    verify::{
        HeadRow, LogRow, RowProblem, RowReport, RowSource, VerifierKey, proof::hash_of_entry,
        verify_rows,
    },
};

/// A log's tables in memory.
#[derive(Clone)]
struct Tables {
    head: HeadRow,
    entries: BTreeMap<u64, Vec<u8>>,
    hashes: BTreeMap<(u8, u64), Vec<u8>>,
    key: VerifierKey,
}

impl Tables {
    fn of(size: u64) -> Self {
        let signer = LogSigner::from_seed("rows.example/2026".parse().unwrap(), &[3; 32]).unwrap();
        let start = Timestamp::from_second(1_780_000_000).unwrap();
        let entry = |n: u64| {
            let at = start + SignedDuration::from_millis(n.cast_signed());
            Leaf::new(LeafKind::QueryAnswered, at).encode().unwrap()
        };
        let entries: Vec<Vec<u8>> = (0..size).map(entry).collect();
        let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let appended = Frontier::empty().append(&leaves).unwrap();
        let last = start + SignedDuration::from_millis(size.saturating_sub(1).cast_signed());
        let root = appended.root;
        let new = appended.new_hashes.iter();
        Self {
            head: HeadRow {
                size: size.cast_signed(),
                root: root.as_bytes().to_vec(),
                checkpoint: signer.sign_checkpoint(size, &root).into_bytes(),
                at: last.as_microsecond(),
            },
            entries: (0..).zip(entries).collect(),
            hashes: new.map(|n| ((n.level, n.index), n.hash.as_bytes().to_vec())).collect(),
            key: signer.vkey().parse().unwrap(),
        }
    }

    async fn verify(&self) -> RowReport {
        let key = self.key.clone();
        verify_rows(&mut self.clone(), &key, None).await.unwrap()
    }

    /// What is found once this was done to the tables.
    async fn after(&self, damage: impl FnOnce(&mut Self)) -> Vec<(LogRow, RowProblem)> {
        let mut damaged = self.clone();
        damage(&mut damaged);
        let report = damaged.verify().await;
        assert_eq!(report.is_sound(), report.findings.is_empty());
        report.findings.into_iter().map(|found| (found.row, found.problem)).collect()
    }
}

impl RowSource for Tables {
    type Error = Infallible;

    async fn head(&mut self) -> Result<Option<HeadRow>, Infallible> {
        Ok(Some(self.head.clone()))
    }

    async fn end(&mut self) -> Result<u64, Infallible> {
        let hashes = self.hashes.range((0, 0)..(1, 0)).next_back().map(|((_, at), _)| *at);
        let entries = self.entries.last_key_value().map(|(at, _)| *at);
        Ok(hashes.max(entries).map_or(0, |last| last + 1))
    }

    async fn entries(&mut self, from: u64, until: u64) -> Result<Vec<(u64, Vec<u8>)>, Infallible> {
        Ok(self.entries.range(from..until).map(|(at, leaf)| (*at, leaf.clone())).collect())
    }

    async fn hashes(
        &mut self,
        level: u8,
        from: u64,
        until: u64,
    ) -> Result<Vec<(u64, Vec<u8>)>, Infallible> {
        let rows = self.hashes.range((level, from)..(level, until));
        Ok(rows.map(|((_, at), hash)| (*at, hash.clone())).collect())
    }

    async fn beyond(
        &mut self,
        entries: u64,
        hashes: &[u64],
        _most: usize,
    ) -> Result<Vec<LogRow>, Infallible> {
        let stray =
            |(level, at): &&(u8, u64)| hashes.get(usize::from(*level)).is_none_or(|n| at >= n);
        let hashes = self.hashes.keys().filter(stray).map(|(level, at)| hash_row(*level, *at));
        Ok(self.entries.range(entries..).map(|(at, _)| entry_row(*at)).chain(hashes).collect())
    }
}

fn entry_row(at: u64) -> LogRow {
    LogRow::LogEntry { leaf_index: at.cast_signed() }
}

fn hash_row(level: u8, at: u64) -> LogRow {
    LogRow::LogHash { level: i64::from(level), hash_index: at.cast_signed() }
}

/// Places that are worth damaging in a row of so many.
fn places(length: u64) -> impl Iterator<Item = u64> {
    let all = [0, 1, 100, 255, 256, 300, 511, 512];
    let last = length.checked_sub(1);
    let far: &[u64] = &[300, 65_535, 65_536];
    let all = if length > 1_000 { far } else { &all[..] };
    let places = all.iter().copied().chain(last);
    let mut places: Vec<u64> = places.filter(|at| *at < length).collect();
    places.sort_unstable();
    places.dedup();
    places.into_iter()
}

/// Whole tiles, unfinished ones, and several levels of both.
const SIZES: [u64; 9] = [0, 1, 2, 255, 256, 257, 700, 65_536, 66_100];

#[tokio::test]
async fn one_damaged_row_is_named_and_no_other() {
    for size in SIZES {
        let tables = Tables::of(size);
        let report = tables.verify().await;
        assert!(report.is_sound(), "{size}: {report:?}");
        assert_eq!((report.entries, report.hashes), (size, tables.hashes.len() as u64));
        let missing = || RowProblem::Missing { through: None };
        for at in places(size) {
            let found = tables.after(|t| t.entries.get_mut(&at).unwrap()[20] ^= 1).await;
            assert_eq!(found, [(entry_row(at), RowProblem::EntryAltered)], "{size}");
            let found = tables.after(|t| drop(t.entries.remove(&at))).await;
            assert_eq!(found, [(entry_row(at), missing())], "{size}");
        }
        for level in 0..3 {
            for at in places(size >> (8 * level)) {
                let key = (level, at);
                let found = tables.after(|t| t.hashes.get_mut(&key).unwrap()[7] ^= 1).await;
                assert_eq!(found, [(hash_row(level, at), RowProblem::HashAltered)], "{size}");
                let found = tables.after(|t| drop(t.hashes.remove(&key))).await;
                assert_eq!(found, [(hash_row(level, at), missing())], "{size}");
            }
        }
    }
}

#[tokio::test]
async fn several_damaged_rows_of_one_tile_are_told_apart() {
    let tables = Tables::of(700);
    for first in [0, 512] {
        let found = tables
            .after(|t| {
                for at in [first + 3, first + 50] {
                    t.entries.get_mut(&at).unwrap()[20] ^= 1;
                }
                t.hashes.get_mut(&(0, first + 7)).unwrap()[0] ^= 1;
                t.hashes.remove(&(0, first + 9));
                t.entries.remove(&(first + 11));
            })
            .await;
        let mut rows: Vec<LogRow> = found.iter().map(|(row, _)| *row).collect();
        rows.sort();
        let expected = [
            entry_row(first + 3),
            entry_row(first + 11),
            entry_row(first + 50),
            hash_row(0, first + 7),
            hash_row(0, first + 9),
        ];
        assert_eq!(rows, expected, "{found:?}");
        assert!(found.contains(&(hash_row(0, first + 7), RowProblem::HashAltered)));
        assert!(found.contains(&(entry_row(first + 50), RowProblem::EntryAltered)));
    }
    // A whole tile of entries changed: still told, as all their hashes are right.
    let found =
        tables.after(|t| t.entries.range_mut(0..256).for_each(|(_, entry)| entry[20] ^= 1)).await;
    assert!(found.iter().all(|(_, problem)| *problem == RowProblem::EntryAltered));
    assert_eq!(found.len(), 256);
}

#[tokio::test]
async fn what_was_altered_with_its_hashes_is_found_by_what_stands_above() {
    let tables = Tables::of(66_100);
    let forge = |t: &mut Tables| {
        let entry = t.entries.get_mut(&300).unwrap();
        entry[20] ^= 1;
        t.hashes.insert((0, 300), hash_of_entry(entry).to_vec());
    };
    let below = |first, last| RowProblem::AlteredBelow { first, last };
    let found = tables.after(forge).await;
    // It is told that the level above is right, and among which entries to look.
    assert!(found.contains(&(hash_row(1, 1), below(256, 511))), "{found:?}");
    let found = tables
        .after(|t| {
            forge(t);
            let hashes: Vec<[u8; 32]> =
                (256..512).map(|at| <[u8; 32]>::try_from(&*t.hashes[&(0, at)]).unwrap()).collect();
            let mut row = hashes;
            while row.len() > 1 {
                let pair = |p: &[[u8; 32]]| tallygate::verify::proof::hash_of_pair(&p[0], &p[1]);
                row = row.chunks_exact(2).map(pair).collect();
            }
            t.hashes.insert((1, 1), row[0].to_vec());
        })
        .await;
    assert!(found.contains(&(hash_row(2, 0), below(0, 65_535))), "{found:?}");
}

#[tokio::test]
async fn a_false_head_sends_nobody_on_a_journey() {
    let tables = Tables::of(300);
    let size = i64::MAX;
    let found = tables
        .after(|t| {
            t.head.size = size;
            t.head.checkpoint.truncate(30);
        })
        .await;
    let through = Some(size - 1);
    assert!(found.contains(&(entry_row(300), RowProblem::Missing { through })), "{found:?}");
    let found = tables.after(|t| t.head.size -= 1).await;
    assert_eq!(found, [(LogRow::LogHead, RowProblem::HeadDiffers { column: "size" })]);
    // The tree is sound by itself, but nobody signed it.
    let found = tables
        .after(|t| {
            let text = String::from_utf8(t.head.checkpoint.clone()).unwrap();
            t.head.checkpoint = text.replace("\n300\n", "\n301\n").into_bytes();
        })
        .await;
    assert!(found.iter().all(|(row, _)| *row == LogRow::LogHead), "{found:?}");
    assert!(matches!(found[0].1, RowProblem::Note(_)), "{found:?}");
}
