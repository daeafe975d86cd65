//! Reading the access log: the checkpoint for every partner, the rest for auditors.
//! Each look is itself a leaf, written before it is answered. (The log's published side, for
//! mirrors and witnesses: [`super::Published`].)
//!
//! A search goes backwards from the newest entry, a bounded number of entries a call; a
//! page's token says where the next begins, and is good only for the same caller and filter.

use super::{Actor, Denied, Gateway, Published, Refused};
use crate::{
    audit::{
        Decision, Hash, Leaf, LeafKind, UserPseudonym, leaf_hash,
        tree::{consistency_proof, inclusion_proof, tiles_for_consistency, tiles_for_inclusion},
    },
    domain::{AreaCode, PartnerId, ProtocolId},
    protocol::{CallerRole, Purpose},
    store::{Effect, Logged, Rights, StoreError, Tx, log},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// Entries read at a time.
const CHUNK: u64 = 1_000;
/// Entries that one call looks at, found or not.
const MOST_LOOKED_AT: u64 = 20_000;
/// Entries a page has when the caller does not say.
const PAGE: u32 = 100;
/// Entries a page may have.
const MOST_PAGE: u32 = 1_000;

/// What to search for, as the caller wrote it; what is empty or 0 is no filter.
#[derive(Debug, Clone, Default)]
pub struct LogSearch {
    /// Partner that acted.
    pub partner: String,
    /// Area asked about.
    pub area: String,
    /// Purpose claimed.
    pub purpose: String,
    /// Protocol relied on.
    pub protocol: String,
    /// Kind of act.
    pub kind: String,
    /// `granted` or `refused`.
    pub decision: String,
    /// From this moment, microseconds since 1970-01-01 UTC.
    pub from_micros: i64,
    /// Before this moment, microseconds since 1970-01-01 UTC.
    pub until_micros: i64,
    /// At most so many.
    pub page_size: u32,
    /// The token of the page before.
    pub page_token: String,
    /// Pseudonym of the person who acted, in hexadecimal.
    pub user: String,
}

/// A page of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// Index and canonical bytes, latest first.
    pub entries: Vec<(u64, Vec<u8>)>,
    /// The next page's token, or empty on the last. A page may be short, or empty, and
    /// still have a next one: a call looks at so many entries and no more.
    pub next: String,
}

/// A proof of inclusion (RFC 6962 §2.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// The tree's size.
    pub tree_size: u64,
    /// The entry's hash.
    pub leaf_hash: Hash,
    /// The audit path, leaf's sibling first.
    pub hashes: Vec<Hash>,
    /// The entry's canonical bytes.
    pub leaf: Vec<u8>,
}

/// A proof of consistency (RFC 6962 §2.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consistency {
    /// The later size.
    pub to_size: u64,
    /// The proof.
    pub hashes: Vec<Hash>,
}

/// A filter that was read.
#[derive(Default)]
struct Filter {
    partner: Option<PartnerId>,
    user: Option<UserPseudonym>,
    area: Option<AreaCode>,
    purpose: Option<Purpose>,
    protocol: Option<ProtocolId>,
    kind: Option<LeafKind>,
    refused: Option<bool>,
    from: Option<i64>,
    until: Option<i64>,
}

impl Gateway {
    /// A signed checkpoint, for any recognised caller: auditors get the latest, other partners
    /// that of the last tick. (Whoever gets an answer has a newer one in its receipt, so a
    /// partner sees the log's size at each act of its own.)
    ///
    /// # Errors
    /// When it can't be read or the look can't be logged.
    pub async fn checkpoint(
        &self,
        actor: &Actor,
        published: &Published,
    ) -> Result<Logged<String>, Denied> {
        if !actor.may_be(CallerRole::Auditor) {
            let checkpoint = published.checkpoint().await?.note;
            return self.looked(actor, checkpoint).await;
        }
        let mut tx = self.store.read(Rights::Figures).await?;
        let head = log::head(&mut tx).await?.ok_or(StoreError::LogDamaged)?;
        drop(tx);
        self.looked(actor, head.checkpoint).await
    }

