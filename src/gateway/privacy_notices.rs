//! A sender states which privacy notice is in force, since when, and how it is given (UK GDPR art
//! 14): what a flow with `consent: notice` rests on ([`crate::protocol::notices`] has the rule).
//!
//! The gateway can't see that anybody was told; it keeps who said so, and when. Intake asks for a
//! notice in force at a stream's opening, and again whenever the policy or the day changes.

use super::{Actor, Denied, Gateway, Refused, decide::Decided};
use crate::{
    audit::{LeafKind, Token},
    domain::{
        RecordType,
        field::{Rule, parse_date},
        time::epoch_day,
    },
    protocol::{
        CallerRole,
        notices::{NoticeMeans, PrivacyNotice},
    },
    store::{Effect, Logged, Rights, privacy_notices},
};

/// A privacy notice as its sender states it.
#[derive(Debug, Clone)]
pub struct StatedNotice {
    /// The record type that it is about.
    pub record_type: String,
    /// Its version, as the sender names it: 1 to 64 letters, digits and `. _ : / - [ ] ( )`.
    pub version: String,
    /// How it is given.
    pub means: Option<NoticeMeans>,
    /// The first day that it is in force, `YYYY-MM-DD`.
    pub since: String,
    /// The last, `YYYY-MM-DD`; empty where it has none yet.
    pub until: String,
}

impl Gateway {
    /// Records that a privacy notice of the caller's own is in force, or when it ends.
    ///
    /// # Errors
    /// `wrong_role` but for providers; a violation for what is malformed.
    pub async fn record_notice(
        &self,
        actor: &Actor,
        stated: &StatedNotice,
    ) -> Result<Logged<()>, Denied> {
        self.require(actor, &[CallerRole::Provider]).await?;
        let notice = match read(actor, stated) {
            Ok(notice) => notice,
            Err((field, rule)) => {
                let refused = Refused::invalid(field, rule.sentence());
                return Err(self.refuse_malformed(actor, refused).await);
            }
        };
        let logged = self
            .settle(actor, |_| {
                let mut leaf = actor.leaf(LeafKind::PrivacyNoticeRecorded, self);
                leaf.notes.record_type = Some(notice.record_type);
                leaf.notes.cause = notice.means.code().parse().ok();
                let effect = Effect::PutNotice(Box::new(notice.clone()));
                Ok(Decided { leaf, effect, answer: () })
            })
            .await?;
        self.reload().await?;
        Ok(logged.map(|_| ()))
    }

    /// Every statement about privacy notices, the oldest first: a provider's own, or everybody's.
    ///
    /// # Errors
    /// `wrong_role` but for providers, data officers and auditors.
    pub async fn privacy_notices(
        &self,
        actor: &Actor,
    ) -> Result<Logged<Vec<PrivacyNotice>>, Denied> {
        let roles = [CallerRole::Provider, CallerRole::DataOfficer, CallerRole::Auditor];
        self.require(actor, &roles).await?;
        let sees_all = actor.may_be(CallerRole::DataOfficer) || actor.may_be(CallerRole::Auditor);
        let mut tx = self.store.read(Rights::Figures).await?;
        let mut all = privacy_notices::all(&mut tx).await?;
        drop(tx);
        all.retain(|notice| sees_all || notice.partner == actor.partner);
        let leaf = self.look(actor, "privacy_notices");
        Ok(self.commit_for(actor, leaf, || Effect::None).await?.map(|_| all))
    }
}

fn read(actor: &Actor, stated: &StatedNotice) -> Result<PrivacyNotice, (&'static str, Rule)> {
    let record_type: RecordType =
        stated.record_type.parse().map_err(|_| ("record_type", Rule::UnknownCode))?;
    // Kept as it is, so it takes no free text that could name somebody.
    if stated.version.parse::<Token>().is_err() {
        return Err(("version", Rule::NoticeForm));
    }
    let means = stated.means.ok_or(("means", Rule::Missing))?;
    let since = parse_date(&stated.since).map_err(|rule| ("in_force_from", rule))?;
    let until = match stated.until.as_str() {
        "" => None,
        day => Some(parse_date(day).map_err(|rule| ("in_force_until", rule))?),
    };
    if until.is_some_and(|until| until < since) {
        return Err(("in_force_until", Rule::EndBeforeStart));
    }
    Ok(PrivacyNotice {
        partner: actor.partner.clone(),
        record_type,
        version: stated.version.clone(),
        means,
        since: epoch_day(since),
        until: until.map(epoch_day),
    })
}
