//! What a running gateway does beside answering: each task ends when the gateway stops.

use super::{HandshakeFailures, HandshakeTally};
use crate::{
    audit::{Leaf, LeafKind, SizeClass},
    config::Config,
    gateway::{Gateway, Projector},
};
use jiff::civil::Date;
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinHandle, time};
use tokio_util::sync::CancellationToken;

/// How often failed handshakes become a leaf.
const TALLY_EVERY: Duration = Duration::from_secs(60);
/// How often it is asked whether a day has ended whose erasures are to be named.
const DAY_CHECK: Duration = Duration::from_secs(600);

/// Begins all of it.
pub(super) fn begin(
    gateway: &Arc<Gateway>,
    failures: &Arc<HandshakeFailures>,
    projector: &Projector,
    config: &Config,
    stop: &CancellationToken,
) -> Vec<JoinHandle<()>> {
    let own = || Arc::clone(gateway);
    vec![
        tokio::spawn(watch_quorum(own(), stop.clone(), config.tick)),
        tokio::spawn(tally(own(), Arc::clone(failures), stop.clone())),
        tokio::spawn(own().keep_rotating(stop.clone())),
        tokio::spawn(own().keep_relinking(stop.clone())),
        tokio::spawn(name_days(own(), config.confirmed_day, stop.clone())),
        tokio::spawn(projector.clone().run(stop.clone(), config.tick)),
        tokio::spawn(projector.clone().keep_cosigning(stop.clone())),
    ]
}

/// Logs when the witnesses' quorum is lost and when it is there again.
async fn watch_quorum(gateway: Arc<Gateway>, stop: CancellationToken, tick: Duration) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = time::sleep(tick) => {}
        }
        if let Err(error) = gateway.note_quorum().await {
            tracing::error!(%error, "the witnesses' quorum could not be logged");
        }
    }
}

/// Logs failed handshakes, one leaf a minute at most, so that nobody can flood the log.
async fn tally(gateway: Arc<Gateway>, failures: Arc<HandshakeFailures>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = time::sleep(TALLY_EVERY) => log_failures(&gateway, &failures).await,
        }
    }
}

/// Lets go of what the protocols' retention ends, and carries out each day's erasures once the
/// day has ended; each is named in its one leaf. What fails is told to the operator and tried
/// again.
async fn name_days(gateway: Arc<Gateway>, confirmed: Option<Date>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = time::sleep(DAY_CHECK) => {}
        }
        if let Err(error) = gateway.expire_protocols().await {
            tracing::error!(%error, "the protocols that have expired could not be noted");
        }
        // First, so that its items are named with the same day's erasures.
        if let Err(error) = gateway.apply_retention(confirmed).await {
            tracing::error!(%error, "the day's retention could not be applied or named");
        }
        if let Err(error) = gateway.name_erasures().await {
            tracing::error!(%error, "the day's erasures could not be carried out or named");
        }
        if let Err(error) = gateway.keep_journal().await {
            tracing::error!(%error, "the journal of erasures could not be written");
        }
    }
}

/// Logs those that failed since it was last done.
pub(super) async fn log_failures(gateway: &Gateway, failures: &HandshakeFailures) {
    let Some(tally) = failures.take() else { return };
    if let Err(error) = gateway.log_of_its_own(tally_leaf(gateway, &tally)).await {
        tracing::error!(%error, "failed handshakes could not be logged");
        failures.put_back(&tally);
    }
}

fn tally_leaf(gateway: &Gateway, tally: &HandshakeTally) -> Leaf {
    let mut leaf = Leaf::new(LeafKind::HandshakesFailed, gateway.now());
    leaf.size_class = Some(SizeClass::of(tally.total()));
    leaf
}