    /// Searches the entries, latest first.
    ///
    /// # Errors
    /// For callers who are no auditors; for a malformed filter or another search's token.
    pub async fn search_log(
        &self,
        actor: &Actor,
        search: &LogSearch,
    ) -> Result<Logged<LogPage>, Denied> {
        self.require(actor, &[CallerRole::Auditor]).await?;
        let filter = match Filter::read(search) {
            Ok(filter) => filter,
            Err(refused) => return Err(self.refuse_look(actor, refused).await),
        };
        let mut tx = self.store.read(Rights::Figures).await?;
        let size = log::head(&mut tx).await?.ok_or(StoreError::LogDamaged)?.size;
        let bound = Bound::of(actor, search);
        let before = match bound.open(&search.page_token) {
            Some(before) => before.unwrap_or(size).min(size),
            None => {
                drop(tx);
                let rule = "the token of the page before, of the same caller and filter";
                return Err(self.refuse_look(actor, Refused::invalid("page_token", rule)).await);
            }
        };
        let most = match search.page_size {
            0 => PAGE,
            asked => asked.min(MOST_PAGE),
        };
        let (entries, reached) = filter.search(&mut tx, before, most).await?;
        drop(tx);
        let next = if reached > 0 { bound.token(reached) } else { String::new() };
        self.looked(actor, LogPage { entries, next }).await
    }

    /// Proves that an entry stands in a tree.
    ///
    /// # Errors
    /// For callers who are no auditors; for an entry or a tree beyond the log.
    pub async fn prove_inclusion(
        &self,
        actor: &Actor,
        index: u64,
        tree_size: u64,
    ) -> Result<Logged<Inclusion>, Denied> {
        self.require(actor, &[CallerRole::Auditor]).await?;
        let mut tx = self.store.read(Rights::Figures).await?;
        let tree_size = match tree_of(&mut tx, tree_size).await? {
            Some(size) if index < size => size,
            _ => {
                drop(tx);
                let refused = Refused::invalid("index", "an entry of a tree that the log has had");
                return Err(self.refuse_look(actor, refused).await);
            }
        };
        let tiles = log::tiles(&mut tx, tree_size, &tiles_for_inclusion(tree_size, index)?).await?;
        let hashes = inclusion_proof(&tiles, tree_size, index)?;
        let leaf = log::entries(&mut tx, index, index + 1).await?.pop();
        drop(tx);
        let leaf = leaf.ok_or(StoreError::LogDamaged)?;
        let leaf_hash = leaf_hash(&leaf);
        self.looked(actor, Inclusion { tree_size, leaf_hash, hashes, leaf }).await
    }

    /// Proves that an earlier tree is the beginning of a later one.
    ///
    /// # Errors
    /// For callers who are no auditors; for sizes out of order or beyond the log.
    pub async fn prove_consistency(
        &self,
        actor: &Actor,
        from_size: u64,
        to_size: u64,
    ) -> Result<Logged<Consistency>, Denied> {
        self.require(actor, &[CallerRole::Auditor]).await?;
        let mut tx = self.store.read(Rights::Figures).await?;
        let to_size = match tree_of(&mut tx, to_size).await? {
            Some(size) if (1..=size).contains(&from_size) => size,
            _ => {
                drop(tx);
                let rule = "at least 1 and not above the later size, which the log has had";
                return Err(self.refuse_look(actor, Refused::invalid("from_size", rule)).await);
            }
        };
        let needed = tiles_for_consistency(from_size, to_size)?;
        let tiles = log::tiles(&mut tx, to_size, &needed).await?;
        drop(tx);
        let hashes = consistency_proof(&tiles, from_size, to_size)?;
        self.looked(actor, Consistency { to_size, hashes }).await
    }

    /// Logs a look at the log and answers it.
    pub(super) async fn looked<T>(&self, actor: &Actor, answer: T) -> Result<Logged<T>, Denied> {
        let leaf = actor.leaf(LeafKind::LogRead, self);
        Ok(self.commit_for(actor, leaf, || Effect::None).await?.map(|_| answer))
    }

    pub(super) async fn refuse_look(&self, actor: &Actor, refused: Refused) -> Denied {
        self.refuse(actor.leaf(LeafKind::Refused, self), refused).await
    }
}

/// A tree's size, 0 standing for the latest; `None` for one beyond the log.
async fn tree_of(tx: &mut Tx, asked: u64) -> Result<Option<u64>, StoreError> {
    let size = log::head(tx).await?.ok_or(StoreError::LogDamaged)?.size;
    Ok(match asked {
        0 => Some(size),
        asked => Some(asked).filter(|asked| *asked <= size),
    })
}

