//! Attack 8: Reconstruction: a table of small counts with its totals. Each number shown bounds what
//! stands behind it; integer programming finds which counts no solution leaves open.
//!
//! For tables with totals the program is a flow: the least and the greatest value of a cell in
//! any solution are the true value less or plus the greatest flow that can be sent round through
//! the rest of the table. The attacker here knows nobody but those of the one cell, and whether
//! the child is in it is what it wants to know.

use super::{
    Attack,
    cells::Dice,
    mechanisms::{Mechanism, Shown, guess},
    tallygate::{Crowd, Life, Ours, State, View},
};

const ROWS: usize = 4;
const COLUMNS: usize = 5;

pub(super) const ATTACK: Attack = Attack {
    number: 8,
    name: "reconstruction",
    in_use,
    ours: Ours::Life(Life {
        quarters: &[[State::Absent, State::Registered]],
        crowd: Crowd::Few,
        redrawn: None,
        view: View::Release,
    }),
};

fn in_use(mechanism: &dyn Mechanism, dice: &mut Dice, truth: bool) -> bool {
    if mechanism.behind(Some(10)).is_none() {
        // Nothing is certain behind a noisy number: the cell's own is what there is.
        let (others, child) = (dice.few(), dice.target());
        return guess(mechanism, &[[others, others.with(child)]], truth, dice);
    }
    let mut counts = small_table(dice);
    let without = i64::from(dice.between(1, 9));
    counts[0][0] = without + i64::from(truth);
    let (least, most) = Published::of(mechanism, &counts).range(0, 0);
    match (least <= without, without < most) {
        (true, false) => false,
        (false, true) => true,
        _ => dice.coin(),
    }
}

type Counts = [[i64; COLUMNS]; ROWS];

/// Half of the counts are small.
fn small_table(dice: &mut Dice) -> Counts {
    let mut counts = [[0; COLUMNS]; ROWS];
    for count in counts.iter_mut().flatten() {
        let most = if dice.coin() { 10 } else { 40 };
        *count = i64::from(dice.between(0, most));
    }
    counts
}

/// A number, and the bounds that what is shown sets to it.
#[derive(Debug, Clone, Copy)]
struct Bounded {
    value: i64,
    least: i64,
    most: i64,
}

/// Cells, totals of rows in one more column, of columns in one more row, and of all in the
/// corner. A total is what its line leaves over, so it enters with the opposite sign and every
/// line of the enlarged table adds up to nothing.
struct Published {
    lines: [[Bounded; COLUMNS + 1]; ROWS + 1],
}

impl Published {
    fn of(mechanism: &dyn Mechanism, counts: &Counts) -> Self {
        let behind = |value: i64| {
            let shown: Shown = mechanism.display(value, 0);
            let (least, most) = mechanism.behind(shown).unwrap_or((value, value));
            Bounded { value, least, most }
        };
        let minus = |Bounded { value, least, most }: Bounded| Bounded {
            value: -value,
            least: -most,
            most: -least,
        };
        let sum = |cells: &mut dyn Iterator<Item = (usize, usize)>| -> i64 {
            cells.map(|(row, column)| counts[row][column]).sum()
        };
        let lines = std::array::from_fn(|row| {
            std::array::from_fn(|column| match (row < ROWS, column < COLUMNS) {
                (true, true) => behind(counts[row][column]),
                (true, false) => minus(behind(sum(&mut (0..COLUMNS).map(|c| (row, c))))),
                (false, true) => minus(behind(sum(&mut (0..ROWS).map(|r| (r, column))))),
                (false, false) => {
                    let all = (0..ROWS).flat_map(|r| (0..COLUMNS).map(move |c| (r, c)));
                    behind(sum(&mut { all }))
                }
            })
        });
        Self { lines }
    }

    /// The least and the greatest value of a cell in any table that fits all that is shown.
    fn range(&self, row: usize, column: usize) -> (i64, i64) {
        let cell = self.lines[row][column];
        let up = self.flow(row, column, cell.most - cell.value, 1);
        let down = self.flow(row, column, cell.value - cell.least, -1);
        (cell.value - down, cell.value + up)
    }

