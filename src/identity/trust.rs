//! Which client certificates are trusted now, for connections that are open already.
//!
//! A handshake judges a certificate once, and a connection may live for days. So each connection
//! keeps the certificates that it showed, and whoever recognises its callers has them judged again,
//! by the very verifier of the handshakes, whenever authorities or revocation lists were exchanged
//! since, and once a minute in any case: a certificate that was revoked, or has expired, is refused at
//! its next request.

use super::Peer;
use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::UnixTime;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long a judgement holds while nothing was exchanged.
const HOLDS: SignedDuration = SignedDuration::from_secs(60);

/// What certificates are judged by.
struct Judge {
    /// Which exchange this came with.
    number: u64,
    verifier: Arc<dyn ClientCertVerifier>,
}

/// The authorities and revocation lists of a listener, exchanged whole.
pub struct Trust(ArcSwap<Judge>);

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trust").field(&self.0.load().number).finish()
    }
}

/// When a connection's certificates were last found good, and by which judge.
#[derive(Debug, Clone, Default)]
pub(super) struct Judged(Arc<Mutex<Option<(u64, Timestamp)>>>);

impl Trust {
    /// By a listener's verifier.
    #[must_use]
    pub fn new(verifier: Arc<dyn ClientCertVerifier>) -> Self {
        Self(ArcSwap::from_pointee(Judge { number: 0, verifier }))
    }

    /// By another one from now on.
    pub fn exchange(&self, verifier: &Arc<dyn ClientCertVerifier>) {
        self.0.rcu(|held| Judge { number: held.number + 1, verifier: Arc::clone(verifier) });
    }

    /// Whether a connection's certificates are good now.
    pub(super) fn holds(&self, peer: &Peer, judged: &Judged, now: Timestamp) -> bool {
        let judge = self.0.load();
        let mut judged = judged.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((number, at)) = *judged {
            let age = now.duration_since(at);
            // A clock that was set back judges anew.
            if number == judge.number && !age.is_negative() && age < HOLDS {
                return true;
            }
        }
        let Some((leaf, chain)) = peer.certificates().split_first() else { return false };
        let Ok(seconds) = u64::try_from(now.as_second()) else { return false };
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let good = judge.verifier.verify_client_cert(leaf, chain, time).is_ok();
        *judged = good.then_some((judge.number, now));
        good
    }
}
