//! The persons of a bench's store as the close's pass reads them: the same feeds, consents and
//! ranges, by the same functions of the store.

use crate::{
    bench::BenchError,
    disclosure::{Geography, PersonFacts},
    domain::{
        Event, FeedId, Lsoa, PartnerId, PersonId, Quarter, RecordType, Role,
        record::About,
        row::Sex,
        time::{date_of, epoch_day},
    },
    gateway::Gateway,
    keys::{Cell, Sealer},
    linkage::Facts,
    protocol::{ConsentTerms, permit::ReleasePermit, vocabulary::ConsentRule},
    store::{
        Rights, Tx, consents,
        counted::Counted,
        feeds,
        scan::{self, RANGE, StoredPerson},
    },
};
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// Whose records of which type.
type Source = (PartnerId, RecordType);
/// What flows ask of the consents that their records rest on.
type Asked = BTreeMap<Source, Vec<ConsentTerms>>;

/// One person with all that may be counted of it. No Debug: it holds a date of birth.
pub(super) struct Read {
    pub(super) person: PersonId,
    pub(super) date_of_birth: Option<Date>,
    pub(super) sex: Sex,
    pub(super) events: Vec<Event>,
}

impl Read {
    fn of(stored: &StoredPerson, sealer: &Sealer) -> Result<Self, BenchError> {
        let (mut birth, mut sex) = (None, Sex::NotKnown);
        if let Some((subject, sealed)) = &stored.facts {
            let cell = Cell { table: "subject", column: "facts", row: subject.number() };
            let facts = Facts::open(cell, sealer, sealed)?;
            (birth, sex) = (facts.birth, facts.sex);
        }
        let date_of_birth = birth.and_then(|birth| date_of(-birth.days_until(0)));
        Ok(Self { person: stored.person, date_of_birth, sex, events: stored.events()? })
    }

    /// The form that the counter takes.
    pub(super) fn facts(&self) -> PersonFacts<'_> {
        let deaths = self.events.iter().filter(|event| {
            event.record_type == RecordType::Death && event.role == Role::Principal
        });
        PersonFacts {
            person: self.person,
            date_of_birth: self.date_of_birth,
            sex: self.sex,
            death: deaths.filter_map(|event| event.day).min().and_then(date_of),
            events: &self.events,
        }
    }
}

/// A pass over the persons, in one snapshot of the store.
pub(super) struct Pass<'a> {
    tx: Tx,
    sealer: &'a Sealer,
    counted: Counted,
    /// The records about nobody.
    pub(super) organisations: Vec<Event>,
    after: i64,
    last: i64,
}

impl<'a> Pass<'a> {
    /// What a close of this quarter would read today.
    pub(super) async fn begin(
        gateway: &Gateway,
        quarter: Quarter,
        sealer: &'a Sealer,
    ) -> Result<Self, BenchError> {
        let mut tx = gateway.store().read(Rights::Release).await?;
        let (sources, asked) = sources(gateway, quarter)?;
        let (mut serving, mut of_nobody) = (Vec::new(), Vec::new());
        let mut terms: BTreeMap<FeedId, Vec<ConsentTerms>> = BTreeMap::new();
        for (feed, partner, record_type) in feeds::all(&mut tx).await? {
            let source = (partner, record_type);
            let serves = sources.contains(&source);
            if serves || record_type == RecordType::Death {
                serving.push(feed);
            }
            if serves {
                terms.extend(asked.get(&source).map(|asked| (feed, asked.clone())));
                if record_type.definition().about == About::Nobody {
                    of_nobody.push(feed);
                }
            }
        }
        let today = epoch_day(gateway.today());
        let unconsented = consents::unconsented(&mut tx, &terms, today).await?;
        let organisations = scan::principal_events(&mut tx, &of_nobody, &unconsented).await?;
        let counted = Counted::read(&mut tx, &serving, &unconsented).await?;
        let last = scan::last_person(&mut tx).await?;
        Ok(Self { tx, sealer, counted, organisations, after: 0, last })
    }

    /// The next persons, ascending; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Read>>, BenchError> {
        if self.after >= self.last {
            return Ok(None);
        }
        let until = self.after.saturating_add(RANGE).min(self.last);
        let stored = scan::counted_persons(&mut self.tx, &self.counted, self.after, until).await?;
        self.after = until;
        let read = stored.iter().map(|person| Read::of(person, self.sealer));
        read.collect::<Result<_, _>>().map(Some)
    }
}

/// Whose records the quarter's permits let be counted, and what is asked of consents.
fn sources(gateway: &Gateway, quarter: Quarter) -> Result<(BTreeSet<Source>, Asked), BenchError> {
    let (snapshot, today) = (gateway.snapshot(), gateway.today());
    let (mut sources, mut asked) = (BTreeSet::new(), Asked::new());
    for table in gateway.catalogue().due_in(quarter) {
        let permit = snapshot.policy().may_release(&table.id, &table.sources, today);
        let permit: ReleasePermit = permit.map_err(|_| BenchError::NoPermit)?;
        for source in permit.sources() {
            let key = (source.partner().clone(), source.record_type());
            let terms = source.consent_terms();
            if terms.rule == ConsentRule::Explicit {
                let all = asked.entry(key.clone()).or_default();
                if !all.contains(terms) {
                    all.push(terms.clone());
                }
            }
            sources.insert(key);
        }
    }
    Ok((sources, asked))
}

/// Every LSOA of a geography with its area's row.
pub(super) fn lsoas(geography: &Geography) -> impl Iterator<Item = (usize, Lsoa)> + '_ {
    let areas = geography.areas().iter().enumerate();
    areas.flat_map(|(row, area)| area.lsoas.iter().map(move |lsoa| (row, *lsoa)))
}
