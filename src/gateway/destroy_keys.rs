//! Destroying a version of the keys that nothing is stored under any more, by two people.
//!
//! It is logged, then done: the act that says so commits first, and from then on no gateway
//! uses the version, whatever its file still holds. Each gateway then writes its own key file
//! anew without it, at once or when it next hears of the store, also after a crash in between.
//! Its memory lets go of it with the last call that was under way. What a file system may
//! keep all the same: [`crate::keys::MasterFile`]. A backup of the store from before the
//! rotation can't be used without the version.

use super::{
    Actor, DECISIONS, Denied, Gateway, GatewayError, RefusalKind, Refused, Waiting,
    approval::{Intention, Standing},
    rotate_keys::noted,
};
use crate::{
    audit::LeafKind,
    keys::{KeyVersion, VersionState, Versions},
    protocol::CallerRole,
    store::{ActError, Effect, Logged, key_versions::Change},
};

/// Why a version is destroyed: a closed list, since it stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DestroyReason {
    /// It was replaced in due course.
    Replaced,
    /// Somebody may have seen it who should not have.
    Exposed,
    /// The sharing that it was for has ended.
    SharingEnded,
}

impl DestroyReason {
    const fn code(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::Exposed => "exposed",
            Self::SharingEnded => "sharing_ended",
        }
    }
}

/// A version that is destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destroyed {
    /// Which.
    pub version: KeyVersion,
    /// Whether it is gone from this gateway's key file, too; else the gateway's log says why.
    pub gone_from_file: bool,
}

/// What a call to destroy keys came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DestroyedKeys {
    /// It was the first person's: nothing is destroyed yet.
    Waiting(Waiting),
    /// It was the second person's.
    Done(Destroyed),
}

impl Gateway {
    /// Destroys an unused version of the keys, once a second person asks for it.
    ///
    /// # Errors
    /// For callers who are no data officers; `not_found`, `already_destroyed`, `keys_in_use`;
    /// for the first person again.
    pub async fn destroy_keys(
        &self,
        actor: &Actor,
        version: u32,
        reason: DestroyReason,
    ) -> Result<Logged<DestroyedKeys>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer]).await?;
        let role = CallerRole::DataOfficer;
        for _ in 0..DECISIONS {
            let snapshot = self.snapshot();
            let mut leaf = actor.leaf(LeafKind::KeyDestroyed, self);
            leaf.notes.policy_epoch = Some(snapshot.epoch());
            let (version, check) = match self.destroyable(snapshot.versions(), version).await? {
                Ok(found) => found,
                Err(refused) => return Err(self.refuse(leaf, refused).await),
            };
            noted(&mut leaf, version, reason.code());
            let intention = Intention::new("destroy_keys")
                .with(&version.number().to_be_bytes())
                .with(&check)
                .with(reason.code().as_bytes());
            let epoch = snapshot.epoch();
            let standing = self.standing(actor, role, &snapshot, &intention, &leaf).await?;
            let done = match standing {
                Standing::First(replaced) => {
                    let given = self.give_word(actor, &intention, replaced, leaf, epoch).await;
                    given.map(|waiting| waiting.map(DestroyedKeys::Waiting))
                }
                Standing::Second(approval) => {
                    leaf.notes.act = intention.act().parse().ok();
                    leaf.notes.approval = Some(intention.digest());
                    let effect = Effect::ChangeKeys(Change::Destroy { version });
                    let effect = Effect::Approved(Box::new((approval, effect)));
                    match self.commit(leaf, effect, Some(epoch)).await {
                        Ok(logged) => {
                            let snapshot = self.reload().await?;
                            let gone = self.forget_destroyed(snapshot.versions()).await;
                            let done = Destroyed { version, gone_from_file: gone };
                            Ok(logged.map(|_| DestroyedKeys::Done(done)))
                        }
                        Err(error) => Err(error),
                    }
                }
            };
            match done {
                Ok(logged) => return Ok(logged),
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

    /// The version with its check value, if it may be destroyed.
    async fn destroyable(
        &self,
        versions: &Versions,
        number: u32,
    ) -> Result<Result<(KeyVersion, [u8; 16]), Refused>, GatewayError> {
        let found = versions.all.iter().find(|(held, ..)| u32::from(held.number()) == number);
        let Some((version, state, check)) = found else { return Ok(Err(Refused::not_found())) };
        let refused =
            |reason, sentence| Ok(Err(Refused::new(RefusalKind::Conflict, reason, sentence)));
        match state {
            VersionState::Destroyed => {
                refused("already_destroyed", "this version of the keys is destroyed already")
            }
            VersionState::Next | VersionState::Current | VersionState::Earlier => refused(
                "keys_in_use",
                "stored values are under this version of the keys: rotate, and wait until it is \
                 listed as unused",
            ),
            // Whatever the state says, the rows decide.
            VersionState::Unused if self.is_needed(*version).await? => refused(
                "keys_in_use",
                "rows of this version were found although it was unused: nothing is destroyed \
                 before it is known who wrote them",
            ),
            VersionState::Unused => Ok(Ok((*version, *check))),
        }
    }

    /// Takes destroyed versions out of this gateway's key file; whether none is left there.
    pub(super) async fn forget_destroyed(&self, versions: &Versions) -> bool {
        let destroyed =
            |(_, state, _): &&(KeyVersion, VersionState, _)| *state == VersionState::Destroyed;
        let destroyed: Vec<KeyVersion> =
            versions.all.iter().filter(destroyed).map(|(version, ..)| *version).collect();
        if destroyed.is_empty() {
            return true;
        }
        let (file, mut rng) = (self.key_file.clone(), self.rng());
        let forgotten = tokio::task::spawn_blocking(move || {
            let Some(file) = file else { return Ok(()) };
            let held = file.load()?;
            for version in destroyed.into_iter().filter(|version| held.holds(*version)) {
                file.destroy_version(version, &mut rng)?;
            }
            Ok::<_, crate::keys::KeyError>(())
        });
        match forgotten.await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(%error, "destroyed keys could not be taken out of the key file");
                false
            }
            Err(_) => false,
        }
    }
}
