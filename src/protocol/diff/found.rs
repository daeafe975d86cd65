//! Comparing values and lists: one sentence for each difference found.

use std::fmt::Display;

use jiff::civil::Date;

use super::{Change, Difference};

pub(super) struct Found {
    pub(super) changes: Vec<Change>,
}

/// Something before and after: an entry that is new stands beside nothing, as one that goes does,
/// and is told member by member like one that differs.
pub(super) struct Pair<'a, T: ?Sized> {
    pub(super) old: Option<&'a T>,
    pub(super) new: Option<&'a T>,
}

impl<T: ?Sized> Clone for Pair<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Pair<'_, T> {}

impl<'a, T: ?Sized> Pair<'a, T> {
    pub(super) const fn of(old: &'a T, new: &'a T) -> Self {
        Self { old: Some(old), new: Some(new) }
    }

    /// A member of both.
    pub(super) fn member<U: ?Sized>(self, member: impl Fn(&'a T) -> &'a U) -> Pair<'a, U> {
        Pair { old: self.old.map(&member), new: self.new.map(&member) }
    }

    /// What there is, the new before the old, by which the entry is named.
    pub(super) fn either(self) -> Option<&'a T> {
        self.new.or(self.old)
    }
}

impl<'a, T> Pair<'a, Vec<T>> {
    fn lists(self) -> (&'a [T], &'a [T]) {
        (self.old.map_or(&[], Vec::as_slice), self.new.map_or(&[], Vec::as_slice))
    }
}

impl Found {
    pub(super) fn say(&mut self, pointer: &str, difference: Difference, sentence: String) {
        self.changes.push(Change { pointer: pointer.to_owned(), difference, sentence });
    }

    /// A value that differs, that a new entry says, or that one said which goes.
    pub(super) fn value<T: PartialEq>(
        &mut self,
        at: &str,
        what: &str,
        pair: Pair<'_, T>,
        words: impl Fn(&T) -> String,
    ) {
        let (difference, sentence) = match (pair.old, pair.new) {
            (Some(old), Some(new)) if old != new => {
                let sentence = format!("changes {what} from {} to {}", words(old), words(new));
                (Difference::Changed, sentence)
            }
            (None, Some(new)) => (Difference::Added, format!("sets {what} to {}", words(new))),
            (Some(old), None) => {
                (Difference::Removed, format!("ends {what}, which was {}", words(old)))
            }
            (Some(_), Some(_)) | (None, None) => return,
        };
        self.say(at, difference, sentence);
    }

    /// A plain value.
    pub(super) fn plain<T: PartialEq + Display>(
        &mut self,
        at: &str,
        what: &str,
        pair: Pair<'_, T>,
    ) {
        self.value(at, what, pair, ToString::to_string);
    }

    /// A list of words of which each stands for itself.
    pub(super) fn set<T: Ord + Clone + Display>(
        &mut self,
        at: &str,
        of: &str,
        pair: Pair<'_, Vec<T>>,
        words: impl Fn(&T) -> String,
    ) {
        self.list(at, of, pair, Clone::clone, &words, |_, _, _| ());
    }

    /// A list whose entries are known by a key. `tell` compares two entries of one key, and tells
    /// what an entry says that stands alone, beyond its words.
    pub(super) fn list<T, K: Ord>(
        &mut self,
        at: &str,
        of: &str,
        pair: Pair<'_, Vec<T>>,
        key: impl Fn(&T) -> K,
        words: &impl Fn(&T) -> String,
        tell: impl Fn(&mut Self, &str, Pair<'_, T>),
    ) {
        let (old, new) = pair.lists();
        for (place, entry) in old.iter().enumerate() {
            if !new.iter().any(|other| key(other) == key(entry)) {
                let at = format!("{at}/{place}");
                self.say(&at, Difference::Removed, format!("removes {}{of}", words(entry)));
                tell(self, &at, Pair { old: Some(entry), new: None });
            }
        }
        for (place, entry) in new.iter().enumerate() {
            let at = format!("{at}/{place}");
            let before = old.iter().find(|other| key(other) == key(entry));
            if before.is_none() {
                self.say(&at, Difference::Added, format!("adds {}{of}", words(entry)));
            }
            tell(self, &at, Pair { old: before, new: Some(entry) });
        }
        self.order(at, of, (old, new), key, words);
    }

    /// The order of what both lists have; and what is listed twice (no signed document has that).
    pub(super) fn order<T, K: Ord>(
        &mut self,
        at: &str,
        of: &str,
        (old, new): (&[T], &[T]),
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
