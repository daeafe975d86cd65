//! The stream of the log's entries to an auditor: handed over no faster than it is read, and
//! never waited for without end.
//!
//! A caller that answers pings and never reads would else hold its stream, and with it the
//! "closed" leaf, for ever: each message has a time limit, the whole stream has one, and
//! while a message waits the register is asked again whether its reader is still let in.

use super::{
    Frame,
    access_log::all,
    observe::{current, followed},
    receipt,
    status::stopping,
};
use crate::{
    audit,
    gateway::EntryStream,
    wire::v1::{self, read_entries_response::Message},
};
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{self, Instant},
};
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tonic::Status;
use tracing::Instrument as _;

/// Bundles that may wait for a slow reader.
const UNREAD: usize = 4;

pub(super) type Entries =
    Pin<Box<dyn Stream<Item = Result<v1::ReadEntriesResponse, Status>> + Send>>;
type Sender = mpsc::Sender<Result<v1::ReadEntriesResponse, Status>>;

/// How long a reader is waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// For one message.
    message: Duration,
    /// When the whole stream is to end; whoever wants more goes on where it was.
    until: Instant,
    /// How often the register is asked while a message waits.
    look: Duration,
}

impl Patience {
    /// A minute for a message, an hour for a stream.
    fn from_now() -> Self {
        let life = Duration::from_secs(3600);
        Self {
            message: Duration::from_secs(60),
            until: Instant::now() + life,
            look: Duration::from_secs(1),
        }
    }
}

/// Serves a stream that was opened.
pub(super) fn serve(frame: Arc<Frame>, stream: EntryStream, proof: audit::Receipt) -> Entries {
    let (answers, answered) = mpsc::channel(UNREAD);
    let (last, last_word) = oneshot::channel();
    let sending = async move {
        if let Err(status) = send(&frame, stream, &proof, &answers).await {
            // The queue may be full for ever; a caller that has gone away needs no answer.
            let _ = last.send(status);
        }
    };
    tokio::spawn(followed(current(), sending).in_current_span());
    let last_word = futures_util::stream::once(last_word).filter_map(|word| word.ok().map(Err));
    Box::pin(ReceiverStream::new(answered).chain(last_word))
}

/// Sends a stream. However it ends, the log says so, with its size class.
async fn send(
    frame: &Frame,
    mut stream: EntryStream,
    proof: &audit::Receipt,
    answers: &Sender,
) -> Result<(), Status> {
    let patience = Patience::from_now();
    let opened = v1::ReadEntriesOpened {
        checkpoint: stream.checkpoint().to_owned(),
        consistency: all(stream.consistency()),
        receipt: Some(receipt(proof)),
    };
    let sent = async {
        let mut message = Message::Opened(opened);
        loop {
            let mut reader = Reader { frame, stream: &mut stream };
            hand_over(answers, message, patience, &mut reader).await?;
            if frame.stop().is_cancelled() {
                return Err(stopping());
            }
            let bundle = stream.bundle().await.map_err(|denied| frame.status(denied))?;
            let Some(bundle) = bundle else { return Ok::<(), Status>(()) };
            message = Message::Bundle(v1::EntryBundle {
                index: bundle.index,
                width: u32::try_from(bundle.width).unwrap_or(u32::MAX),
                entries: bundle.entries,
            });
        }
    }
    .await;
    let closed = stream.close().await.map_err(|denied| frame.status(denied))?;
    sent?;
    let (entries, proof) = closed.into_parts();
    let closed = v1::ReadEntriesClosed { entries, receipt: Some(receipt(&proof)) };
    hand_over(answers, Message::Closed(closed), patience, &mut Nobody).await
}

/// Who is waited for.
trait Awaited: Send {
    /// Whether it is still worth waiting.
    fn check(&mut self) -> impl Future<Output = Result<(), Status>> + Send;
}

struct Reader<'a> {
    frame: &'a Frame,
    stream: &'a mut EntryStream,
}

impl Awaited for Reader<'_> {
    async fn check(&mut self) -> Result<(), Status> {
        self.stream.check_caller().await.map_err(|denied| self.frame.status(denied))
    }
}

/// Whoever it is: what is sent says nothing that was not sent before.
struct Nobody;

impl Awaited for Nobody {
    async fn check(&mut self) -> Result<(), Status> {
        Ok(())
    }
}

/// Hands a message over once there is a place for it; its reader is looked at while there is none.
async fn hand_over(
    answers: &Sender,
    message: Message,
    patience: Patience,
    reader: &mut impl Awaited,
) -> Result<(), Status> {
    let until = patience.until.min(Instant::now() + patience.message);
    loop {
        match time::timeout(patience.look, answers.reserve()).await {
            Ok(Ok(place)) => {
                place.send(Ok(v1::ReadEntriesResponse { message: Some(message) }));
                return Ok(());
            }
            Ok(Err(_)) => return Err(Status::cancelled("the caller has gone away")),
            Err(_) if Instant::now() >= until => {
                return Err(Status::deadline_exceeded("the stream was not read in time"));
            }
            Err(_) => reader.check().await?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience() -> Patience {
        Patience {
            message: Duration::from_millis(40),
            until: Instant::now() + Duration::from_secs(3600),
            look: Duration::from_millis(5),
        }
    }

    /// Is barred at the second look.
    struct Barred {
        looks: u32,
    }

    impl Awaited for Barred {
        async fn check(&mut self) -> Result<(), Status> {
            self.looks += 1;
            if self.looks > 1 { Err(Status::unauthenticated("barred")) } else { Ok(()) }
        }
    }

    fn message() -> Message {
        Message::Bundle(v1::EntryBundle::default())
    }

    #[tokio::test]
    async fn a_caller_that_never_reads_is_not_waited_for_without_end() {
        let (answers, mut answered) = mpsc::channel(1);
        hand_over(&answers, message(), patience(), &mut Nobody).await.unwrap();
        let late = hand_over(&answers, message(), patience(), &mut Nobody).await.unwrap_err();
        assert_eq!(late.code(), tonic::Code::DeadlineExceeded);
        // Nor beyond the stream's life, whatever a message may take.
        let over =
            Patience { message: Duration::from_secs(3600), until: Instant::now(), ..patience() };
        let late = hand_over(&answers, message(), over, &mut Nobody).await.unwrap_err();
        assert_eq!(late.code(), tonic::Code::DeadlineExceeded);
        // One that reads again gets on.
        let slow = Patience { message: Duration::from_secs(3600), ..patience() };
        let reading = async {
            tokio::task::yield_now().await;
            answered.recv().await.unwrap().unwrap()
        };
        let mut nobody = Nobody;
        let sending = hand_over(&answers, message(), slow, &mut nobody);
        let (sent, _) = tokio::join!(sending, reading);
        sent.unwrap();
        drop(answered);
        let gone = hand_over(&answers, message(), slow, &mut Nobody).await.unwrap_err();
        assert_eq!(gone.code(), tonic::Code::Cancelled);
    }

    #[tokio::test]
    async fn a_reader_that_is_barred_meanwhile_is_told_so_at_once() {
        let (answers, _answered) = mpsc::channel(1);
        let patience = Patience { message: Duration::from_secs(3600), ..patience() };
        hand_over(&answers, message(), patience, &mut Nobody).await.unwrap();
        let mut barred = Barred { looks: 0 };
        let ended = hand_over(&answers, message(), patience, &mut barred).await.unwrap_err();
        assert_eq!((ended.code(), barred.looks), (tonic::Code::Unauthenticated, 2));
    }
}
