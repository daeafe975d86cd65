//! Calls: how many, how they ended, how long they took.

use super::{Stepped, seconds};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::{sync::Arc, time::Duration};

/// What a call is counted as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counted {
    /// As its method, `package.Service/Method`.
    Method(Arc<str>),
    /// With all others that are each about one person.
    AboutAPerson,
}

impl Counted {
    /// The word for it in a span.
    #[must_use]
    pub fn word(&self) -> Arc<str> {
        match self {
            Self::Method(name) => Arc::clone(name),
            Self::AboutAPerson => Arc::from("about_a_person"),
        }
    }
}

/// A method.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct MethodLabel {
    rpc_method: Arc<str>,
}

/// A method, and how its call ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallLabels {
    rpc_method: Arc<str>,
    grpc_code: &'static str,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    grpc_code: &'static str,
}

/// Calls over gRPC.
#[derive(Debug, Clone)]
pub struct CallMeters {
    ended: Family<CallLabels, Counter>,
    took: Family<MethodLabel, Histogram, fn() -> Histogram>,
    about_a_person: Family<CodeLabel, Stepped>,
    open: Gauge,
}

impl Default for CallMeters {
    fn default() -> Self {
        Self {
            ended: Family::default(),
            took: Family::new_with_constructor(seconds),
            about_a_person: Family::default(),
            open: Gauge::default(),
        }
    }
}

impl CallMeters {
    /// A call began.
    pub fn began(&self) {
        self.open.inc();
    }

    /// A call ended, however.
    pub fn ended(&self, counted: &Counted, grpc_code: &'static str, took: Duration) {
        self.open.dec();
        match counted {
            Counted::AboutAPerson => {
                self.about_a_person.get_or_create(&CodeLabel { grpc_code }).add(1);
            }
            Counted::Method(method) => {
                let rpc_method = Arc::clone(method);
                self.took
                    .get_or_create(&MethodLabel { rpc_method: Arc::clone(&rpc_method) })
                    .observe(took.as_secs_f64());
                self.ended.get_or_create(&CallLabels { rpc_method, grpc_code }).inc();
            }
        }
    }

    /// Calls that are open now.
    #[must_use]
    pub fn open(&self) -> i64 {
        self.open.get()
    }

    /// Has them shown.
    pub fn register(&self, registry: &mut Registry) {
        let ended = "Calls that ended, by method and status";
        registry.register("rpc_calls", ended, self.ended.clone());
        let took = "How long calls took, streams included";
        registry.register("rpc_seconds", took, self.took.clone());
        let persons = "Calls that ended and were about one person each, in steps of ten";
        registry.register("rpc_person_calls", persons, self.about_a_person.clone());
        registry.register("rpc_open_calls", "Calls that are open now", self.open.clone());
    }
}
