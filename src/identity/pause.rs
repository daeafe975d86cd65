//! Whoever asks on and on, whatever it is told, is not listened to for a moment: what it sends
//! waits in its own machine, where it costs nobody else anything. Somebody who is turned away now
//! and then is read as ever: its next call may be taken on.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// Calls in vain that a connection may make at once,
const AT_ONCE: u32 = 32;
/// and time in which one of them is forgotten.
const FORGOTTEN: Duration = Duration::from_millis(20);

/// A connection's calls in vain, and whether it is not to be read for a moment: from whoever answers
/// it to whoever reads it.
#[derive(Debug, Default)]
pub struct Pause {
    in_vain: Mutex<Option<(Instant, u32)>>,
    wanted: AtomicBool,
}

impl Pause {
    /// One more call in vain, now.
    pub fn in_vain(&self, now: Instant) {
        let mut in_vain = self.in_vain.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, calls) = in_vain.unwrap_or((now, 0));
        let forgotten = now.duration_since(since).as_millis() / FORGOTTEN.as_millis();
        let calls = calls.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX)) + 1;
        // Time that is not enough to forget one is not lost.
        let since = if forgotten > 0 { now } else { since };
        if calls > AT_ONCE {
            *in_vain = None;
            self.wanted.store(true, Ordering::Relaxed);
        } else {
            *in_vain = Some((since, calls));
        }
    }

    /// Whether it is to pause, once.
    pub fn take(&self) -> bool {
        // Nearly always not: a look alone is cheaper.
        self.wanted.load(Ordering::Relaxed) && self.wanted.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_turned_away_again_and_again_pauses() {
        let (pause, begun) = (Pause::default(), Instant::now());
        for n in 0..1_000 {
            pause.in_vain(begun + FORGOTTEN * n);
            assert!(!pause.take(), "one at a time");
        }
        let later = begun + FORGOTTEN * 2_000;
        for _ in 0..AT_ONCE {
            pause.in_vain(later);
        }
        assert!(!pause.take());
        pause.in_vain(later);
        assert!(pause.take() && !pause.take(), "once");
        pause.in_vain(later);
        assert!(!pause.take(), "it begins anew");
    }
}
