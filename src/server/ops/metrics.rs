//! The numbers at `/metrics`: those that other rooms count, and those that are looked up when they
//! are asked for. What may be among them, and why each is safe: [`crate::meters`].

use super::process;
use crate::{
    gateway::{Gateway, Projector, Published, Watched},
    meters::CallMeters,
    server::{HandshakeFailure, HandshakeFailures, reload::ReloadMeters},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _, text::encode},
    metrics::{counter::ConstCounter, family::Family, gauge::Gauge},
    registry::Registry,
};
use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
};

/// What Prometheus asks for and reads.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Fraction = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabel {
    version: &'static str,
}

/// Where numbers come from.
pub(in crate::server) struct Sources<'a> {
    pub(in crate::server) gateway: &'a Gateway,
    pub(in crate::server) calls: &'a CallMeters,
    pub(in crate::server) failures: &'a Arc<HandshakeFailures>,
    pub(in crate::server) projector: &'a Projector,
    pub(in crate::server) published: &'a Published,
    pub(in crate::server) reloads: &'a ReloadMeters,
}

/// All numbers.
pub(in crate::server) struct Metrics {
    registry: Registry,
    projector: Projector,
    published: Published,
    ready: Gauge,
    witnesses: Family<StateLabel, Gauge>,
    log_size: Gauge,
    tick_age: Fraction,
    releases: Gauge,
    budget_spent: Fraction,
    protocols: Gauge,
    expiry: Gauge,
    review: Gauge,
    memory: Gauge,
    files: Gauge,
}

/// Failed handshakes by class, read where they are counted.
struct Handshakes(Arc<HandshakeFailures>);

impl fmt::Debug for Handshakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshakes")
    }
}

impl Collector for Handshakes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let kind = ConstCounter::new(0_u64).metric_type();
        let help = "TLS handshakes that failed, by class";
        let mut family = encoder.encode_descriptor("handshake_failures", help, None, kind)?;
        for failure in HandshakeFailure::ALL {
            let labels = ReasonLabel { reason: failure.reason() };
            let counter = ConstCounter::new(self.0.ever(failure));
            counter.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Metrics {
    /// Everything, from where it is counted.
    pub(in crate::server) fn new(sources: &Sources<'_>) -> Self {
        let mut registry = Registry::with_prefix("tallygate");
        sources.calls.register(&mut registry);
        sources.gateway.intake_meters().register(&mut registry);
        sources.gateway.store().meters().register(&mut registry);
        registry.register_collector(Box::new(Handshakes(Arc::clone(sources.failures))));
        sources.reloads.register(&mut registry);
        let build = Family::<BuildLabel, Gauge>::default();
        build.get_or_create(&BuildLabel { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("build", "The program's version", build);
        let witnesses = Family::<StateLabel, Gauge>::default();
        let help = "1 for where the witnesses of the log stand";
        registry.register("witnesses", help, witnesses.clone());
        let mut gauge = |name, help| {
            let gauge = Gauge::default();
            registry.register(name, help, Gauge::clone(&gauge));
            gauge
        };
        let ready = gauge("ready", "Whether callers should be sent here");
        let log_size = gauge("log_entries", "Entries of the access log as of its last tick");
        let releases = gauge("releases", "Releases there are");
        let protocols = gauge("protocols_running", "Protocols that run");
        let expiry = gauge("protocol_expiry_days", "Days until the first running protocol ends");
        let review = gauge("protocol_review_days", "Days until the first review of one is due");
        let memory = gauge("process_resident_memory_bytes", "Memory that the process holds");
        let files = gauge("process_open_files", "Files and connections that it has open");
        let mut fraction = |name, help| {
            let gauge = Fraction::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let help = "What the dearest life was charged, as a part of what is allowed";
        let budget_spent = fraction("budget_spent_ratio", help);
        let tick_age = fraction("log_tick_age_seconds", "Since the log was last published");
        Self {
            registry,
            projector: sources.projector.clone(),
            published: sources.published.clone(),
            ready,
            witnesses,
            log_size,
            tick_age,
            releases,
            budget_spent,
            protocols,
            expiry,
            review,
            memory,
            files,
        }
    }

    /// All of them, looked up now. Where one can't be looked up, what was known of it stays.
    pub(super) async fn text(&self, gateway: &Gateway, ready: bool) -> Result<String, fmt::Error> {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.ready.set(i64::from(ready));
        let stands = gateway.watched();
        for state in Watched::ALL {
            let gauge = self.witnesses.get_or_create_owned(&StateLabel { state: state.word() });
            gauge.set(i64::from(state == stands));
        }
        if let Ok(checkpoint) = self.published.checkpoint().await {
            self.log_size.set(number(checkpoint.size));
        }
        self.tick_age.set(self.projector.tick_age().as_secs_f64());
        if let Ok(numbers) = gateway.numbers().await {
            self.releases.set(number(numbers.releases));
            self.budget_spent.set(numbers.budget_spent);
            self.protocols.set(number(numbers.protocols));
            self.expiry.set(numbers.next_expiry_days.map_or(i64::MAX, i64::from));
            self.review.set(numbers.next_review_days.map_or(i64::MAX, i64::from));
        }
        if let Some(bytes) = process::resident_bytes() {
            self.memory.set(number(bytes));
        }
        if let Some(files) = process::open_files() {
            self.files.set(number(files));
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
