//! The day's turn: protocols whose last day has passed are noted as expired, in the log.
//!
//! They stop by themselves, as the decision asks the clock too; this only says so, once, and where
//! nobody asks. Of several gateways one writes it: the line changes only from what was seen.

use super::{changed, reference};
use crate::{
    audit::{Leaf, LeafKind},
    gateway::{DECISIONS, Gateway, GatewayError},
    protocol::{Act, State},
    store::{ActError, Effect},
};

impl Gateway {
    /// Notes every protocol in force whose last day has passed as expired.
    ///
    /// # Errors
    /// When the store or the log can't be written.
    pub async fn expire_protocols(&self) -> Result<(), GatewayError> {
        let mut attempts = 0;
        while let Some((leaf, effect, epoch)) = self.next_expiry()? {
            match self.commit(leaf, effect, Some(epoch)).await {
                Ok(_) => attempts = 0,
                // Another act came between, or another gateway wrote it: look again.
                Err(ActError::Conflict | ActError::PolicyChanged) if attempts < DECISIONS => {
                    attempts += 1;
                }
                Err(error) => return Err(error.into()),
            }
            self.reload().await?;
        }
        Ok(())
    }

    fn next_expiry(&self) -> Result<Option<(Leaf, Effect, u64)>, GatewayError> {
        let (snapshot, today) = (self.snapshot(), self.today());
        for record in snapshot.protocols() {
            let Some((document, life)) = record.agreed() else { continue };
            let in_force = matches!(life.state(), State::Active | State::Suspended);
            if !in_force {
                continue;
            }
            let Ok(next) = life.after(&Act::Expire { today }, document) else { continue };
            let mut leaf = Leaf::new(LeafKind::ProtocolExpired, self.now());
            leaf.protocol = Some(reference(&record.stored));
            leaf.notes.policy_epoch = Some(snapshot.epoch());
            let change = changed(record, &next)?;
            return Ok(Some((leaf, Effect::PutProtocol(Box::new(change)), snapshot.epoch())));
        }
        Ok(None)
    }
}
