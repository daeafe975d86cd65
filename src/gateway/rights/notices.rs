//! Notices: what a party that holds a live record of its own has to do about it, found by the
//! party's own ids, and its signed word that it is done.
//!
//! The gateway knows record ids only as pseudonyms, so that a list of notices can't name the
//! records: a party learns which are meant by asking with ids of its own. A notice's own id is a
//! keyed value, lest a running number tell how many there are in all.

use super::open::digest;
use crate::{
    audit::{LeafKind, SizeClass},
    domain::{
        FeedId, PartnerId, Quarter, RecordType,
        time::{date_of, epoch_day},
    },
    gateway::{
        Actor, Denied, Gateway, GatewayError, NamedRecords, Page, PageRequest, RefusalKind, Refused,
    },
    keys::{KeyError, KeysInUse, PseudonymDomain},
    protocol::{CallerRole, Choice, Envelope, Verified, acknowledgement::Acknowledgement, signing},
    store::{
        Effect, Logged, Rights, StoreError,
        cases::{self, Acknowledged, Notice},
        feeds,
    },
};
use jiff::{Timestamp, civil::Date};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The version of the rules that notices' ids are made under; far from those of identifiers.
const NOTICE_RULES: u16 = 0x4e4f;

/// A notice, as the party that it goes to may know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeLine {
    /// Its id.
    pub id: String,
    /// The type of the record that it is about.
    pub record_type: RecordType,
    /// What the subject chose.
    pub choice: Choice,
    /// What is to be done: `stop`, `erase`, `restrict` or `correct`.
    pub action: &'static str,
    /// By when.
    pub due: Date,
    /// Whether it is past that.
    pub overdue: bool,
    /// When it was acknowledged.
    pub acknowledged_at: Option<Timestamp>,
}

/// Notices of one party that were due in a quarter that is over, and are not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// The party.
    pub partner: PartnerId,
    /// The quarter.
    pub quarter: Quarter,
    /// How many, as a class.
    pub size_class: SizeClass,
}

/// A signed acknowledgement as it came.
#[derive(Debug, Clone)]
pub struct StatedAcknowledgement(pub String);

/// What became of an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcknowledgedNotices {
    /// How many notices it closed.
    pub acknowledged: usize,
    /// How many had been acknowledged before.
    pub before: usize,
}

const fn action(notice: &Notice, choice: Choice) -> &'static str {
    match (choice, notice.effect) {
        (Choice::Rectification, _) => "correct",
        (Choice::Restriction, _) => "restrict",
        (_, cases::ERASE) => "erase",
        _ => "stop",
    }
}

/// A notice's id, as its party knows it.
pub(super) fn public_id(keys: &KeysInUse, id: i64) -> String {
    let input = keys.pseudonymiser.begin(PseudonymDomain::Suppression, NOTICE_RULES);
    hex::encode(input.bytes(&id.to_be_bytes()).finish().as_bytes())
}

impl Gateway {
    /// Lists the notices to the caller's organisation that bind, by id: those to be acknowledged,
    /// or all.
    ///
    /// # Errors
    /// `wrong_role` but for providers; a violation for a bad page.
    pub async fn notices(
        &self,
        actor: &Actor,
        all: bool,
        page: &PageRequest,
    ) -> Result<Logged<Page<NoticeLine>>, Denied> {
        self.require(actor, &[CallerRole::Provider]).await?;
        let lines = self.own_notices(actor).await?;
        let shown = lines.into_iter().filter(|(line, _)| all || line.acknowledged_at.is_none());
        let entries: BTreeMap<String, NoticeLine> =
            shown.map(|(line, _)| (line.id.clone(), line)).collect();
        let page = match self.page(actor, "notices", page, entries.into_iter()) {
            Ok(page) => page,
            Err(refused) => return Err(self.refuse_malformed(actor, refused).await),
        };
        let leaf = self.look(actor, "notices");
        Ok(self.commit_for(actor, leaf, || Effect::None).await?.map(|_| page))
    }

