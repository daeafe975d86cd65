//! Whoever asks on and on, whatever it is told, is not listened to for a moment: what it sends
//! waits in its own machine, where it costs nobody else anything.

use std::sync::atomic::{AtomicBool, Ordering};

/// A connection's wish not to be read for a moment, from whoever answers it to whoever reads it.
#[derive(Debug, Default)]
pub struct Pause(AtomicBool);

impl Pause {
    /// Asks for it.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked for since the last look.
    pub fn take(&self) -> bool {
        // Nearly always not: a look alone is cheaper.
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}
