//! Pages for people: centre managers, data officers, auditors. Plain HTML, made here, over the
//! same use cases, permits and log as gRPC; thin like it.
//!
//! - [`serve()`]: connections, their limits and their end; `router`: which page is where.
//! - `visitor`: from a cookie to an [`crate::gateway::Actor`], and what a form must prove.
//! - `asked`: what an address asks, and the no to one that can't be read.
//! - `answer`: the headers of every answer, and refusals as pages.
//! - `sign_in`, `areas`, `cards`, `figures`, `map`, `found`, `log`, `review`, `trace`,
//!   `register`, `partners`, `closing`, `notices`, `push` (with `uploads` and `sending`):
//!   the pages.
//!
//! # What is a leaf
//! Every page that shows something of the gateway is one use case, and that is one leaf, written
//! before the page is sent: a card wall, an indicator, a data book and each of its files, a map, a
//! search, a register, a look at the log. So is every refusal of somebody who is signed in. Of
//! whoever is not, a cookie that names no session, a link or a way back that is used up and a form
//! are counted into the minute's leaf of failed handshakes, as anybody can send those; asking for
//! a page without any cookie only leads to where one signs in. Hash tiles and the published
//! checkpoint are no leaves, as at [`super::site`]; nor is an address that nothing lies at, a method
//! that a page has no use for, an answer that took too long to make, or a page beyond those that a
//! session may ask for at once (shed before anything is looked at, as with gRPC): those come as
//! pages, too.
//!
//! # What the browser is trusted with
//! A random cookie (`__Host-`, `Secure`, `HttpOnly`, `SameSite=Lax`), and in each form a secret of
//! its session. Nothing else: no script is needed, none stands in a page, and the policy sent
//! with each answer allows nothing from elsewhere. `Lax`, because a session may begin by a way
//! back from an identity provider; what changes something is a POST, and those must come from
//! here by two proofs (`visitor::Posted`).
//!
//! Signing in once opens everything but closing a quarter: for that somebody must have proved within
//! ten minutes who they are (`closing`), by the provider's `auth_time` or a one-time link.
//!
//! # What pages show
//! What the use case gave, and nothing that it did not: texts of figures come from it as they are.
//! Areas that a caller may not see look like those that do not exist.

mod answer;
mod areas;
mod asked;
mod assets;
mod boundaries;
mod cards;
mod clauses;
mod closing;
mod figures;
mod found;
mod log;
mod map;
mod notices;
mod partners;
mod push;
mod register;
mod review;
mod router;
mod sending;
mod serve;
mod sign_in;
mod trace;
mod uploads;
mod visitor;

pub use boundaries::{Boundaries, BoundariesError};
pub use router::router;
pub use serve::{answer_within, serve};

use crate::{
    gateway::{Gateway, Published},
    identity::{OneTimeLinks, Provider, Recogniser, SessionLimits, Sessions, SignedIn},
};
use assets::Assets;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uploads::Uploads;

/// What the pages are told of where they are.
#[derive(Debug)]
pub struct Settings {
    /// How long people stay signed in.
    pub limits: SessionLimits,
    /// Whom somebody asks who was refused: a name, an address, a telephone number.
    pub contact: String,
    /// The outlines of LSOAs, for maps; none for no maps.
    pub boundaries: Boundaries,
    /// The identity providers that people sign in by.
    pub providers: Vec<Provider>,
}

/// The pages of one gateway.
pub struct Pages {
    recogniser: Arc<Recogniser>,
    published: Published,
    settings: Settings,
    sessions: Sessions,
    links: OneTimeLinks,
    uploads: Uploads,
    assets: Assets,
    rng: Mutex<StdRng>,
    unknown: Box<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pages")
    }
}

impl Pages {
    /// Over one gateway. `unknown` counts a request of somebody who is not signed in and should
    /// have been.
    pub fn new(
        recogniser: Arc<Recogniser>,
        published: Published,
        settings: Settings,
        rng: StdRng,
        unknown: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            recogniser,
            published,
            sessions: Sessions::new(settings.limits),
            settings,
            links: OneTimeLinks::default(),
            uploads: Uploads::default(),
            assets: Assets::new(),
            rng: Mutex::new(rng),
            unknown: Box::new(unknown),
        }
    }

    /// The path of a link that signs somebody in once, within `life`; `None` while too many wait.
    #[must_use]
    pub fn sign_in_path(&self, who: SignedIn, life: SignedDuration) -> Option<String> {
        let now = self.now();
        let until = now.checked_add(life).ok()?;
        let secret = self.links.make(who, (now, until), &mut *self.rng())?;
        Some(format!("/sign-in/{}", secret.expose()))
    }

    fn gateway(&self) -> &Arc<Gateway> {
        self.recogniser.gateway()
    }

    fn now(&self) -> Timestamp {
        self.gateway().now()
    }

    fn rng(&self) -> MutexGuard<'_, StdRng> {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
