//! How long the store takes.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use std::time::Duration;

/// Buckets from a quarter of a millisecond to eight seconds.
#[must_use]
pub fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 2.0, 16))
}

/// What for a connection was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Access {
    access: &'static str,
}

/// Times of the store: times of all work together, which say nothing of any of it.
#[derive(Debug, Clone)]
pub struct StoreMeters {
    waits: Family<Access, Histogram, fn() -> Histogram>,
    commits: Histogram,
}

impl Default for StoreMeters {
    fn default() -> Self {
        Self { waits: Family::new_with_constructor(seconds), commits: seconds() }
    }
}

impl StoreMeters {
    /// A transaction that only reads began, after so long a wait for a connection.
    pub fn began_reading(&self, waited: Duration) {
        self.waits.get_or_create(&Access { access: "read" }).observe(waited.as_secs_f64());
    }

    /// The same of one that writes.
    pub fn began_writing(&self, waited: Duration) {
        self.waits.get_or_create(&Access { access: "write" }).observe(waited.as_secs_f64());
    }

    /// Acts were committed together with their leaves.
    pub fn committed(&self, took: Duration) {
        self.commits.observe(took.as_secs_f64());
    }

    /// Has them shown.
    pub fn register(&self, registry: &mut Registry) {
        let waits = "How long transactions waited to begin";
        registry.register("store_wait_seconds", waits, self.waits.clone());
        let commits = "How long the sequencer's commits took: acts and their leaves together";
        registry.register("store_commit_seconds", commits, self.commits.clone());
    }
}
