//! Reading for the close of a quarter: what the count is told besides the persons, and the persons
//! range by range, all in one snapshot of the store.

use super::{GatewayError, checklist::Feeds, close_plan::Plan};
use crate::{
    disclosure::FeedWeek,
    domain::{Event, FeedId, RecordType, record::About, time::epoch_day},
    store::{
        StoreError, Tx, consents,
        counted::Counted,
        feeds,
        scan::{self, RANGE, StoredPerson},
    },
};
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// What the reader hands to the counter.
pub(super) enum Read {
    /// The next range.
    Persons(Vec<StoredPerson>),
    /// There are no more. Without it nothing is frozen: a reader that broke off would
    /// otherwise leave a release of half the children.
    All,
}

/// What the count is told besides the persons.
pub(super) struct Told {
    pub(super) feeds: Vec<FeedWeek>,
    /// The records about nobody.
    pub(super) organisations: Vec<Event>,
}

/// What the store says before the pass.
pub(super) struct Before {
    pub(super) told: Told,
    pub(super) ranges: mpsc::Receiver<Result<Read, StoreError>>,
    /// Ends with whoever waits for the count: nobody counts what nobody will freeze.
    pub(super) reading: AbortOnDropHandle<()>,
}

/// Reads what is needed before the pass, and starts the reading.
pub(super) async fn read_before(
    mut tx: Tx,
    known: &Feeds,
    plan: &Plan,
) -> Result<Before, GatewayError> {
    let (sources, asked) = (plan.sources(), plan.consent_terms());
    let mut serving: Vec<(FeedId, RecordType)> = Vec::new();
    let (mut terms, mut deaths) = (BTreeMap::new(), Vec::new());
    for (feed, partner, record_type) in feeds::all(&mut tx).await? {
        let source = (partner, record_type);
        if sources.contains(&source) {
            serving.push((feed, record_type));
            terms.extend(asked.get(&source).map(|asked| (feed, asked.clone())));
        } else if record_type == RecordType::Death {
            // A death serves no table: it only takes a person out of all of them.
            deaths.push(feed);
        }
    }
    let unconsented = consents::unconsented(&mut tx, &terms, epoch_day(plan.today)).await?;
    let of_nobody = |(_, r): &&(FeedId, RecordType)| r.definition().about == About::Nobody;
    let of_nobody: Vec<FeedId> = serving.iter().filter(of_nobody).map(|(feed, _)| *feed).collect();
    let organisations = match of_nobody.is_empty() {
        true => Vec::new(),
        false => scan::principal_events(&mut tx, &of_nobody, &unconsented).await?,
    };
    let (sender, ranges) = mpsc::channel(1);
    let feeds: Vec<FeedId> = serving.iter().map(|(feed, _)| *feed).chain(deaths).collect();
    let counted = Counted::read(&mut tx, &feeds, &unconsented).await?;
    let reading = AbortOnDropHandle::new(tokio::spawn(read_ranges(tx, counted, sender)));
    let told = Told { feeds: known.weeks(&sources), organisations };
    Ok(Before { told, ranges, reading })
}

/// The reading task. It ends early when nobody counts any more.
async fn read_ranges(mut tx: Tx, counted: Counted, sender: mpsc::Sender<Result<Read, StoreError>>) {
    let last = match scan::last_person(&mut tx).await {
        Ok(last) => last,
        Err(error) => return drop(sender.send(Err(error)).await),
    };
    let mut after = 0;
    while after < last {
        let until = after.saturating_add(RANGE).min(last);
        let read = scan::counted_persons(&mut tx, &counted, after, until).await;
        let broken = read.is_err();
        if sender.send(read.map(Read::Persons)).await.is_err() || broken {
            return;
        }
        after = until;
    }
    let _ = sender.send(Ok(Read::All)).await;
}
