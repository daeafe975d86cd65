//! Sessions of people in browsers, and the one-time links that begin one without an identity
//! provider.
//!
//! Why it exists: a browser has no certificate and can't be trusted with a token, so it holds a
//! random cookie and nothing else; who it stands for is kept here, in memory. A restart signs
//! everybody out, and several gateways need a balancer that keeps a browser on one of them.
//!
//! Invariants:
//! - A cookie is 256 random bits; only its SHA-256 is held, so that a look into this memory opens
//!   no session.
//! - A session ends when it was idle for too long, and in any case at its absolute limit.
//! - A one-time link works once, and no longer than it was made for.
//! - Only so many pages are made for one session at once, whatever connections it asks over.
//! - What a session may do is asked of the register at every request
//!   ([`super::Recogniser::person`]): a session is who, never what.

use super::UserSubject;
use crate::{
    domain::{AreaCode, PartnerId, Quarter},
    protocol::CallerRole,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use rand::CryptoRng;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most sessions at once; the one that was idle the longest makes room.
const MOST_SESSIONS: usize = 10_000;
/// The most sessions of one person: whoever signs in again and again shuts out nobody else.
const MOST_OF_ONE: usize = 8;
/// The most pages that are made for one session at once: more than a browser asks for, less than
/// would keep everybody else waiting.
const PAGES_AT_ONCE: usize = 16;
/// The most links that wait.
const MOST_LINKS: usize = 1_000;
/// The text of 256 bits in base64url.
const SECRET_LENGTH: usize = 43;

/// Who signed in, as the organisation's identity provider (or the demo) says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The organisation.
    pub partner: PartnerId,
    /// The person, as the organisation calls it.
    pub user: UserSubject,
    /// What the person may act as; the register narrows it.
    pub roles: Vec<CallerRole>,
    /// The areas the person is confined to; none for those of the organisation.
    pub areas: Vec<AreaCode>,
}

/// 256 random bits that only their holder knows. No Debug shows them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A new one.
    pub fn draw<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// One that was worked out of others.
    pub(super) const fn known(text: String) -> Self {
        Self(text)
    }

    /// The same with the second it is good until, and the quarter that its holder is to close, for
    /// its holder to show again.
    pub(super) fn until(self, second: i64, to_close: Option<Quarter>) -> Self {
        let to_close = to_close.map(|quarter| format!(".{quarter}")).unwrap_or_default();
        Self(format!("{}.{second}{to_close}", self.0))
    }

    /// Until which second somebody's is good, and what for, as it says itself.
    pub(super) fn is_until(shown: &str) -> Option<(i64, Option<Quarter>)> {
        let (secret, rest) = shown.split_once('.')?;
        let (second, to_close) = match rest.split_once('.') {
            None => (rest, None),
            Some((second, quarter)) => (second, Some(quarter.parse().ok()?)),
        };
        (secret.len() == SECRET_LENGTH).then(|| Some((second.parse().ok()?, to_close)))?
    }

    /// The text itself, for its holder.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether somebody showed this very secret; takes the same time for all others.
    #[must_use]
    pub fn is(&self, shown: &str) -> bool {
        self.0.as_bytes().ct_eq(shown.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Since the last request.
    pub idle: SignedDuration,
    /// Since it was begun.
    pub absolute: SignedDuration,
}

/// A session as a request finds it.
#[derive(Debug, Clone)]
pub struct Session {
    /// Who it stands for.
    pub who: SignedIn,
    /// What every form of its pages must carry.
    pub form: Secret,
    /// When that person proved who they are, where that is known.
    pub proved: Option<Timestamp>,
    /// The pages that are being made for it.
    places: Arc<Semaphore>,
}

impl Session {
    /// A place for one more page; `None` while as many are being made as one session may ask for at
    /// once. Whoever makes the page keeps it until that is done.
    #[must_use]
    pub fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Whether that person proved who they are within some time before `now`.
    #[must_use]
    pub fn proved_within(&self, time: SignedDuration, now: Timestamp) -> bool {
        self.proved.is_some_and(|proved| now.duration_since(proved) < time)
    }
}

struct Held {
    session: Session,
    begun: Timestamp,
    seen: Timestamp,
}

type Key = [u8; 32];

/// The sessions of one gateway.
pub struct Sessions {
    limits: SessionLimits,
    held: Mutex<HashMap<Key, Held>>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Sessions {
    /// None yet.
    #[must_use]
    pub fn new(limits: SessionLimits) -> Self {
        Self { limits, held: Mutex::default() }
    }

    /// Begins a session; the cookie's value. `proved` is when the person proved who they are, as
    /// far as that is known.
    pub fn begin<R: CryptoRng + ?Sized>(
        &self,
        who: SignedIn,
        proved: Option<Timestamp>,
        now: Timestamp,
        rng: &mut R,
    ) -> Secret {
        let (cookie, form) = (Secret::draw(rng), Secret::draw(rng));
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, held| self.limits.allow(held, now));
        let is_own = |held: &Held| {
            (&held.session.who.partner, &held.session.who.user) == (&who.partner, &who.user)
        };
        let full = held.len() >= MOST_SESSIONS;
        if full || held.values().filter(|held| is_own(held)).count() >= MOST_OF_ONE {
            let rest = held.iter().filter(|(_, held)| full || is_own(held));
            let oldest = rest.min_by_key(|(_, held)| held.seen).map(|(key, _)| *key);
            oldest.and_then(|key| held.remove(&key));
        }
        let places = Arc::new(Semaphore::new(PAGES_AT_ONCE));
        let session = Session { who, form, proved, places };
        held.insert(key(cookie.expose()), Held { session, begun: now, seen: now });
        cookie
    }

    /// The session of a cookie's value, which is thereby seen; `None` for one that never was,
    /// or is over.
    #[must_use]
    pub fn find(&self, cookie: &str, now: Timestamp) -> Option<Session> {
        let key = well_formed(cookie)?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let found = held.get_mut(&key)?;
        if !self.limits.allow(found, now) {
            held.remove(&key);
            return None;
        }
        found.seen = now;
        Some(found.session.clone())
    }

    /// Ends a session.
    pub fn end(&self, cookie: &str) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(&key(cookie));
    }
}

