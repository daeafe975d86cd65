//! What `tallygate bench` times of the gateway's inside. Nothing that was looked up leaves here: what
//! is not in the log is nobody's answer.

use super::{Actor, Gateway, GatewayError, figures::CardRequest};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// What looking a card up took, and copying the same card, call by call.
#[derive(Debug, Default)]
pub(crate) struct LookUps {
    /// Permits, figures and their texts: all that comes before the log's commit.
    pub(crate) looked_up: Vec<Duration>,
    /// The bare copies.
    pub(crate) copied: Vec<Duration>,
}

impl Gateway {
    /// Times look-ups of one card, each followed by a copy of it; nothing where it is refused.
    ///
    /// # Errors
    /// When the releases can't be read.
    pub(crate) async fn time_card(
        &self,
        actor: &Actor,
        request: &CardRequest,
        calls: u64,
    ) -> Result<LookUps, GatewayError> {
        let mut times = LookUps::default();
        for _ in 0..calls {
            let begun = Instant::now();
            let snapshot = self.snapshot();
            let releases = self.releases(&snapshot).await?;
            let Ok(granted) = self.decide_card(actor, request, &snapshot, &releases) else {
                return Ok(LookUps::default());
            };
            times.looked_up.push(begun.elapsed());
            let begun = Instant::now();
            black_box(granted.answer.clone());
            times.copied.push(begun.elapsed());
        }
        Ok(times)
    }
}
