//! The files of TLS, exchanged while the gateway serves: certificates, keys, authorities, lists of what
//! was revoked.
//!
//! A listener's files are one set, read whole and taken whole. A set that can't be read, or whose
//! parts don't belong together (a certificate that came before its key), changes nothing: the old one
//! goes on, one line says what is wrong, and it is tried again when it changes. It is contents that
//! are compared, so a file that was only touched is none that changed.
//!
//! A new certificate and key are shown from the next handshake on; open connections go on. New
//! authorities and lists judge open connections, too, at their next request ([`Trust`]).
//!
//! Partners' certificates and token keys need none of this: they are in the register, which each call
//! asks; and keys of identity providers are fetched from them.

use super::{
    ServeError, TlsError,
    serve::read,
    tls::{ALPN_H2, ALPN_HTTP1, client_verifier, configured},
};
use crate::identity::{Clock, Trust};
use arc_swap::ArcSwap;
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use rustls::{ServerConfig, server::danger::ClientCertVerifier};
use sha2::{Digest, Sha256};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// How often files are compared.
const EVERY: Duration = Duration::from_secs(2);

/// Whom a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// Callers of gRPC, who show certificates.
    Callers,
    /// Readers of the log, who may.
    Readers,
    /// Browsers, who are asked for none.
    Browsers,
}

/// A listener's files.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    /// The authority of client certificates, where they are asked for.
    pub(super) client_ca: Option<PathBuf>,
    pub(super) client_crl: Option<PathBuf>,
}

/// What is in use, and the set that was refused last, by digests of their contents.
#[derive(Default)]
struct Seen {
    in_use: [u8; 32],
    refused: Option<[u8; 32]>,
}

/// A listener's TLS, kept up with its files.
pub(super) struct Guarded {
    name: &'static str,
    callers: For,
    files: Files,
    clock: Arc<dyn Clock>,
    config: Arc<ArcSwap<ServerConfig>>,
    trust: Option<Arc<Trust>>,
    seen: Mutex<Seen>,
}

/// A set of files, read.
struct Set {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    client_ca: Option<Vec<u8>>,
    client_crl: Option<Vec<u8>>,
}

type Clients = Arc<dyn ClientCertVerifier>;

impl Set {
    fn read(files: &Files) -> Result<Self, ServeError> {
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: Zeroizing::new(read(&files.key)?),
            client_ca: files.client_ca.as_ref().map(read).transpose()?,
            client_crl: files.client_crl.as_ref().map(read).transpose()?,
        })
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        let parts = [Some(&self.certificate), self.client_ca.as_ref(), self.client_crl.as_ref()];
        for part in parts.into_iter().flatten().chain([&*self.key]) {
            digest.update(Sha256::digest(part));
        }
        digest.finalize().into()
    }

    fn configure(
        &self,
        callers: For,
        clock: &Arc<dyn Clock>,
    ) -> Result<(ServerConfig, Option<Clients>), TlsError> {
        let required = callers == For::Callers;
        let clients = match &self.client_ca {
            Some(ca) => Some(client_verifier(ca, self.client_crl.as_deref(), required)?),
            None => None,
        };
        let protocols: &[&[u8]] = if required { &[ALPN_H2] } else { &[ALPN_H2, ALPN_HTTP1] };
        let (own, clock) = ((&*self.certificate, &**self.key), Arc::clone(clock));
        Ok((configured(own, clients.clone(), clock, protocols)?, clients))
    }
}

impl Guarded {
    /// Reads a listener's files.
    pub(super) fn read(
        (name, callers): (&'static str, For),
        files: Files,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, ServeError> {
        let set = Set::read(&files)?;
        let (config, clients) = set.configure(callers, clock)?;
        Ok(Self {
            name,
            callers,
            files,
            clock: Arc::clone(clock),
            config: Arc::new(ArcSwap::from_pointee(config)),
            trust: clients.map(|clients| Arc::new(Trust::new(clients))),
            seen: Mutex::new(Seen { in_use: set.digest(), refused: None }),
        })
    }

    /// What the listener's handshakes go by.
    pub(super) fn config(&self) -> Arc<ArcSwap<ServerConfig>> {
        Arc::clone(&self.config)
    }

    /// What its open connections are judged by.
    pub(super) fn trust(&self) -> Option<Arc<Trust>> {
        self.trust.clone()
    }

    /// Takes the files as they are now, where they are others; tells whether they are those in use.
    fn look(&self, meters: &ReloadMeters) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let listener = self.name;
        let set = match Set::read(&self.files) {
            Ok(set) => set,
            Err(error) => {
                // Once, and again when something else is wrong.
                if seen.refused.replace([0; 32]) != Some([0; 32]) {
                    tracing::warn!(listener, %error, "new files are refused; the old go on");
                }
                return false;
            }
        };
        let digest = set.digest();
        if digest == seen.in_use {
            seen.refused = None;
            return true;
        }
        match set.configure(self.callers, &self.clock) {
            Ok((config, clients)) => {
                self.config.store(Arc::new(config));
                if let (Some(trust), Some(clients)) = (&self.trust, clients) {
                    trust.exchange(&clients);
                }
                *seen = Seen { in_use: digest, refused: None };
                meters.taken.inc();
                tracing::info!(listener, "new certificates, authorities or lists are in use");
                true
            }
            Err(error) => {
                if seen.refused.replace(digest) != Some(digest) {
                    tracing::warn!(listener, %error, "new files are refused; the old go on");
                }
                false
            }
        }
    }
}

/// How exchanges went.
#[derive(Debug, Clone, Default)]
pub(super) struct ReloadMeters {
    taken: Counter,
    refused: Gauge,
}

impl ReloadMeters {
    /// Has them shown.
    pub(super) fn register(&self, registry: &mut Registry) {
        let taken = "Sets of TLS files that were exchanged while serving";
        registry.register("tls_exchanges", taken, self.taken.clone());
        let refused = "Listeners whose TLS files, as they are now, are refused";
        registry.register("tls_refused_sets", refused, self.refused.clone());
    }
}

/// Keeps all listeners up with their files.
pub(super) struct Reloader {
    guarded: Vec<Guarded>,
    meters: ReloadMeters,
}

impl Reloader {
    /// Of these listeners.
    pub(super) fn new(guarded: Vec<Guarded>) -> Self {
        Self { guarded, meters: ReloadMeters::default() }
    }

    /// How exchanges went.
    pub(super) const fn meters(&self) -> &ReloadMeters {
        &self.meters
    }

    /// Looks at every file now; tells whether all are in use as they are.
    pub(super) fn look(&self) -> bool {
        let wrong = self.guarded.iter().filter(|one| !one.look(&self.meters)).count();
        self.meters.refused.set(i64::try_from(wrong).unwrap_or(i64::MAX));
        wrong == 0
    }

    /// Looks from time to time.
    pub(super) async fn keep_looking(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = time::sleep(EVERY) => {}
            }
            self.look();
        }
    }
}
