//! Every step of staging a batch, refused or lost, undone or done all the same: no record is
//! lost, none is taken twice, and none counts that was not acknowledged.
//!
//! What is staged is invisible until the sequencer accepts it, so whatever a failure leaves
//! behind is taken over when the sender tries again.

use super::support::{TODAY, World, kinds};
use crate::{
    domain::identifier::{Scheme, check},
    gateway::{Denied, OpenStream, intake::Intake},
    protocol::{CallerRole, template::Template},
    store::{
        Rights,
        faults::{Fault, Report, accepted},
    },
};
use std::collections::BTreeSet;

/// Records a batch.
const RECORDS: usize = 2;
const COLUMNS: [&str; 7] =
    ["record_id", "extracted_at", "event_date", "nhs_number", "date_of_birth", "review", "outcome"];

async fn open(world: &World) -> Intake {
    let open = OpenStream {
        protocol: "isp-health".to_owned(),
        version: 0,
        record_type: "health_review".to_owned(),
        purpose: String::new(),
        columns: COLUMNS.map(str::to_owned).to_vec(),
        extract_day: TODAY.to_string(),
        dry_run: false,
        blinding: None,
    };
    let actor = world.actor("health", &[CallerRole::Provider]);
    world.gateway.open_stream(actor, open).await.unwrap().into_parts().0
}

/// Reviews of children whom no other batch has.
fn rows(batch: usize) -> Vec<Vec<String>> {
    let numbers = 9_990_000_000_u64 + batch as u64 * 1_000..;
    numbers
        .map(|number| number.to_string())
        .filter(|number| check(Scheme::Nhs, number).is_ok())
        .take(RECORDS)
        .map(|number| {
            let id = format!("{batch}-{number}");
            [&id, "2026-04-20", "2026-02-03", &number, "2024-02-28", "twelve_month", "completed"]
                .map(str::to_owned)
                .to_vec()
        })
        .collect()
}

/// What a sender is told of a batch: how many were sent before, or that it failed. The batch
/// is taken in a task of its own, whose steps are counted.
async fn send(world: &World, batch: usize) -> Result<usize, Denied> {
    let mut intake = open(world).await;
    let keyed = intake.reader().read(rows(batch)).unwrap();
    let sent = tokio::spawn(async move { intake.take_batch(keyed).await }).await.unwrap();
    let (taken, logged) = sent?;
    assert_eq!((taken.well_formed, taken.rejections.len()), (RECORDS, 0));
    assert!(logged.is_some(), "acknowledged without a receipt");
    Ok(taken.sent_before)
}

#[tokio::test]
async fn each_step_of_staging_that_fails_loses_and_doubles_nothing() {
    let world = World::new().await;
    world.in_force(Template::Health).await;
    let store = world.gateway.store().clone();
    store.faults.arm(Rights::Intake, Vec::new());
    assert_eq!(send(&world, 0).await.unwrap(), 0);
    let steps = store.faults.disarm();
    // The first is of opening the stream.
    let first = steps.iter().rposition(|step| step == "begin").unwrap();
    assert_eq!(steps.last().unwrap(), "COMMIT");
    assert!(steps.len() - first > 8, "{steps:?}");
    let (mut batch, mut met) = (0, BTreeSet::new());
    for (number, step) in steps.iter().enumerate().skip(first) {
        met.insert(step);
        for report in [Report::Refused, Report::Lost] {
            for done in [false, true] {
                batch += 1;
                let case = format!("{number} {step}, {report:?}, done {done}");
                store.faults.arm(Rights::Intake, vec![Fault { step: number, report, done }]);
                let told = send(&world, batch).await;
                store.faults.disarm();
                // A lost connection is looked after here; a refusal is the sender's to repeat.
                assert_eq!(told.is_ok(), report == Report::Lost, "{case}: {told:?}");
                let counted = batch + usize::from(told.is_ok());
                assert_eq!(
                    accepted(&store).await,
                    (counted * RECORDS, counted * RECORDS),
                    "{case}"
                );
                let again = send(&world, batch).await.unwrap_or_else(|e| panic!("{case}: {e:?}"));
                // Sent before is what was acknowledged before, never what was only staged.
                assert_eq!(again, if told.is_ok() { RECORDS } else { 0 }, "{case}");
                let all = (batch + 1) * RECORDS;
                assert_eq!(accepted(&store).await, (all, all), "{case}");
            }
        }
    }
    assert!(met.len() > 6, "{met:?}");
    let leaves = kinds(&world.leaves().await);
    // One for the baseline, one for each batch, one for each that was sent again in vain.
    assert_eq!(leaves["batch_accepted"], 1 + batch + batch / 2);
}
