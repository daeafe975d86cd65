//! Whether opening a case takes two people, and whether the second has come.

use super::{
    answer::{flows_in_force, giver_number},
    open::Wanted,
    subject::KeyedSubject,
};
use crate::{
    audit::LeafKind,
    gateway::{
        Actor, Denied, Gateway, Snapshot, Waiting,
        approval::{Intention, Standing},
    },
    protocol::{CallerRole, choice::Effect as Reach, document::Flow},
    store::{ActError, Logged, approvals::Approval},
};

/// Whether a second person is needed to open a case, and has come.
pub(super) enum Word {
    NotNeeded,
    Waiting(Logged<Waiting>),
    Second((Intention, Approval)),
    /// The policy moved meanwhile, or somebody else was first.
    Again,
}

impl Gateway {
    /// Erasing what others sent, of somebody whom no record of the caller's own names, takes two
    /// people: it can't be taken back. Whether it is needed hangs on the protocols alone.
    pub(super) async fn second_of(
        &self,
        actor: &Actor,
        snapshot: &Snapshot,
        wanted: &Wanted,
    ) -> Result<Word, Denied> {
        let erases = |(.., flow): (_, _, _, &Flow)| {
            flow.from != actor.partner && matches!(wanted.choice.effect(flow), Reach::Erase(_))
        };
        let named = matches!(wanted.subject, KeyedSubject::Identity(_));
        if !named || !flows_in_force(snapshot).any(erases) {
            return Ok(Word::NotNeeded);
        }
        let intention = Intention::new("open_case")
            .with(actor.partner.as_str().as_bytes())
            .with(&wanted.key)
            .with(wanted.choice.code().as_bytes())
            .with(&[giver_number(wanted.given_by)])
            .with(wanted.requested_on.to_string().as_bytes())
            .with(&wanted.wish);
        let role = match actor.may_be(CallerRole::Provider) {
            true => CallerRole::Provider,
            false => CallerRole::DataOfficer,
        };
        let mut leaf = actor.leaf(LeafKind::CaseOpened, self);
        leaf.notes.cause = wanted.choice.code().parse().ok();
        match self.standing(actor, role, snapshot, &intention, &leaf).await? {
            Standing::Second(approval) => Ok(Word::Second((intention, approval))),
            Standing::First(replaced) => {
                let epoch = snapshot.epoch();
                match self.give_word(actor, &intention, replaced, leaf, epoch).await {
                    Ok(waiting) => Ok(Word::Waiting(waiting)),
                    Err(ActError::PolicyChanged | ActError::Conflict) => Ok(Word::Again),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }
}
