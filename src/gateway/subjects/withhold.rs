//! What a controller keeps from reports to subjects, by records of its own.
//!
//! The reasons are the exemptions of the Data Protection Act 2018 that children's services
//! use, so that a mark without one is no mark. The answer is the same whether the records are
//! there or not. A mark is kept by the record's key as a suppression: it holds before the record
//! is sent, when it is undone and sent again, and for whatever supersedes it.

use super::super::{Actor, Denied, Gateway, Refused};
use crate::{
    audit::{LeafKind, SizeClass},
    domain::{FeedId, RecordType},
    gateway::consents::reference,
    protocol::{CallerRole, vocabulary::closed},
    store::{Effect, Logged, Rights, access, feeds},
};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The most records that are marked at once.
const MOST_RECORDS: usize = 1_000;

closed! {
    /// Why records are withheld from their subject: a paragraph of the Data Protection Act 2018.
    pub enum WithholdReason {
        ChildAbuse = "dpa_sch3_para21", "child abuse data, where showing it is not in the child's best interests (schedule 3 paragraph 21)";
        SeriousHarmHealth = "dpa_sch3_para5", "health data, where showing it would be likely to cause serious harm (schedule 3 paragraph 5)";
        SeriousHarmSocialWork = "dpa_sch3_para11", "social work data, where showing it would be likely to cause serious harm (schedule 3 paragraph 11)";
        SeriousHarmEducation = "dpa_sch3_para19", "education data, where showing it would be likely to cause serious harm (schedule 3 paragraph 19)";
        Crime = "dpa_sch2_para2", "preventing or detecting crime (schedule 2 paragraph 2)";
        RightsOfOthers = "dpa_sch2_para16", "it would show who somebody else is (schedule 2 paragraph 16)";
        LegalPrivilege = "dpa_sch2_para19", "legal professional privilege (schedule 2 paragraph 19)";
        Adoption = "dpa_sch4_para3", "adoption records (schedule 4 paragraph 3)";
    }
}

/// Records to be marked. No Debug: ids may name somebody.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub struct MarkedRecords {
    /// Their type.
    pub record_type: String,
    /// The sender's ids of them; none for all of the type.
    pub record_ids: Vec<String>,
    /// Whether they are withheld; else they are shown, also what would be withheld by itself.
    pub withheld: bool,
    /// Why.
    #[zeroize(skip)]
    pub reason: Option<WithholdReason>,
}

impl Gateway {
    /// Marks records of the caller's own as withheld from reports to subjects, or as shown.
    /// The answer is how many were named.
    ///
    /// # Errors
    /// `wrong_role` but for providers; a violation for what names no records or no reason.
    pub async fn mark_withheld(
        &self,
        actor: &Actor,
        marked: MarkedRecords,
    ) -> Result<Logged<usize>, Denied> {
        self.require(actor, &[CallerRole::Provider]).await?;
        let (record_type, reason, tokens) = match self.read_marks(actor, &marked) {
            Ok(read) => read,
            Err(refused) => return Err(self.refuse_malformed(actor, refused).await),
        };
        let (withheld, named) = (marked.withheld, marked.record_ids.len());
        drop(marked);
        let records = (named > 0).then_some(tokens);
        let mut tx = self.store.transact(Rights::Intake).await?;
        let feed: FeedId = feeds::feed(&mut tx, &actor.partner, record_type).await?;
        tx.commit().await?;
        let mut leaf = actor.leaf(LeafKind::RecordsWithheld, self);
        leaf.notes.record_type = Some(record_type);
        leaf.notes.cause = reason.code().parse().ok();
        leaf.size_class = Some(SizeClass::of(named as u64));
        let marks = access::Marks { feed, records, withheld, reason: reason.code() };
        let effect = || Effect::Withhold(Box::new(marks.clone()));
        Ok(self.commit_for(actor, leaf, effect).await?.map(|_| named))
    }

    fn read_marks(
        &self,
        actor: &Actor,
        marked: &MarkedRecords,
    ) -> Result<(RecordType, WithholdReason, Vec<[u8; 16]>), Refused> {
        let record_type: RecordType = marked
            .record_type
            .parse()
            .map_err(|_| Refused::invalid("record_type", "no such record type"))?;
        let reason =
            marked.reason.ok_or(Refused::invalid("reason", "one of the reasons listed"))?;
        if marked.record_ids.len() > MOST_RECORDS {
            return Err(Refused::invalid("record_ids", "at most 1,000"));
        }
        let keys = self.keys();
        let tokens = marked.record_ids.iter().enumerate().map(|(at, id)| {
            let invalid = |sentence| Refused::invalid(format!("record_ids[{at}]"), sentence);
            let id = reference(id).map_err(|rule| invalid(rule.sentence()))?;
            let key = self.record_key(&actor.partner, record_type, id);
            let token = keys.pseudonymiser.suppress(&key);
            let token = token.map_err(|_| invalid("an id that can be keyed"))?;
            Ok(*token.as_bytes())
        });
        Ok((record_type, reason, tokens.collect::<Result<_, Refused>>()?))
    }
}
