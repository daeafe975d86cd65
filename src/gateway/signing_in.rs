//! Signing in to the pages and out again, each a leaf: whoever reads the log sees who had the pages
//! open, and not only what was looked at.

use super::{Actor, Denied, Gateway};
use crate::{
    audit::LeafKind,
    store::{Effect, Logged},
};

impl Gateway {
    /// Notes that a person signed in to the pages. A session begins only behind it.
    ///
    /// # Errors
    /// When it can't be logged.
    pub async fn sign_in(&self, actor: &Actor) -> Result<Logged<()>, Denied> {
        let leaf = actor.leaf(LeafKind::SignedIn, self);
        Ok(self.commit_for(actor, leaf, || Effect::None).await?.map(|_| ()))
    }

    /// Notes that a person signed out.
    ///
    /// # Errors
    /// When it can't be logged; the session has ended all the same.
    pub async fn sign_out(&self, actor: &Actor) -> Result<Logged<()>, Denied> {
        let leaf = actor.leaf(LeafKind::SignedOut, self);
        Ok(self.commit_for(actor, leaf, || Effect::None).await?.map(|_| ()))
    }
}
