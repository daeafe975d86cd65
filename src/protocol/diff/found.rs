//! Comparing values and lists: one sentence for each difference found.

use std::fmt::Display;

use jiff::civil::Date;

use super::{Change, Difference};

pub(super) struct Found {
    pub(super) changes: Vec<Change>,
}

impl Found {
    pub(super) fn say(&mut self, pointer: &str, difference: Difference, sentence: String) {
        self.changes.push(Change { pointer: pointer.to_owned(), difference, sentence });
    }

    /// A value that differs.
    pub(super) fn value<T: PartialEq>(
        &mut self,
        at: &str,
        what: &str,
        old: &T,
        new: &T,
        words: impl Fn(&T) -> String,
    ) {
        if old != new {
            let sentence = format!("changes {what} from {} to {}", words(old), words(new));
            self.say(at, Difference::Changed, sentence);
        }
    }

    /// A plain value.
    pub(super) fn plain<T: PartialEq + Display>(&mut self, at: &str, what: &str, old: &T, new: &T) {
        self.value(at, what, old, new, ToString::to_string);
    }

    /// A list of words of which each stands for itself.
    pub(super) fn set<T: Ord + Clone + Display>(
        &mut self,
        at: &str,
        of: &str,
        old: &[T],
        new: &[T],
        words: impl Fn(&T) -> String,
    ) {
        self.list(at, of, old, new, Clone::clone, &words, |_, _, _, _| ());
    }

    /// A list whose entries are known by a key. `same` compares two entries of one key.
    #[expect(clippy::too_many_arguments, reason = "the one comparison of lists that all use")]
    pub(super) fn list<T, K: Ord>(
        &mut self,
        at: &str,
        of: &str,
        old: &[T],
        new: &[T],
        key: impl Fn(&T) -> K,
        words: &impl Fn(&T) -> String,
        same: impl Fn(&mut Self, &str, &T, &T),
    ) {
        for (place, entry) in old.iter().enumerate() {
            if !new.iter().any(|other| key(other) == key(entry)) {
                let sentence = format!("removes {}{of}", words(entry));
                self.say(&format!("{at}/{place}"), Difference::Removed, sentence);
            }
        }
        for (place, entry) in new.iter().enumerate() {
            let at = format!("{at}/{place}");
            match old.iter().find(|other| key(other) == key(entry)) {
                Some(before) => same(self, &at, before, entry),
                None => self.say(&at, Difference::Added, format!("adds {}{of}", words(entry))),
            }
        }
        self.order(at, of, old, new, key, words);
    }

    /// The order of what both lists have; and what is listed twice (no signed document has that).
    pub(super) fn order<T, K: Ord>(
        &mut self,
        at: &str,
        of: &str,
        old: &[T],
        new: &[T],
        key: impl Fn(&T) -> K,
        words: &impl Fn(&T) -> String,
    ) {
        let keys = |list: &[T]| list.iter().map(&key).collect::<Vec<K>>();
        let (before, after) = (keys(old), keys(new));
        let in_both = |list: &[K], other: &[K]| -> Vec<usize> {
            (0..list.len()).filter(|place| other.contains(&list[*place])).collect()
        };
        let (left, right) = (in_both(&before, &after), in_both(&after, &before));
        let moved = left.len() != right.len()
            || left.iter().zip(&right).any(|(left, right)| before[*left] != after[*right]);
        if moved {
            let names: Vec<String> = new.iter().map(words).collect();
            let sentence = format!("puts in another order{of}: {}", names.join(", "));
            self.say(at, Difference::Reordered, sentence);
        }
    }
}

pub(super) fn coded<T: Display + Copy>(words: impl Fn(T) -> &'static str) -> impl Fn(&T) -> String {
    move |value| format!("{value} ({})", words(*value))
}

pub(super) fn optional<T: Display>(value: &Option<T>) -> String {
    value.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string)
}

pub(super) fn quoted(text: &impl Display) -> String {
    format!("\u{201c}{text}\u{201d}")
}

pub(super) fn day(day: &Date) -> String {
    day.to_string()
}
