//! Withdrawing a release that was found wrong: its figures are not shown any more, a notice
//! stands in their place for ever. Nothing is counted again, the quarter stays closed, and
//! what the release cost stays spent: its noise is out, whatever is said of it later.

use super::{Actor, DECISIONS, Denied, Gateway, GatewayError, RefusalKind, Refused};
use crate::{
    audit::{Hash, LeafKind},
    protocol::CallerRole,
    store::{ActError, Effect, Logged, releases::Withdrawal},
};
use sha2::{Digest, Sha256};
use std::sync::Arc;

use super::released::Frozen;

/// The fewest and the most characters of a notice.
const LENGTH: std::ops::RangeInclusive<usize> = 10..=500;
/// The most digits in a row, with whatever marks between them: an NHS number has ten.
const DIGITS: usize = 8;
const RULE: &str = "10 to 500 characters on one line: letters, digits, spaces and plain \
                    punctuation, with at most 8 digits in a row, for everybody to read: never \
                    a person's name, number or address";

/// Whether a text may stand as a notice.
fn is_notice(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || " .,;:!?'\"()/%&+-–—‘’“”£".contains(c);
    let mut run = 0;
    let few_digits = text.chars().all(|c| {
        run = match c {
            '0'..='9' => run + 1,
            ' ' | '-' | '.' | '/' => run,
            _ => 0,
        };
        run <= DIGITS
    });
    let length = text.chars().count();
    LENGTH.contains(&length) && text.trim() == text && text.chars().all(plain) && few_digits
}

impl Gateway {
    /// Withdraws a quarter's release.
    ///
    /// # Errors
    /// For callers who are no data officers; for a malformed notice; `not_found` for a
    /// quarter that is not released, `already_withdrawn`.
    pub async fn withdraw_release(
        &self,
        actor: &Actor,
        quarter: &str,
        notice: &str,
    ) -> Result<Logged<Arc<Frozen>>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer]).await?;
        let quarter = self.read_quarter(actor, quarter).await?;
        for _ in 0..DECISIONS {
            let snapshot = self.snapshot();
            let releases = self.releases(&snapshot).await?;
            let mut leaf = actor.leaf(LeafKind::ReleaseWithdrawn, self);
            leaf.notes.period = Some(quarter);
            leaf.notes.policy_epoch = Some(snapshot.epoch());
            let refused = match releases.of(quarter) {
                _ if !is_notice(notice) => Some(Refused::invalid("notice", RULE)),
                None => Some(Refused::not_found()),
                Some(frozen) if frozen.withdrawn.is_some() => {
                    let sentence = "the release is withdrawn already; its notice stays as it is";
                    Some(Refused::new(RefusalKind::Conflict, "already_withdrawn", sentence))
                }
                Some(frozen) => {
                    leaf.notes.release = Some(Hash::new(*frozen.digest.as_bytes()));
                    None
                }
            };
            let (None, Some(frozen)) = (&refused, releases.of(quarter)) else {
                let refused = refused.unwrap_or_else(Refused::not_found);
                return Err(self.refuse(leaf, refused).await);
            };
            // The log holds no free text: the notice's hash says which it was.
            leaf.notes.document = Some(Hash::new(Sha256::digest(notice).into()));
            let effect = Effect::WithdrawRelease(Box::new(Withdrawal {
                quarter,
                digest: *frozen.digest.as_bytes(),
                notice: notice.to_owned(),
            }));
            match self.commit(leaf, effect, Some(snapshot.epoch())).await {
                Ok(logged) => {
                    let snapshot = self.reload().await?;
                    let releases = self.releases(&snapshot).await?;
                    let frozen = Arc::clone(releases.of(quarter).ok_or(GatewayError::Conflict)?);
                    return Ok(logged.map(|_| frozen));
                }
                Err(ActError::PolicyChanged | ActError::Conflict) => {
                    self.policy_moved(actor).await?;
                }
                Err(error @ (ActError::Unavailable | ActError::Withheld)) => {
                    return Err(error.into());
                }
            }
        }
        Err(GatewayError::Unsettled.into())
    }
}

#[cfg(test)]
mod tests {
    use super::is_notice;

    #[test]
    fn a_notice_is_a_plain_line_without_a_number_that_could_be_somebodys() {
        for good in [
            "Health sent the births of another district; 2026Q2 is right again (see minutes of 12/05/2026).",
            "Registrations of 3 centres were missing.",
            "Écoles: “wrong” – 12.5% too few",
        ] {
            assert!(is_notice(good), "{good}");
        }
        let long = "x".repeat(501);
        for bad in [
            "",
            "too short",
            &long,
            "two lines\nof text",
            " leading space here",
            "tab\there and there",
            "child 999 000 0018 was counted twice",
            "child 9990000018 was counted twice",
            "number 999-000-0018 was counted",
            "<b>markup is not plain</b>",
            "uses a _ mark somewhere",
        ] {
            assert!(!is_notice(bad), "{bad}");
        }
    }
}