    /// Which of the caller's own records its notices are about: for each, in the order in which
    /// they were named, the ids of the notices.
    ///
    /// # Errors
    /// `wrong_role` but for providers; a violation for what names no records.
    pub async fn match_notices(
        &self,
        actor: &Actor,
        named: NamedRecords,
    ) -> Result<Logged<Vec<Vec<String>>>, Denied> {
        let (record_type, named) = self.own_record_keys(actor, named).await?;
        let lines = self.own_notices(actor).await?;
        let mut by_token: HashMap<[u8; 16], Vec<String>> = HashMap::new();
        for (line, notice) in lines {
            if line.record_type == record_type {
                by_token.entry(notice.token).or_default().push(line.id);
            }
        }
        let keys = self.keys();
        let found = named
            .iter()
            .map(|key| {
                let token = keys.pseudonymiser.suppress(key)?;
                Ok(by_token.get(token.as_bytes()).cloned().unwrap_or_default())
            })
            .collect::<Result<Vec<_>, KeyError>>()
            .map_err(GatewayError::Key)?;
        let mut leaf = self.look(actor, "notices");
        leaf.notes.record_type = Some(record_type);
        Ok(self.commit_for(actor, leaf, || Effect::None).await?.map(|_| found))
    }

    /// Takes a party's signed word that it has done what notices asked.
    ///
    /// # Errors
    /// `wrong_role` but for providers; a violation for what is no acknowledgement, or is not
    /// signed with a key that the register has for it; `not_found` where it names a notice that
    /// is not the caller's.
    pub async fn acknowledge_notices(
        &self,
        actor: &Actor,
        stated: StatedAcknowledgement,
    ) -> Result<Logged<AcknowledgedNotices>, Denied> {
        self.require(actor, &[CallerRole::Provider]).await?;
        let word = match self.read_acknowledgement(actor, &stated.0) {
            Ok(word) => word,
            Err(refused) => return Err(self.refuse_malformed(actor, refused).await),
        };
        let own: HashMap<String, Notice> = self
            .own_notices(actor)
            .await?
            .into_iter()
            .map(|(line, notice)| (line.id, notice))
            .collect();
        let meant: Option<Vec<&Notice>> = word.notices.iter().map(|id| own.get(id)).collect();
        let Some(meant) = meant else {
            return Err(self.refuse_malformed(actor, Refused::not_found()).await);
        };
        let open = meant.iter().filter(|notice| notice.acknowledged_at == 0);
        let notices: Vec<i64> = open.map(|notice| notice.id).collect();
        let told = AcknowledgedNotices {
            acknowledged: notices.len(),
            before: meant.len() - notices.len(),
        };
        if notices.is_empty() {
            let leaf = self.look(actor, "notices");
            return Ok(self.commit_for(actor, leaf, || Effect::None).await?.map(|_| told));
        }
        let mut leaf = actor.leaf(LeafKind::NoticesAcknowledged, self);
        leaf.size_class = Some(SizeClass::of(notices.len() as u64));
        leaf.notes.document = Some(digest(&stated.0));
        let entered = Acknowledged { notices, document: stated.0 };
        let effect = || Effect::Acknowledge(Box::new(entered.clone()));
        Ok(self.commit_for(actor, leaf, effect).await?.map(|_| told))
    }