/// An optional field of a search.
fn optional<T>(
    field: &'static str,
    text: &str,
    rule: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Refused> {
    if text.is_empty() {
        return Ok(None);
    }
    read(text).map(Some).ok_or_else(|| Refused::invalid(field, rule))
}

impl Filter {
    fn read(search: &LogSearch) -> Result<Self, Refused> {
        let kind = |text: &str| LeafKind::ALL.iter().copied().find(|kind| kind.name() == text);
        let refused = |text: &str| match text {
            "granted" => Some(false),
            "refused" => Some(true),
            _ => None,
        };
        let moment = |micros: i64| (micros != 0).then_some(micros);
        let user = |text: &str| {
            let mut bytes = [0; 16];
            let plain = !text.bytes().any(|b| b.is_ascii_uppercase());
            (plain && hex::decode_to_slice(text, &mut bytes).is_ok())
                .then(|| UserPseudonym::new(bytes))
        };
        Ok(Self {
            partner: optional("partner_id", &search.partner, "a partner's id", |t| t.parse().ok())?,
            user: optional("user", &search.user, "32 lower-case hexadecimal digits", user)?,
            area: optional("area", &search.area, "an area's code", |t| t.parse().ok())?,
            purpose: optional("purpose", &search.purpose, "a purpose", Purpose::from_code)?,
            protocol: optional("protocol_id", &search.protocol, "a protocol's id", |t| {
                t.parse().ok()
            })?,
            kind: optional("kind", &search.kind, "a kind of act", kind)?,
            refused: optional("decision", &search.decision, "granted or refused", refused)?,
            from: moment(search.from_micros),
            until: moment(search.until_micros),
        })
    }

    fn matches(&self, leaf: &Leaf) -> bool {
        let at = leaf.at.as_microsecond();
        let purpose = leaf.purpose.as_ref().map(crate::audit::Code::as_str);
        let refused = matches!(leaf.decision, Decision::Refused { .. });
        (self.partner.is_none() || self.partner == leaf.partner)
            && (self.user.is_none() || self.user == leaf.user)
            && (self.area.is_none() || self.area == leaf.area)
            && self.purpose.is_none_or(|wanted| purpose == Some(wanted.code()))
            && self.protocol.as_ref().is_none_or(|wanted| {
                leaf.protocol.as_ref().is_some_and(|protocol| protocol.id == *wanted)
            })
            && self.kind.is_none_or(|wanted| wanted == leaf.kind)
            && self.refused.is_none_or(|wanted| wanted == refused)
            && self.from.is_none_or(|from| at >= from)
            && self.until.is_none_or(|until| at < until)
    }

    /// Entries below `before`, latest first, and how far it came: what lies below that
    /// index was not looked at.
    async fn search(
        &self,
        tx: &mut Tx,
        before: u64,
        most: u32,
    ) -> Result<(Vec<(u64, Vec<u8>)>, u64), StoreError> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let stop = before.saturating_sub(MOST_LOOKED_AT);
        let mut found = Vec::new();
        let mut reached = before;
        while reached > stop {
            let first = reached.saturating_sub(CHUNK).max(stop);
            let entries = log::entries(tx, first, reached).await?;
            for (index, entry) in (first..reached).rev().zip(entries.into_iter().rev()) {
                reached = index;
                let leaf = Leaf::decode(&entry).map_err(|_| StoreError::Corrupt {
                    table: "log_entry",
                    column: "leaf",
                    row: i64::try_from(index).unwrap_or(i64::MAX),
                })?;
                // The log's times never go back, so nothing earlier can match either.
                if self.from.is_some_and(|from| leaf.at.as_microsecond() < from) {
                    return Ok((found, 0));
                }
                if self.matches(&leaf) {
                    found.push((index, entry));
                    if found.len() == most {
                        return Ok((found, reached));
                    }
                }
            }
        }
        Ok((found, reached))
    }
}

/// What a page's token is bound to. The check is a hash and no secret: a token only says
/// where to go on, and its caller may ask for any place of the log anyway.
struct Bound(Sha256);

impl Bound {
    fn of(actor: &Actor, search: &LogSearch) -> Self {
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        field(b"tallygate log search v1");
        field(actor.partner.as_str().as_bytes());
        field(actor.user.as_bytes());
        for text in [
            &search.partner,
            &search.area,
            &search.purpose,
            &search.protocol,
            &search.kind,
            &search.decision,
            &search.user,
        ] {
            field(text.as_bytes());
        }
        field(&search.from_micros.to_be_bytes());
        field(&search.until_micros.to_be_bytes());
        Self(hash)
    }

    fn check(&self, before: [u8; 8]) -> [u8; 16] {
        let mut check = [0; 16];
        let digest = self.0.clone().chain_update(before).finalize();
        check.copy_from_slice(&digest[..16]);
        check
    }

    fn token(&self, before: u64) -> String {
        let before = before.to_be_bytes();
        let check = self.check(before);
        URL_SAFE_NO_PAD.encode([before.as_slice(), check.as_slice()].concat())
    }

    /// Where the page begins: `Some(None)` at the log's end, `None` for a foreign token.
    fn open(&self, token: &str) -> Option<Option<u64>> {
        if token.is_empty() {
            return Some(None);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (before, check) = bytes.split_first_chunk::<8>()?;
        (*check == self.check(*before)).then(|| Some(u64::from_be_bytes(*before)))
    }
}
