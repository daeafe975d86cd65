//! What a correction takes over from the record whose place it takes.
//!
//! Why it exists: a birth or a referral is counted in the quarter that first knew of it. A
//! correction that were known only from its own day would be counted a second time, and one
//! person would then be in a table more often than the ledger was charged for. So it is known
//! since its predecessor was, through any number of corrections. Withdrawing and sending anew
//! under another id does not do that.

use super::{Intake, keyed::KeyedBatch};
use crate::{
    gateway::{GatewayError, forms::Forms},
    keys::{KeysInUse, PseudonymDomain},
    store::{Tx, records},
};

/// Lets every record that takes another's place be known since that one was.
pub(super) async fn inherit(
    intake: &Intake,
    tx: &mut Tx,
    batch: &mut KeyedBatch,
    keys: &KeysInUse,
) -> Result<(), GatewayError> {
    let earlier = batch.superseded();
    if earlier.is_empty() {
        return Ok(());
    }
    let forms = Forms::of(keys, PseudonymDomain::Record, &earlier)?;
    let mut known = Vec::new();
    for (key, sent) in records::sent(tx, intake.feed, forms.all()).await? {
        // One that was let go or never used says nothing any more.
        if sent.accepted
            && let Some(day) = records::known_since(tx, sent.batch, sent.event_number).await?
        {
            known.push((forms.current(key), day));
        }
    }
    Ok(batch.inherit(known)?)
}
