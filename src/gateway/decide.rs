//! Deciding on a snapshot and committing what was decided; and pages of long registers.
//!
//! A decision is a function of one [`Snapshot`]. Where the policy changed before it could be
//! committed, it is asked again on the newer one: nothing is done under a policy that no
//! longer holds.

use super::{Actor, DECISIONS, Denied, Gateway, GatewayError, Refused, Snapshot};
use crate::{
    audit::{Code, Leaf, LeafKind},
    keys::PseudonymDomain,
    store::{ActError, Effect, Logged, Outcome},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;

/// The version of the rules that page tokens are made under; far from those of identifiers,
/// so that no token is anybody's pseudonym.
const PAGE_RULES: u16 = 0x5047;
/// The most entries of a page.
const LARGEST_PAGE: u32 = 1_000;
/// The entries of a page where the caller does not say.
const USUAL_PAGE: usize = 100;

/// What was decided to be done.
pub(super) struct Decided<T> {
    /// The leaf that says so.
    pub(super) leaf: Leaf,
    /// What changes.
    pub(super) effect: Effect,
    /// What the caller is told.
    pub(super) answer: T,
}

/// What was decided not to be done.
pub(super) enum Declined {
    /// Refused, with the leaf as far as it was known what was asked; its kind is set when it
    /// is logged.
    Refused(Box<Leaf>, Refused),
    /// Something inside failed; nothing may be answered.
    Failed(GatewayError),
}

impl Declined {
    pub(super) fn new(leaf: Leaf, refused: Refused) -> Box<Self> {
        Box::new(Self::Refused(Box::new(leaf), refused))
    }
}

impl<E: Into<GatewayError>> From<E> for Box<Declined> {
    fn from(error: E) -> Self {
        Self::new(Declined::Failed(error.into()))
    }
}

/// A decision. The refusal is boxed: it is the rarer and the larger.
pub(super) type Decision<T> = Result<Decided<T>, Box<Declined>>;

/// Which page of a register is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// At most so many entries, 1 to 1,000; 0 for 100.
    pub size: u32,
    /// The token of the page before, or empty for the first page.
    pub token: String,
}

/// A page of a register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries, in order.
    pub entries: Vec<T>,
    /// Token of the next page; empty on the last.
    pub next: String,
}

impl Gateway {
    /// Decides and commits, anew where the policy changed in between. Nobody in particular
    /// acts where a deployment is begun.
    pub(super) async fn settle<'a, T>(
        &self,
        actor: impl Into<Option<&'a Actor>> + Send,
        decide: impl Fn(&Snapshot) -> Decision<T> + Send + Sync,
    ) -> Result<Logged<(Outcome, T)>, Denied> {
        let actor = actor.into();
        for _ in 0..DECISIONS {
            let snapshot = self.snapshot();
            let epoch = snapshot.epoch();
            let Decided { leaf, effect, answer } = match decide(&snapshot) {
                Ok(decided) => decided,
                Err(declined) => return Err(self.decline(*declined, epoch).await),
            };
            if let Some(logged) = self.commit_under(actor, epoch, leaf, effect).await? {
                return Ok(logged.map(|outcome| (outcome, answer)));
            }
        }
        Err(GatewayError::Unsettled.into())
    }

    async fn decline(&self, declined: Declined, epoch: u64) -> Denied {
        match declined {
            Declined::Failed(error) => error.into(),
            Declined::Refused(mut leaf, refused) => {
                leaf.notes.policy_epoch = Some(epoch);
                self.refuse(*leaf, refused).await
            }
        }
    }

    /// Commits what was decided under the policy of an epoch; `None` where that policy no
    /// longer holds and the newer one has been read.
    async fn commit_under(
        &self,
        actor: Option<&Actor>,
        epoch: u64,
        mut leaf: Leaf,
        effect: Effect,
    ) -> Result<Option<Logged<Outcome>>, Denied> {
        leaf.notes.policy_epoch = Some(epoch);
        let changes = !matches!(effect, Effect::None);
        match self.commit(leaf, effect, Some(epoch)).await {
            Ok(logged) => {
                if changes {
                    self.look_again().await;
                }
                Ok(Some(logged))
            }
            Err(ActError::PolicyChanged) => {
                match actor {
                    Some(actor) => self.policy_moved(actor).await?,
                    None => drop(self.reload().await?),
                }
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sees at once what was just committed. Where that fails the act stays done and its
    /// answer stands: a decision on the older snapshot can't be committed any more.
    async fn look_again(&self) {
        if let Err(error) = self.reload().await {
            tracing::error!(%error, "the policy could not be read again after a change");
        }
    }

    /// Refuses what can't even be read, with a leaf.
    pub async fn refuse_malformed(&self, actor: &Actor, refused: Refused) -> Denied {
        self.refuse(actor.leaf(LeafKind::Refused, self), refused).await
    }

    /// The leaf of a look into a register.
    pub(super) fn look(&self, actor: &Actor, register: &'static str) -> Leaf {
        let mut leaf = actor.leaf(LeafKind::RegisterRead, self);
        leaf.notes.register = register.parse::<Code>().ok();
        leaf
    }

    /// One page of a list in order of its keys. The token tells the last key of the page
    /// before; it holds for the same caller and the same list alone (AIP-158).
    pub(super) fn page<T>(
        &self,
        actor: &Actor,
        list: &'static str,
        request: &PageRequest,
        entries: impl Iterator<Item = (String, T)>,
    ) -> Result<Page<T>, Refused> {
        let size = match request.size {
            0 => USUAL_PAGE,
            1..=LARGEST_PAGE => request.size as usize,
            _ => return Err(Refused::invalid("page_size", "0 to 1,000")),
        };
        let after = match request.token.as_str() {
            "" => None,
            token => Some(self.open_token(actor, list, token).ok_or_else(|| {
                Refused::invalid("page_token", "a token of your own last page of this list")
            })?),
        };
        let mut rest =
            entries.skip_while(|(key, _)| after.as_ref().is_some_and(|after| key <= after));
        let mut page = Page { entries: Vec::new(), next: String::new() };
        let mut last = String::new();
        for (key, entry) in rest.by_ref().take(size) {
            page.entries.push(entry);
            last = key;
        }
        if rest.next().is_some() {
            let mut token = self.token_code(actor, list, &last).to_vec();
            token.extend_from_slice(last.as_bytes());
            page.next = URL_SAFE_NO_PAD.encode(token);
        }
        Ok(page)
    }

    fn token_code(&self, actor: &Actor, list: &'static str, last: &str) -> [u8; 16] {
        *self
            .keys()
            .pseudonymiser
            .begin(PseudonymDomain::User, PAGE_RULES)
            .bytes(list.as_bytes())
            .bytes(actor.partner.as_str().as_bytes())
            .bytes(actor.user.as_bytes())
            .bytes(last.as_bytes())
            .finish()
            .as_bytes()
    }

    fn open_token(&self, actor: &Actor, list: &'static str, token: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (code, last) = bytes.split_first_chunk::<16>()?;
        let last = std::str::from_utf8(last).ok()?;
        let genuine = self.token_code(actor, list, last).ct_eq(code);
        bool::from(genuine).then(|| last.to_owned())
    }
}