impl SessionLimits {
    fn allow(&self, held: &Held, now: Timestamp) -> bool {
        now.duration_since(held.seen) < self.idle && now.duration_since(held.begun) < self.absolute
    }
}

/// Links that sign somebody in once.
#[derive(Default)]
pub struct OneTimeLinks(Mutex<HashMap<Key, (SignedIn, Timestamp)>>);

impl fmt::Debug for OneTimeLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeLinks")
    }
}

impl OneTimeLinks {
    /// Makes one that works until `until`; `None` while too many wait.
    pub fn make<R: CryptoRng + ?Sized>(
        &self,
        who: SignedIn,
        (now, until): (Timestamp, Timestamp),
        rng: &mut R,
    ) -> Option<Secret> {
        let secret = Secret::draw(rng);
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, (_, until)| now < *until);
        if links.len() >= MOST_LINKS {
            return None;
        }
        links.insert(key(secret.expose()), (who, until));
        Some(secret)
    }

    /// Whether a text could be one: no more is told of it before it is used.
    #[must_use]
    pub fn is_one(link: &str) -> bool {
        well_formed(link).is_some()
    }

    /// Uses one up.
    #[must_use]
    pub fn redeem(&self, secret: &str, now: Timestamp) -> Option<SignedIn> {
        let key = well_formed(secret)?;
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.remove(&key).filter(|(_, until)| now < *until).map(|(who, _)| who)
    }
}

fn key(secret: &str) -> Key {
    Sha256::digest(secret.as_bytes()).into()
}

