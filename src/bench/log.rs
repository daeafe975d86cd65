//! The access log's write path: acts that wait for their receipts; beside the raw group commit
//! of as many rows in the same tables, without the tree, the checkpoint and the partner's own
//! counter.

use super::{
    BenchError, CALLERS, Row,
    sample::{Memory, Sample, row, storm},
    site::Scratch,
};
use crate::{
    audit::{Hash, Leaf, LeafKind, LogSigner, ProtocolReference, UserPseudonym},
    identity::Clock,
    server::system_rng,
    store::{
        Act, Effect, Rights, Sequencer, Store, bench::RawLog, effect::policy_epoch, partners::Entry,
    },
};
use rand::Rng;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Rounds of each kind; they alternate.
const ROUNDS: u64 = 3;
/// The most acts that one raw transaction takes, as the sequencer's.
const MOST_ACTS: usize = 1_000;

pub(super) async fn measure(
    scratch: &mut Scratch,
    clock: &Arc<dyn Clock>,
    leaves: u64,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
    say(&format!("log: {CALLERS} callers wait for {leaves} leaves"));
    let store = scratch.store("log").await?;
    let raw_store = scratch.store("log_raw").await?;
    let mut seed = [0; 32];
    system_rng().fill_bytes(&mut seed);
    let signer = LogSigner::from_seed("bench.example/log".parse()?, &seed)?;
    let now = Arc::clone(clock);
    let (sequencer, task) =
        Sequencer::start(store.clone(), signer, Arc::new(move || now.now())).await?;
    let leaf = leaf(clock)?;
    let partner = Entry { partner: "centres".parse()?, json: "{}".to_owned(), disabled: false };
    let effect = Effect::PutPartner(partner);
    sequencer.commit(Act { leaf: leaf.clone(), effect, epoch: None }).await?;
    let mut tx = store.read(Rights::Sequencer).await?;
    let epoch = policy_epoch(&mut tx).await?;
    drop(tx);
    let (raw, raw_task) = raw_log(raw_store.clone());
    let encoded = Arc::new(leaf.encode()?);
    let (mut real, mut bare) = (Sample::default(), Sample::default());
    let memory = Memory::watch();
    for _ in 0..ROUNDS {
        let (queue, bytes) = (raw.clone(), Arc::clone(&encoded));
        let one_raw = move |_| {
            let (queue, bytes) = (queue.clone(), Arc::clone(&bytes));
            async move {
                let (reply, done) = oneshot::channel();
                queue.send((bytes.to_vec(), reply)).await.map_err(|_| BenchError::CutShort)?;
                done.await.map_err(|_| BenchError::CutShort)
            }
        };
        bare.add(storm(leaves.div_ceil(ROUNDS), one_raw).await?);
        let (sequencer, leaf) = (sequencer.clone(), leaf.clone());
        let one = move |_| {
            let (sequencer, leaf) = (sequencer.clone(), leaf.clone());
            async move {
                let act = Act { leaf, effect: Effect::None, epoch: Some(epoch) };
                sequencer.commit(act).await?;
                Ok(())
            }
        };
        real.add(storm(leaves.div_ceil(ROUNDS), one).await?);
    }
    let peak = memory.peak_mib();
    drop((sequencer, raw));
    task.await.map_err(|_| BenchError::CutShort)?;
    raw_task.await.map_err(|_| BenchError::CutShort)??;
    store.close().await;
    raw_store.close().await;
    let engine = scratch.engine();
    let slowest = (real.percentile_ms(99), bare.percentile_ms(99));
    Ok(vec![
        row(("log", "leaves/s"), engine, (real.rate(), bare.rate()), &real, peak),
        row(("log_p99", "ms"), engine, slowest, &real, peak),
    ])
}

/// A leaf as long as those of answered questions.
pub(super) fn leaf(clock: &Arc<dyn Clock>) -> Result<Leaf, BenchError> {
    let mut leaf = Leaf::new(LeafKind::QueryAnswered, clock.now());
    leaf.partner = Some("centres".parse()?);
    leaf.user = Some(UserPseudonym::new([7; 16]));
    leaf.purpose = "childrens_centre_planning".parse().ok();
    let id = "isp-centres".parse()?;
    leaf.protocol = Some(ProtocolReference { digest: Hash::new([9; 32]), id, version: 1 });
    leaf.clause = "/outputs/0".parse().ok();
    leaf.area = "CC01".parse().ok();
    leaf.table = "engagement".parse().ok();
    leaf.indicator = "registered".parse().ok();
    leaf.notes.release = Some(Hash::new([5; 32]));
    Ok(leaf)
}

type Waiting = (Vec<u8>, oneshot::Sender<()>);
type RawTask = tokio::task::JoinHandle<Result<(), BenchError>>;

/// The raw group commit: whatever waits goes into one transaction.
fn raw_log(store: Store) -> (mpsc::Sender<Waiting>, RawTask) {
    let (queue, mut waiting) = mpsc::channel::<Waiting>(CALLERS);
    let task = tokio::spawn(async move {
        let mut log = RawLog::new(store);
        while let Some(first) = waiting.recv().await {
            let mut group = vec![first];
            while group.len() < MOST_ACTS
                && let Ok(next) = waiting.try_recv()
            {
                group.push(next);
            }
            let (leaves, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
            log.commit(leaves).await?;
            for reply in replies {
                // A caller that has gone away needs no answer.
                let _ = reply.send(());
            }
        }
        Ok(())
    });
    (queue, task)
}
