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
    let mut here: BTreeMap<[u8; 16], usize> = BTreeMap::new();
    let mut gone_here: BTreeSet<usize> = BTreeSet::new();
    let mut additions = Additions::default();
    for record in batch.admitted() {
        let before = known.accepted(&record.key);
        match (&record.content, before, here.get(&record.key)) {
            (Some(content), Some(number), None) => {
                accepted.sent_before += 1;
                let unused = known.unused(&record.key).filter(|_| !gone.contains(&number));
                if let Some(unused) = unused
                    && !is_bound(intake, &known, keys, content, &mut additions)?
                {
                    here.insert(record.key, additions.new.len());
                    let late = Some(*unused);
                    additions.new.push(New { record, content, dropped: None, late });
                    take_over(&mut additions, record, &known);
                }
            }
            (Some(_), _, Some(_)) => accepted.sent_before += 1,
            (Some(_), None, None)
                if record.supersedes.as_ref().is_some_and(|earlier| {
                    // Nor of what is gone, used or not: two corrections of one record would count.
                    match (known.accepted(&earlier.key), here.get(&earlier.key)) {
                        (_, Some(at)) => gone_here.contains(at),
                        (Some(number), None) => gone.contains(&number),
                        (None, None) => true,
                    }
                }) =>
            {
                refuse_row(record, accepted, ("supersedes", Rule::NothingToSupersede));
            }
            (Some(content), None, None) => {
                let (gone, here_gone) = (&mut gone, &mut gone_here);
                let_go_of_earlier(&mut additions, record, &known, &here, gone, here_gone);
                here.insert(record.key, additions.new.len());
                let bound = is_bound(intake, &known, keys, content, &mut additions)?;
                let dropped = match bound {
                    true => Some(Unused::of(intake, keys, record, content)?),
                    false => None,
                };
                additions.new.push(New { record, content, dropped, late: None });
                take_over(&mut additions, record, &known);
                if let Some(left) = known.dropped.get(&record.key) {
                    additions.forgotten.push(rights::record_token(keys, &record.key)?);
                    if !left.undone {
                        additions.abandoned.insert(left.batch);
                    }
                }
            }
            // Also of one that was sent before and is taken now: what is taken is what goes.
            (None, _, Some(at)) => {
                if gone_here.insert(*at) {
                    additions.withdrawn_here.push((Gone::withdrawn(record), *at));
                } else {
                    accepted.sent_before += 1;
                }
            }
            (None, Some(number), None) => {
                if gone.insert(number) {
                    additions.withdrawn.push((Gone::withdrawn(record), number));
                } else {
                    accepted.sent_before += 1;
                }
            }
            (None, None, None) => {
                refuse_row(record, accepted, ("record_id", Rule::NothingToWithdraw));
            }
        }
    }
    accepted.rejections.sort_by_key(|rejection| rejection.row);
    Ok(additions)
}

/// The record whose place this one takes goes, unless it is gone already.
fn let_go_of_earlier<'a>(
    additions: &mut Additions<'a>,
    record: &'a KeyedRecord,
    known: &Known,
    here: &BTreeMap<[u8; 16], usize>,
    gone: &mut BTreeSet<i64>,
    gone_here: &mut BTreeSet<usize>,
) {
    let Some(earlier) = &record.supersedes else { return };
    let goes = Gone::superseded(record, earlier);
    match (known.accepted(&earlier.key), here.get(&earlier.key)) {
        // Also of one that was sent before and is taken now: what is taken is what goes.
        (_, Some(at)) if gone_here.insert(*at) => additions.withdrawn_here.push((goes, *at)),
        (Some(number), None) if gone.insert(number) => additions.withdrawn.push((goes, number)),
        _ => {}
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

/// Whether somebody whom the record names has made a choice that binds the stream's flow. Its
/// sender is told what it would be told otherwise.
fn is_bound(
    intake: &Intake,
    known: &Known,
    keys: &KeysInUse,
    content: &KeyedContent,
    additions: &mut Additions<'_>,
) -> Result<bool, GatewayError> {
    if known.suppressions.is_empty() {
        return Ok(false);
    }
    let persons = rights::known_again(keys, &content.persons)?;
    let chosen = known.suppressions.chosen(&persons);
    if chosen != Choices::default() {
        additions.chosen.extend(persons);
    }
    Ok(chosen.meets(intake.permit.choices()))
}

fn take_over(additions: &mut Additions<'_>, record: &KeyedRecord, known: &Known) {
    if let Some(sent) = known.sent.get(&record.key) {
        additions.taken_over.push(record.key);
        if !sent.undone {
            additions.abandoned.insert(sent.batch);
        }
    }
}