/// What is no secret's text is not even hashed.
fn well_formed(secret: &str) -> Option<Key> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (secret.len() == SECRET_LENGTH && secret.bytes().all(plain)).then(|| key(secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    fn manager() -> SignedIn {
        SignedIn {
            partner: "centres".parse().unwrap(),
            user: UserSubject::new("manager-CC01").unwrap(),
            roles: vec![CallerRole::Consumer],
            areas: vec!["CC01".parse().unwrap()],
        }
    }

    fn sessions() -> Sessions {
        Sessions::new(SessionLimits {
            idle: SignedDuration::from_mins(30),
            absolute: SignedDuration::from_hours(2),
        })
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minutes * 60).unwrap()
    }

    #[test]
    fn a_session_ends_idle_at_its_limit_or_when_told() {
        let (sessions, mut rng) = (sessions(), StdRng::seed_from_u64(1));
        let cookie = sessions.begin(manager(), None, at(0), &mut rng);
        let is_there = |minutes| sessions.find(cookie.expose(), at(minutes)).is_some();
        // Seen every 25 minutes it lasts to its absolute limit, and not a minute longer.
        assert!([25, 50, 75, 100, 119].into_iter().all(is_there));
        assert!(!is_there(120) && !is_there(25));

        let idle = sessions.begin(manager(), None, at(0), &mut rng);
        assert!(sessions.find(idle.expose(), at(30)).is_none());
        let ended = sessions.begin(manager(), None, at(0), &mut rng);
        sessions.end(ended.expose());
        assert!(sessions.find(ended.expose(), at(1)).is_none());
    }

    #[test]
    fn who_signs_in_again_and_again_ends_their_own_sessions() {
        let (sessions, mut rng) = (sessions(), StdRng::seed_from_u64(1));
        let mut other = manager();
        other.user = UserSubject::new("manager-CC02").unwrap();
        let other = sessions.begin(other, None, at(0), &mut rng);
        let own: Vec<Secret> =
            (1..=9).map(|minute| sessions.begin(manager(), None, at(minute), &mut rng)).collect();
        let is_there = |cookie: &Secret| sessions.find(cookie.expose(), at(10)).is_some();
        assert!(is_there(&other) && !is_there(&own[0]) && own[1..].iter().all(is_there));
    }

    #[test]
    fn a_changed_cookie_is_nobodys() {
        let (sessions, mut rng) = (sessions(), StdRng::seed_from_u64(1));
        let cookie = sessions.begin(manager(), None, at(0), &mut rng);
        for at_byte in 0..SECRET_LENGTH {
            let mut changed = cookie.expose().as_bytes().to_vec();
            changed[at_byte] = if changed[at_byte] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(sessions.find(&changed, at(1)).is_none());
        }
        for other in ["", "x", &cookie.expose()[1..], &format!("{}A", cookie.expose())] {
            assert!(sessions.find(other, at(1)).is_none());
        }
        assert_eq!(sessions.find(cookie.expose(), at(1)).unwrap().who, manager());
        assert_eq!(format!("{cookie:?}"), "Secret([redacted])");
    }

    #[test]
    fn a_session_has_so_many_places_however_it_is_asked_for() {
        let (sessions, mut rng) = (sessions(), StdRng::seed_from_u64(1));
        let cookie = sessions.begin(manager(), None, at(0), &mut rng);
        let place = || sessions.find(cookie.expose(), at(1)).unwrap().place();
        let mut held: Vec<_> = (0..PAGES_AT_ONCE).map(|_| place().unwrap()).collect();
        assert!(place().is_none());
        // Another of the same person's has its own.
        let other = sessions.begin(manager(), None, at(0), &mut rng);
        assert!(sessions.find(other.expose(), at(1)).unwrap().place().is_some());
        held.pop();
        assert!(place().is_some());
    }

    #[test]
    fn a_proof_is_fresh_for_so_long() {
        let (sessions, mut rng) = (sessions(), StdRng::seed_from_u64(1));
        let cookie = sessions.begin(manager(), Some(at(-5)), at(0), &mut rng);
        let session = sessions.find(cookie.expose(), at(1)).unwrap();
        let ten = SignedDuration::from_mins(10);
        assert!(session.proved_within(ten, at(4)) && !session.proved_within(ten, at(5)));
        let unknown = sessions.begin(manager(), None, at(0), &mut rng);
        let unknown = sessions.find(unknown.expose(), at(0)).unwrap();
        assert!(!unknown.proved_within(ten, at(0)));
    }

    #[test]
    fn a_link_works_once_and_in_time() {
        let (links, mut rng) = (OneTimeLinks::default(), StdRng::seed_from_u64(1));
        let link = links.make(manager(), (at(0), at(10)), &mut rng).unwrap();
        assert_eq!(links.redeem(link.expose(), at(9)), Some(manager()));
        assert_eq!(links.redeem(link.expose(), at(9)), None);
        let late = links.make(manager(), (at(0), at(10)), &mut rng).unwrap();
        assert_eq!(links.redeem(late.expose(), at(10)), None);
    }
}
