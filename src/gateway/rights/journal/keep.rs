//! What the database has and the journal has not is written down.

use super::{Entry, Journal, JournalNo, JournalRecord};
use crate::{
    domain::{FeedId, PartnerId, RecordType},
    gateway::{Gateway, GatewayError},
    keys::{KeyVersion, KeysInUse, Pseudonym, PseudonymDomain},
    store::{
        Rights, Tx,
        cases::{self, Case},
        consents::{self, No},
        feeds,
    },
};
use std::collections::BTreeMap;

/// Noes to consents in one line.
const NOES_A_LINE: usize = 1_000;

type Senders = BTreeMap<FeedId, (PartnerId, RecordType)>;

fn record(senders: &Senders, feed: FeedId, token: [u8; 16]) -> Option<JournalRecord> {
    let (partner, record_type) = senders.get(&feed)?.clone();
    Some(JournalRecord { partner, record_type, token, erased: false })
}

impl Gateway {
    /// Writes down what the database has and the journal has not.
    ///
    /// # Errors
    /// When the journal can't be written.
    pub async fn keep_journal(&self) -> Result<(), GatewayError> {
        match self.journal.lock().await.as_mut() {
            Some(journal) => self.sync_journal(journal).await,
            None => Ok(()),
        }
    }

    pub(super) async fn sync_journal(&self, journal: &mut Journal) -> Result<(), GatewayError> {
        // What was said first: what comes meanwhile moves the counters once more.
        let mut tx = self.store.read(Rights::Figures).await?;
        let statements = consents::next_statement(&mut tx).await?;
        let noes = consents::noes_since(&mut tx, journal.statement).await?;
        drop(tx);
        let mut tx = self.store.read(Rights::Intake).await?;
        let erased = cases::scrubs(&mut tx).await?.0;
        let now = (cases::number(&mut tx).await?, erased, statements);
        if journal.looked == Some(now) {
            return Ok(());
        }
        let senders: Senders = feeds::all(&mut tx)
            .await?
            .into_iter()
            .map(|(feed, partner, record_type)| (feed, (partner, record_type)))
            .collect();
        let mut entries = Vec::new();
        for case in cases::list(&mut tx, None).await? {
            note_case(&mut tx, journal, &senders, &case, &mut entries).await?;
        }
        let mut erased: BTreeMap<u64, (Vec<JournalRecord>, Vec<JournalRecord>)> = BTreeMap::new();
        for gone in cases::erased_since(&mut tx, journal.generation).await? {
            let (records, chosen) = erased.entry(gone.generation).or_default();
            let list = if gone.by_choice { chosen } else { records };
            list.extend(record(&senders, gone.feed, gone.token));
        }
        drop(tx);
        entries.extend(erased.into_iter().map(|(generation, (records, chosen))| Entry::Erased {
            generation,
            records,
            chosen,
        }));
        let keys = self.keys();
        for some in noes.chunks(NOES_A_LINE) {
            let up_to = some.last().map_or(0, |no| no.number);
            // A wrapping key that is gone took along every record that rested on it.
            let noes = some.iter().filter_map(|no| said(&keys, no)).collect();
            entries.push(Entry::Noes { up_to, noes });
        }
        if !entries.is_empty() {
            journal.append(&keys, &entries)?;
        }
        journal.looked = Some(now);
        Ok(())
    }
}

/// A case as it opened, what was learnt of it since, and its end.
async fn note_case(
    tx: &mut Tx,
    journal: &Journal,
    senders: &Senders,
    case: &Case,
    entries: &mut Vec<Entry>,
) -> Result<(), GatewayError> {
    let id = (case.partner.clone(), case.key);
    let tokens = cases::suppressions(tx, case.id).await?;
    match journal.opened.get(&id) {
        None => {
            let notices = cases::notices_of(tx, case.id).await?;
            let records = notices.iter().filter_map(|n| {
                let told = record(senders, n.feed, n.token)?;
                Some(JournalRecord { erased: n.effect == cases::ERASE, ..told })
            });
            entries.push(Entry::Opened {
                partner: case.partner.clone(),
                case: case.key,
                choice: case.choice,
                given_by: case.given_by,
                requested_on: case.requested_on,
                due_day: case.due_day,
                nonce: case.nonce,
                wish: case.wish,
                tokens: tokens.iter().map(hex::encode).collect(),
                records: records.collect(),
            });
        }
        Some(known) => {
            let new = tokens.iter().filter(|token| !known.contains(*token));
            let tokens: Vec<String> = new.map(hex::encode).collect();
            if !tokens.is_empty() {
                let partner = case.partner.clone();
                entries.push(Entry::Learnt { partner, case: case.key, tokens });
            }
        }
    }
    if case.state == cases::ENDED && !journal.ended.contains(&id) {
        entries.push(Entry::Ended { partner: case.partner.clone(), case: case.key });
    }
    Ok(())
}

fn said(keys: &KeysInUse, no: &No) -> Option<JournalNo> {
    let token = |key: &[u8; 16]| {
        let version = KeyVersion::new(no.key_version);
        let key = Pseudonym::from_stored(PseudonymDomain::Consent, version, key).ok()?;
        Some(*keys.pseudonymiser.suppress(&key).ok()?.as_bytes())
    };
    let giver = match &no.giver_key {
        Some(key) => Some(hex::encode(token(key)?)),
        None => None,
    };
    Some(JournalNo {
        consent: token(&no.consent_key)?,
        giver,
        given_by: no.given_by,
        state: no.state,
        stated_on: no.stated_on,
    })
}
