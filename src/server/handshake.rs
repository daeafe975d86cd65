//! What failed handshakes are counted as, and how many may run at once.
//!
//! Whoever can reach the port can make a handshake fail, so failures are counted and become
//! one aggregated access-log leaf a minute: nobody without a certificate can flood the log.

use crate::grpc;
use rustls::{CertificateError, Error};
use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How a handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HandshakeFailure {
    /// The client showed no certificate.
    NoCertificate,
    /// Its certificate was signed by an authority that is not ours.
    UnknownCa,
    /// Its certificate has expired, is for another purpose, or is malformed.
    BadCertificate,
    /// It did not finish in time.
    Timeout,
    /// It speaks another version, offers no common suite or no HTTP/2, or no TLS at all.
    Protocol,
    /// One address had too many unfinished handshakes, or one certificate too many connections.
    Crowded,
    /// It hung up, or refused us.
    Other,
}

impl HandshakeFailure {
    /// Every class, in the order of a tally.
    pub const ALL: [Self; 7] = [
        Self::NoCertificate,
        Self::UnknownCa,
        Self::BadCertificate,
        Self::Timeout,
        Self::Protocol,
        Self::Crowded,
        Self::Other,
    ];

    /// The stable word for it, for the operator; the aggregated leaf says only how many.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NoCertificate => "no_certificate",
            Self::UnknownCa => "unknown_ca",
            Self::BadCertificate => "bad_certificate",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::Crowded => "crowded",
            Self::Other => "other",
        }
    }

    /// The class of an error that the accepting side met.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
            return Self::Other;
        };
        match tls {
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            ) => Self::UnknownCa,
            Error::InvalidCertificate(_) => Self::BadCertificate,
            Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::InvalidMessage(_)
            | Error::PeerIncompatible(_)
            | Error::PeerMisbehaved(_)
            | Error::PeerSentOversizedRecord
            | Error::DecryptError
            | Error::NoApplicationProtocol => Self::Protocol,
            _ => Self::Other,
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::NoCertificate => 0,
            Self::UnknownCa => 1,
            Self::BadCertificate => 2,
            Self::Timeout => 3,
            Self::Protocol => 4,
            Self::Crowded => 5,
            Self::Other => 6,
        }
    }
}

/// Failed handshakes since they were last taken, and since the process began.
#[derive(Debug, Default)]
pub struct HandshakeFailures {
    since: [AtomicU64; HandshakeFailure::ALL.len()],
    ever: [AtomicU64; HandshakeFailure::ALL.len()],
}

impl HandshakeFailures {
    /// One more.
    pub fn count(&self, failure: HandshakeFailure) {
        self.since[failure.index()].fetch_add(1, Ordering::Relaxed);
        self.ever[failure.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// How many of one class there were, whether or not a leaf has told them.
    #[must_use]
    pub fn ever(&self, failure: HandshakeFailure) -> u64 {
        self.ever[failure.index()].load(Ordering::Relaxed)
    }

    /// What failed since the last call, for the minute's leaf; `None` when nothing did. The
    /// caller owns what it took: a leaf that could not be written is [`Self::put_back`].
    #[must_use]
    pub fn take(&self) -> Option<HandshakeTally> {
        let mut counts = [0; HandshakeFailure::ALL.len()];
        for (count, counter) in counts.iter_mut().zip(&self.since) {
            *count = counter.swap(0, Ordering::Relaxed);
        }
        let tally = HandshakeTally(counts);
        (tally.total() > 0).then_some(tally)
    }

    /// Returns a tally whose leaf was not written, so that the next minute's has it.
    pub fn put_back(&self, tally: &HandshakeTally) {
        for (counter, count) in self.since.iter().zip(tally.0) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }
}

/// Failed handshakes of one minute, by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeTally([u64; HandshakeFailure::ALL.len()]);

impl HandshakeTally {
    /// How many of one class.
    #[must_use]
    pub const fn of(&self, failure: HandshakeFailure) -> u64 {
        self.0[failure.index()]
    }

    /// How many in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Each class that happened, with its number.
    pub fn iter(&self) -> impl Iterator<Item = (HandshakeFailure, u64)> + '_ {
        HandshakeFailure::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

/// What strangers may cost us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeLimits {
    /// How long one handshake may take.
    pub time_limit: Duration,
    /// How many run at once; beyond, connections wait in the kernel's backlog.
    pub concurrent: usize,
    /// How many of them one address may have; beyond, its connections are closed at once.
    pub per_address: usize,
    /// Connections whose handshake is done, and how many of them one certificate may have.
    pub connections: grpc::Places,
}

impl Default for HandshakeLimits {
    /// 5 seconds, 512 at once, a quarter of them from one address; then 4,096 connections.
    fn default() -> Self {
        Self {
            time_limit: Duration::from_secs(5),
            concurrent: 512,
            per_address: 128,
            connections: grpc::Places {
                all: 4_096,
                when_crowded: 4_096,
                a_caller: 2_048,
                always: 8,
            },
        }
    }
}

/// The places for handshakes under way.
#[derive(Debug, Clone)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    per_address: usize,
}

/// One handshake's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Places {
    pub(super) fn new(limits: &HandshakeLimits) -> Self {
        Self {
            all: Arc::new(Semaphore::new(limits.concurrent.clamp(1, Semaphore::MAX_PERMITS))),
            by_address: Arc::default(),
            per_address: limits.per_address.max(1),
        }
    }

    /// Waits until one more may run; `None` only if the semaphore were closed, which it never is.
    pub(super) async fn free(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// A place for `address`; `None` when it has all that one address may have.
    pub(super) fn take(&self, permit: OwnedSemaphorePermit, address: IpAddr) -> Option<Place> {
        // An IPv6 address and its IPv4-mapped form are one neighbour.
        let address = address.to_canonical();
        let mut held = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = held.entry(address).or_default();
        if *taken >= self.per_address {
            return None;
        }
        *taken += 1;
        Some(Place { _permit: permit, by_address: Arc::clone(&self.by_address), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = held.get_mut(&self.address) {
            *taken -= 1;
            if *taken == 0 {
                held.remove(&self.address);
            }
        }
    }
}
