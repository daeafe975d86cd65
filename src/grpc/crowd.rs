//! How many places there are, for connections as for calls, and who may have how many of them:
//! nobody more than its share while it is crowded, and everybody a few.
//!
//! Whoever finds no place is told so at once and when to come back; nobody waits here, so what is
//! admitted takes about as long under any load, and memory is bounded by the number of places. A
//! caller is a client certificate: whose token it is is known only after work that must be
//! limited, too.

use crate::identity::CertificateFingerprint;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// How many places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// In all. Twice as many at most, where many callers have only a few each.
    pub all: usize,
    /// The same from when somebody found none on, until it is quiet again: fewer at once are done
    /// the sooner, each, and leave more to whatever is not counted here.
    pub when_crowded: usize,
    /// Of one caller, however empty it is.
    pub a_caller: usize,
    /// Of one caller, however crowded it is.
    pub always: usize,
}

/// Why there was no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPlace {
    /// The caller has all that it may have now.
    OwnShare,
    /// All are taken.
    Full,
}

/// Who has places.
#[derive(Debug)]
pub struct Crowd {
    what: &'static str,
    places: Places,
    held: Mutex<Held>,
    crowded: AtomicBool,
}

#[derive(Debug, Default)]
struct Held {
    all: usize,
    by_caller: HashMap<CertificateFingerprint, usize>,
}

/// A place, given back when dropped.
#[derive(Debug)]
pub struct Place {
    crowd: Arc<Crowd>,
    caller: Option<CertificateFingerprint>,
}

impl Crowd {
    /// An empty one, of `what`.
    #[must_use]
    pub fn new(what: &'static str, places: Places) -> Arc<Self> {
        let (held, crowded) = (Mutex::default(), AtomicBool::new(false));
        Arc::new(Self { what, places, held, crowded })
    }

    /// A place for a caller; for one without a certificate, as the web has them, only all count.
    ///
    /// # Errors
    /// When there is none for it now.
    pub fn enter(
        self: &Arc<Self>,
        caller: Option<CertificateFingerprint>,
    ) -> Result<Place, NoPlace> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(no) = self.may_enter(&held, caller) {
            let crowded = held.all >= self.places.all / 2;
            drop(held);
            if crowded && !self.crowded.swap(true, Ordering::Relaxed) {
                tracing::warn!(of = self.what, "too many at once: some callers are turned away");
            }
            return Err(no);
        }
        held.all += 1;
        if let Some(caller) = caller {
            *held.by_caller.entry(caller).or_default() += 1;
        }
        Ok(Place { crowd: Arc::clone(self), caller })
    }

    fn may_enter(
        &self,
        held: &Held,
        caller: Option<CertificateFingerprint>,
    ) -> Result<(), NoPlace> {
        let Places { all: most, when_crowded, a_caller, always } = self.places;
        let all = if self.crowded.load(Ordering::Relaxed) { when_crowded } else { most };
        let Some(caller) = caller else {
            return if held.all < all { Ok(()) } else { Err(NoPlace::Full) };
        };
        let own = held.by_caller.get(&caller).copied().unwrap_or(0);
        let callers = held.by_caller.len() + usize::from(own == 0);
        let share = (all / callers).max(always);
        let crowded = held.all >= all / 2;
        if own < always {
            return if held.all < 2 * most { Ok(()) } else { Err(NoPlace::Full) };
        }
        if own >= a_caller || (crowded && own >= share) {
            return Err(NoPlace::OwnShare);
        }
        if held.all < all { Ok(()) } else { Err(NoPlace::Full) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.crowd.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.all -= 1;
        if let Some(caller) = self.caller
            && let Some(own) = held.by_caller.get_mut(&caller)
        {
            *own -= 1;
            if *own == 0 {
                held.by_caller.remove(&caller);
            }
        }
        if held.all < self.crowd.places.when_crowded / 2 {
            self.crowd.crowded.store(false, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: Places = Places { all: 12, when_crowded: 12, a_caller: 8, always: 2 };

    fn caller(n: u8) -> Option<CertificateFingerprint> {
        Some(CertificateFingerprint::from_bytes([n; 32]))
    }

    /// As many places as a caller gets, one after the other.
    fn take(crowd: &Arc<Crowd>, n: u8) -> (Vec<Place>, NoPlace) {
        let mut places = Vec::new();
        loop {
            match crowd.enter(caller(n)) {
                Ok(place) => places.push(place),
                Err(no) => return (places, no),
            }
        }
    }

    #[test]
    fn who_comes_alone_has_what_one_may_have_and_gives_it_back() {
        let crowd = Crowd::new("tests", PLACES);
        let (places, no) = take(&crowd, 1);
        assert_eq!((places.len(), no), (8, NoPlace::OwnShare));
        drop(places);
        assert_eq!(take(&crowd, 1).0.len(), 8);
        assert!(crowd.held.lock().unwrap().by_caller.is_empty());
    }

    #[test]
    fn a_greedy_caller_leaves_the_others_theirs() {
        let crowd = Crowd::new("tests", PLACES);
        let (mut greedy, _) = take(&crowd, 1);
        // The second shares with the first what is left, and who comes later has a few, beyond
        // what there is.
        let (second, no) = take(&crowd, 2);
        assert_eq!((second.len(), no), (4, NoPlace::Full));
        let (third, no) = take(&crowd, 3);
        assert_eq!((third.len(), no), (2, NoPlace::Full));
        // The greedy one gets no further place before it is down to its share.
        for _ in 0..4 {
            greedy.pop();
            assert_eq!(crowd.enter(caller(1)).unwrap_err(), NoPlace::OwnShare);
        }
        greedy.pop();
        assert!(crowd.enter(caller(1)).is_ok());
    }

    #[test]
    fn a_crowd_is_let_in_in_smaller_groups_until_it_is_gone() {
        let crowd = Crowd::new("tests", Places { when_crowded: 4, ..PLACES });
        let (mut first, _) = take(&crowd, 1);
        let (second, _) = take(&crowd, 2);
        // The first one had all that one may have, and wanted more.
        assert_eq!((first.len(), second.len()), (8, 2));
        drop(second);
        // Eight places are free, and not given.
        first.truncate(4);
        assert_eq!(crowd.enter(caller(1)).unwrap_err(), NoPlace::OwnShare);
        first.truncate(1);
        assert_eq!(take(&crowd, 1).0.len(), 7, "it is over");
    }

    #[test]
    fn there_is_an_end_for_ever_so_many_callers() {
        let crowd = Crowd::new("tests", PLACES);
        let places: Vec<_> = (0..100).map_while(|n| crowd.enter(caller(n)).ok()).collect();
        assert_eq!(places.len(), 24);
        assert_eq!(crowd.enter(None).unwrap_err(), NoPlace::Full);
    }
}
