//! Tells what a batch adds from what was sent before.

use super::{Additions, Gone, New, Unused, known::Known};
use crate::{
    domain::field::Rule,
    gateway::{
        GatewayError,
        intake::{
            Accepted, Intake, Rejection,
            keyed::{KeyedBatch, KeyedContent, KeyedRecord},
        },
        rights,
    },
    keys::KeysInUse,
    protocol::Choices,
    store::{Tx, records},
};
use std::collections::{BTreeMap, BTreeSet};

/// Tells new records from those sent before, and withdrawals from both.
pub(super) async fn sort_out<'a>(
    intake: &Intake,
    tx: &mut Tx,
    batch: &'a KeyedBatch,
    keys: &KeysInUse,
    accepted: &mut Accepted,
) -> Result<Additions<'a>, GatewayError> {
    let known = Known::read(intake, tx, batch, keys).await?;
    let numbers = known.numbers();
    let mut gone: BTreeSet<i64> = records::withdrawn(tx, &numbers).await?.into_iter().collect();
    // There is nothing left to withdraw of what was let go.
    gone.extend(known.let_go());
    let mut sorting = Sorting {
        intake,
        keys,
        known: &known,
        gone,
        here: BTreeMap::new(),
        gone_here: BTreeSet::new(),
        additions: Additions::default(),
    };
    for record in batch.admitted() {
        match sorting.take(record)? {
            Taken::New => {}
            Taken::SentBefore => accepted.sent_before += 1,
            Taken::Refused(field, rule) => refuse_row(record, accepted, (field, rule)),
        }
    }
    accepted.rejections.sort_by_key(|rejection| rejection.row);
    Ok(sorting.additions)
}

/// What a row's sender is told of it.
enum Taken {
    New,
    SentBefore,
    Refused(&'static str, Rule),
}

/// A batch on its way through, row by row.
struct Sorting<'s, 'a> {
    intake: &'s Intake,
    keys: &'s KeysInUse,
    known: &'s Known,
    /// The numbers of records that there is nothing left of to withdraw or to supersede.
    gone: BTreeSet<i64>,
    /// The records of this very batch, by their places in what it adds.
    here: BTreeMap<[u8; 16], usize>,
    /// Those of them that it withdraws or supersedes itself.
    gone_here: BTreeSet<usize>,
    additions: Additions<'a>,
}

impl<'a> Sorting<'_, 'a> {
    fn take(&mut self, record: &'a KeyedRecord) -> Result<Taken, GatewayError> {
        let before = self.known.accepted(&record.key);
        let here = self.here.get(&record.key).copied();
        Ok(match (&record.content, before, here) {
            (Some(content), Some(number), None) => {
                self.take_late(record, content, number)?;
                Taken::SentBefore
            }
            (Some(_), _, Some(_)) => Taken::SentBefore,
            (Some(_), None, None) if self.supersedes_nothing(record) => {
                Taken::Refused("supersedes", Rule::NothingToSupersede)
            }
            (Some(content), None, None) => {
                self.add(record, content)?;
                Taken::New
            }
            (None, None, None) => Taken::Refused("record_id", Rule::NothingToWithdraw),
            (None, ..) if self.lets_go(&record.key, Gone::withdrawn(record)) => Taken::New,
            (None, ..) => Taken::SentBefore,
        })
    }

    /// Takes what was sent before and not used, unless a choice binds still.
    fn take_late(
        &mut self,
        record: &'a KeyedRecord,
        content: &'a KeyedContent,
        number: i64,
    ) -> Result<(), GatewayError> {
        let unused = self.known.unused(&record.key).filter(|_| !self.gone.contains(&number));
        let Some(late) = unused.copied() else { return Ok(()) };
        if self.is_bound(content)? {
            return Ok(());
        }
        self.put(New { record, content, dropped: None, late: Some(late) });
        Ok(())
    }

    fn add(
        &mut self,
        record: &'a KeyedRecord,
        content: &'a KeyedContent,
    ) -> Result<(), GatewayError> {
        if let Some(earlier) = &record.supersedes {
            self.lets_go(&earlier.key, Gone::superseded(record, earlier));
        }
        let dropped = match self.is_bound(content)? {
            true => Some(Unused::of(self.intake, self.keys, record, content)?),
            false => None,
        };
        self.put(New { record, content, dropped, late: None });
        if let Some(left) = self.known.dropped.get(&record.key) {
            self.additions.forgotten.push(rights::record_token(self.keys, &record.key)?);
            if !left.undone {
                self.additions.abandoned.insert(left.batch);
            }
        }
        Ok(())
    }

    /// Adds a record; what was staged under its id before is taken over.
    fn put(&mut self, new: New<'a>) {
        let key = &new.record.key;
        if let Some(sent) = self.known.sent.get(key) {
            self.additions.taken_over.push(*key);
            if !sent.undone {
                self.additions.abandoned.insert(sent.batch);
            }
        }
        self.here.insert(*key, self.additions.new.len());
        self.additions.new.push(new);
    }

    /// Whether what a record is to take the place of is not there, or gone already, used or not:
    /// two corrections of one record would count.
    fn supersedes_nothing(&self, record: &KeyedRecord) -> bool {
        let Some(earlier) = &record.supersedes else { return false };
        match (self.known.accepted(&earlier.key), self.here.get(&earlier.key)) {
            (_, Some(at)) => self.gone_here.contains(at),
            (Some(number), None) => self.gone.contains(&number),
            (None, None) => true,
        }
    }

    /// A record goes, unless it is gone already. Also one that was sent before and is taken now:
    /// what is taken is what goes.
    fn lets_go(&mut self, key: &[u8; 16], goes: Gone<'a>) -> bool {
        match (self.known.accepted(key), self.here.get(key)) {
            (_, Some(at)) if self.gone_here.insert(*at) => {
                self.additions.withdrawn_here.push((goes, *at));
                true
            }
            (Some(number), None) if self.gone.insert(number) => {
                self.additions.withdrawn.push((goes, number));
                true
            }
            _ => false,
        }
    }

    /// Whether somebody whom the record names has made a choice that binds the stream's flow. Its
    /// sender is told what it would be told otherwise.
    fn is_bound(&mut self, content: &KeyedContent) -> Result<bool, GatewayError> {
        if self.known.suppressions.is_empty() {
            return Ok(false);
        }
        let persons = rights::known_again(self.keys, &content.persons)?;
        let chosen = self.known.suppressions.chosen(&persons);
        if chosen != Choices::default() {
            self.additions.chosen.extend(persons);
        }
        Ok(chosen.meets(self.intake.permit.choices()))
    }
}

fn refuse_row(record: &KeyedRecord, accepted: &mut Accepted, (field, rule): (&'static str, Rule)) {
    accepted.well_formed -= 1;
    accepted.rejections.push(Rejection {
        row: record.row,
        field,
        rule: rule.code(),
        sentence: rule.sentence(),
        by_protocol: false,
    });
}
