//! Which calls are taken on, and how long they may take: load is shed before anything is looked
//! up, at the cost of an answer.
//!
//! Such an answer says when to come back, in both ways that gRPC has: `google.rpc.RetryInfo` among
//! its details, and `grpc-retry-pushback-ms` (gRFC A6). It is no act, and not in the access log:
//! who floods the gateway must not fill the log. `RESOURCE_EXHAUSTED` blames the caller, who has
//! its share; `UNAVAILABLE` nobody. Since telling somebody so costs something, too, the connection
//! of one that goes on and on is not read for a moment ([`Pause`](crate::identity::Pause)).

use super::{
    crowd::{Crowd, NoPlace, Place, Places},
    status,
};
use crate::identity::Peer;
use http::{Request, Response};
use http_body_util::BodyExt;
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::time;
use tonic::{Status, body::Body};

/// Calls that are answered once: as many as keep the log's group commits full.
const CALLS: Places = Places { all: 96, when_crowded: 24, a_caller: 64, always: 1 };
/// Streams, which last.
const STREAMS: Places = Places { all: 512, when_crowded: 512, a_caller: 64, always: 4 };
/// The calls that are streams, of whichever service.
const STREAMED: [&str; 4] = ["Push", "ReadEntries", "Watch", "ServerReflectionInfo"];
/// How long a call may take, its request's way to us included.
const CALL_TIME: Duration = Duration::from_secs(60);
/// The same of services that go through all that is stored, or take a whole file.
const LONG_CALL_TIME: Duration = Duration::from_secs(6 * 3_600);
const LONG: [&str; 4] = [
    "tallygate.v1.AreaService",
    "tallygate.v1.ReleaseService",
    "tallygate.v1.RetentionService",
    "tallygate.v1.SubjectService",
];
/// When somebody may come back who was turned away.
const COME_BACK: Duration = Duration::from_secs(1);

/// Who has calls and streams.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    calls: Arc<Crowd>,
    streams: Arc<Crowd>,
}

impl Default for Admission {
    fn default() -> Self {
        Self { calls: Crowd::new("calls", CALLS), streams: Crowd::new("streams", STREAMS) }
    }
}

/// A call that was taken on.
pub(super) enum Admitted {
    /// It is over with its answer, which is sent in its caller's time.
    Call(Place, Duration),
    /// It is over when its last message is sent.
    Stream(Place),
}

impl Admission {
    /// Takes a call of `path` on.
    ///
    /// # Errors
    /// With what its caller is told.
    pub(super) fn admit(&self, path: &str, caller: Option<&Peer>) -> Result<Admitted, Status> {
        let mut parts = path.split('/').skip(1);
        let (service, method) =
            (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let is_stream = STREAMED.contains(&method);
        let crowd = if is_stream { &self.streams } else { &self.calls };
        let place = crowd.enter(caller.map(|caller| *caller.fingerprint())).map_err(|no| {
            if let Some(caller) = caller {
                caller.pause().in_vain(time::Instant::now());
            }
            match no {
                NoPlace::OwnShare => status::turned_away(
                    tonic::Code::ResourceExhausted,
                    "too many calls of yours at once; wait for their answers, and try again then",
                    COME_BACK,
                ),
                NoPlace::Full => status::turned_away(
                    tonic::Code::Unavailable,
                    "too many callers at once; try again later",
                    COME_BACK,
                ),
            }
        })?;
        let most = if LONG.contains(&service) { LONG_CALL_TIME } else { CALL_TIME };
        Ok(if is_stream { Admitted::Stream(place) } else { Admitted::Call(place, most) })
    }
}

impl Admitted {
    /// Lets it be answered in its time.
    pub(super) async fn answer(
        self,
        answering: impl Future<Output = Result<Response<Body>, Infallible>>,
    ) -> Result<Response<Body>, Infallible> {
        match self {
            // Dropped unfinished, a call ends as one whose caller has gone.
            Self::Call(_place, most) => match time::timeout(most, answering).await {
                Ok(answer) => answer,
                Err(_) => {
                    let sentence = "the call took longer than any may; its request may be too slow";
                    Ok(Status::deadline_exceeded(sentence).into_http())
                }
            },
            Self::Stream(place) => Ok(answering.await?.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    let _until_the_body_is_gone = &place;
                    frame
                }))
            })),
        }
    }
}

/// Whose request it is, if its connection told.
pub(super) fn caller(request: &Request<Body>) -> Option<&Peer> {
    request.extensions().get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_never_ends_is_ended_and_gives_its_place_back() {
        let admission = Admission::default();
        let admitted = admission.admit("/tallygate.v1.FigureService/GetCard", None).unwrap();
        let Admitted::Call(place, CALL_TIME) = admitted else { panic!("not as long as a call") };
        let admitted = Admitted::Call(place, Duration::from_millis(1));
        let answer = admitted.answer(std::future::pending()).await.unwrap();
        let code = answer.headers().get("grpc-status").unwrap();
        assert_eq!(code, "4", "DEADLINE_EXCEEDED");
        assert_eq!(Arc::strong_count(&admission.calls), 1, "the place is still taken");
    }

    #[tokio::test]
    async fn a_stream_keeps_its_place_until_its_last_message() {
        let admission = Admission::default();
        let admitted = admission.admit("/tallygate.v1.IntakeService/Push", None).unwrap();
        let body = Body::new(http_body_util::Full::from("a message"));
        let answer = admitted.answer(async { Ok(Response::new(body)) }).await.unwrap();
        assert_eq!(Arc::strong_count(&admission.streams), 2);
        drop(answer);
        assert_eq!(Arc::strong_count(&admission.streams), 1);
    }
}