    /// Which parties have notices that they did not acknowledge in time, for those who watch
    /// over it: by the quarters that are over, so that nobody sees by it which day's case
    /// concerns whom. (A party sees its own from the first day on.)
    ///
    /// # Errors
    /// `wrong_role` but for data officers and auditors.
    pub async fn overdue_notices(&self, actor: &Actor) -> Result<Logged<Vec<Overdue>>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer, CallerRole::Auditor]).await?;
        let today = Quarter::of(self.today());
        let mut tx = self.store.read(Rights::Figures).await?;
        let feeds = feeds::all(&mut tx).await?;
        let ids: Vec<FeedId> = feeds.iter().map(|(feed, ..)| *feed).collect();
        let notices = cases::notices_to(&mut tx, &ids).await?;
        drop(tx);
        let mut late: BTreeMap<(PartnerId, Quarter), u64> = BTreeMap::new();
        for notice in notices {
            let corrupt =
                StoreError::Corrupt { table: "notice", column: "due_day", row: notice.id };
            let due = Quarter::of(date_of(notice.due_day).ok_or(corrupt)?);
            let open = notice.state == cases::ACTIVE && notice.acknowledged_at == 0;
            let sender = feeds.iter().find(|(feed, ..)| *feed == notice.feed);
            if let Some((_, partner, _)) = sender.filter(|_| open && due < today) {
                *late.entry((partner.clone(), due)).or_default() += 1;
            }
        }
        let overdue = |((partner, quarter), count)| {
            let size_class = SizeClass::of(count);
            Overdue { partner, quarter, size_class }
        };
        let overdue: Vec<Overdue> = late.into_iter().map(overdue).collect();
        let leaf = self.look(actor, "overdue_notices");
        Ok(self.commit_for(actor, leaf, || Effect::None).await?.map(|_| overdue))
    }

    fn read_acknowledgement(&self, actor: &Actor, text: &str) -> Result<Acknowledgement, Refused> {
        let invalid =
            |error: signing::SignatureError| Refused::invalid("acknowledgement", error.to_string());
        let envelope = Envelope::parse(text.as_bytes()).map_err(invalid)?;
        let snapshot = self.snapshot();
        let verified: Verified<Acknowledgement> =
            signing::verify(envelope, snapshot.register(), self.now()).map_err(invalid)?;
        let signed = verified.require_full().map_err(invalid)?;
        if signed.document().partner == actor.partner {
            return Ok(signed.document().clone());
        }
        let sentence = "an acknowledgement is sent by the organisation whose word it is";
        Err(Refused::new(RefusalKind::Forbidden, "not_your_organisation", sentence))
    }

    /// The notices to the caller's organisation, of cases that bind.
    async fn own_notices(&self, actor: &Actor) -> Result<Vec<(NoticeLine, Notice)>, Denied> {
        let mut tx = self.store.read(Rights::Figures).await?;
        let feeds: BTreeMap<FeedId, RecordType> = feeds::all(&mut tx)
            .await?
            .into_iter()
            .filter(|(_, partner, _)| *partner == actor.partner)
            .map(|(feed, _, record_type)| (feed, record_type))
            .collect();
        let ids: BTreeSet<FeedId> = feeds.keys().copied().collect();
        let ids: Vec<FeedId> = ids.into_iter().collect();
        let notices = cases::notices_to(&mut tx, &ids).await?;
        drop(tx);
        let (keys, today) = (self.keys(), epoch_day(self.today()));
        let binding = notices.into_iter().filter(|notice| notice.state == cases::ACTIVE);
        let lines: Result<Vec<_>, StoreError> = binding
            .map(|notice| {
                let row = notice.id;
                let corrupt = |column| StoreError::Corrupt { table: "notice", column, row };
                let choice = Choice::from_number(notice.choice).ok_or(corrupt("kind"))?;
                let at = Timestamp::from_microsecond(notice.acknowledged_at);
                let line = NoticeLine {
                    id: public_id(&keys, notice.id),
                    record_type: *feeds.get(&notice.feed).ok_or(corrupt("feed_id"))?,
                    choice,
                    action: action(&notice, choice),
                    due: date_of(notice.due_day).ok_or(corrupt("due_day"))?,
                    overdue: notice.acknowledged_at == 0 && notice.due_day < today,
                    acknowledged_at: at.ok().filter(|_| notice.acknowledged_at != 0),
                };
                Ok((line, notice))
            })
            .collect();
        Ok(lines?)
    }
}