    /// How far the cell can move in this direction while others make up for it: the greatest
    /// flow from its column to its row through the rest, one unit a path.
    fn flow(&self, row: usize, column: usize, most: i64, sign: i64) -> i64 {
        let mut moved = self.lines;
        let mut sent = 0;
        while sent < most && Self::send(&mut moved, (row, column), sign) {
            sent += 1;
        }
        sent
    }

    /// Sends one unit round; nodes are the rows and, after them, the columns. What a row
    /// gains by the cell it has to lose in another, whose column has to gain it again.
    fn send(
        lines: &mut [[Bounded; COLUMNS + 1]; ROWS + 1],
        (row, column): (usize, usize),
        sign: i64,
    ) -> bool {
        let mut seen_rows = [false; ROWS + 1];
        let mut path = Vec::new();
        seen_rows[row] = true;
        if !Self::search(lines, (row, column), row, sign, &mut seen_rows, &mut path) {
            return false;
        }
        for (at_row, at_column, change) in path {
            lines[at_row][at_column].value += change;
        }
        true
    }

    /// From a row that has one too many (in the direction of `sign`) to the cell's own column.
    fn search(
        lines: &[[Bounded; COLUMNS + 1]; ROWS + 1],
        cell: (usize, usize),
        from: usize,
        sign: i64,
        seen_rows: &mut [bool; ROWS + 1],
        path: &mut Vec<(usize, usize, i64)>,
    ) -> bool {
        let room = |row: usize, column: usize, change: i64| {
            let Bounded { value, least, most } = lines[row][column];
            (row, column) != cell && (least..=most).contains(&(value + change))
        };
        for column in 0..=COLUMNS {
            if !room(from, column, -sign) {
                continue;
            }
            path.push((from, column, -sign));
            if column == cell.1 {
                return true;
            }
            for row in 0..=ROWS {
                if seen_rows[row] || !room(row, column, sign) {
                    continue;
                }
                seen_rows[row] = true;
                path.push((row, column, sign));
                if Self::search(lines, cell, row, sign, seen_rows, path) {
                    return true;
                }
                path.pop();
            }
            path.pop();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::attacks::mechanisms::{hes::Hes, threshold::Threshold};

    #[test]
    fn primary_suppression_alone_pins_suppressed_cells_and_no_true_value_is_excluded() {
        let mut dice = Dice::new([1, 2, 3, 4]);
        let (mut suppressed, mut pinned) = (0, 0);
        for _ in 0..400 {
            let counts = small_table(&mut dice);
            let exact = Published::of(&Threshold, &counts);
            let rounded = Published::of(&Hes, &counts);
            for (row, line) in counts.iter().enumerate() {
                for (column, count) in line.iter().enumerate() {
                    let (least, most) = exact.range(row, column);
                    assert!((least..=most).contains(count));
                    suppressed += u32::from(*count < 10);
                    pinned += u32::from(*count < 10 && least == most);
                    let (low, high) = rounded.range(row, column);
                    assert!((low..=high).contains(count));
                }
            }
        }
        // The design's tables had 12.3%; how many depends on their shape.
        let share = f64::from(pinned) / f64::from(suppressed);
        assert!((0.03..0.3).contains(&share), "{share}");
    }

    #[test]
    fn one_suppressed_cell_in_a_line_is_known_exactly() {
        let mut counts = [[20; COLUMNS]; ROWS];
        counts[1][2] = 4;
        assert_eq!(Published::of(&Threshold, &counts).range(1, 2), (4, 4));
        counts[1][3] = 5;
        counts[2][2] = 3;
        counts[2][3] = 6;
        // Four in a square: one more here is one less beside it. All lie in 0 ..= 9.
        assert_eq!(Published::of(&Threshold, &counts).range(1, 2), (0, 7));
    }
}
