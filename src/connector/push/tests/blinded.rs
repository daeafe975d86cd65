//! Blinded pushes, against a gateway that evaluates under the key it says, or under another.

use super::{super::super::Blinding, *};
use crate::{
    keys::{KeyError, MasterKeys, Prf, Pseudonymiser, oblivious::BlindedElements},
    wire::v1::{
        EvaluateRequest, EvaluateResponse,
        blinding_service_server::{BlindingService, BlindingServiceServer},
    },
};
use http::{Request as HttpRequest, Response as HttpResponse};
use rand::{SeedableRng, rngs::StdRng};
use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    task::{Context, Poll},
};
use tonic::codegen::{BoxFuture, Service};

fn keys(seed: u64) -> Pseudonymiser {
    let keys = MasterKeys::generate_for(Prf::Oprf, &mut StdRng::seed_from_u64(seed));
    Pseudonymiser::new(&keys).unwrap()
}

/// Evaluates under its key, and counts.
#[derive(Clone)]
struct Evaluator(Arc<(Pseudonymiser, AtomicUsize)>);

#[tonic::async_trait]
impl BlindingService for Evaluator {
    async fn evaluate(
        &self,
        request: Request<EvaluateRequest>,
    ) -> Result<Response<EvaluateResponse>, Status> {
        let EvaluateRequest { opening, elements } = request.into_inner();
        assert!(opening.unwrap().blinded.is_some());
        let (keys, count) = &*self.0;
        let read = BlindedElements::read(&elements).unwrap();
        count.fetch_add(read.count(), SeqCst);
        let mut rng = StdRng::seed_from_u64(5);
        let done = keys.oprf().unwrap().evaluate_blinded(&read, &mut rng).unwrap();
        Ok(Response::new(EvaluateResponse {
            elements: done.elements.iter().map(|element| element.to_vec()).collect(),
            proof: done.proof.to_vec(),
            ..EvaluateResponse::default()
        }))
    }
}

/// The gateway's line, on which evaluations are answered by somebody else.
#[derive(Clone)]
struct Line(Channel, Evaluator);

impl Service<HttpRequest<RpcBody>> for Line {
    type Response = HttpResponse<RpcBody>;
    type Error = StdError;
    type Future = BoxFuture<Self::Response, StdError>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        Service::poll_ready(&mut self.0, context).map_err(Into::into)
    }

    fn call(&mut self, request: HttpRequest<RpcBody>) -> Self::Future {
        if request.uri().path().ends_with("/Evaluate") {
            let mut server = BlindingServiceServer::new(self.1.clone());
            let answer = Service::call(&mut server, request);
            return Box::pin(async {
                Ok::<_, Infallible>(answer.await?).map_err(|never| match never {})
            });
        }
        let answer = Service::call(&mut self.0, request);
        Box::pin(async { answer.await.map_err(Into::into) })
    }
}

async fn pushed(world: &World, evaluator: &Evaluator) -> Result<PushReport, PushError> {
    let mut order = world.order(&file(300));
    order.blinding = Some(Blinding {
        partner: "centres".parse().unwrap(),
        key: keys(1).oprf().unwrap().public_key(),
        rng: || StdRng::seed_from_u64(6),
    });
    push(Line(world.channel.clone(), evaluator.clone()), &order, &mut Silent).await
}

#[tokio::test]
async fn nothing_that_identifies_is_sent_and_equal_values_are_asked_for_once() {
    let world = World::new(calm());
    let evaluator = Evaluator(Arc::new((keys(1), AtomicUsize::new(0))));
    let report = pushed(&world, &evaluator).await.unwrap();
    let (refused_here, ..) = counts(300);
    assert_eq!((report.rows, report.rejected), (300, refused_here));
    let books = world.books();
    assert!(books.opens[0].blinded.is_some());
    assert!(books.received.iter().all(String::is_empty), "{:?}", books.received.first());
    let values = books.stored.values().flatten().cloned().collect::<Vec<_>>();
    assert!(values.contains(&"CC01".to_owned()) && !values.contains(&"Ann".to_owned()));
    assert!(!values.contains(&"9990000018".to_owned()), "{values:?}");
    // Each record's id, and of the one person that all are about: its number, and the tuples and
    // forms of its two forenames.
    let asked = evaluator.0.1.load(SeqCst);
    assert!((297..360).contains(&asked), "{asked}");
}

#[tokio::test]
async fn a_gateway_that_uses_another_key_is_found_out_before_anything_is_sent() {
    let world = World::new(calm());
    let evaluator = Evaluator(Arc::new((keys(2), AtomicUsize::new(0))));
    let error = pushed(&world, &evaluator).await.unwrap_err();
    assert!(matches!(error, PushError::Blinding(KeyError::OtherPrfKey)), "{error}");
    assert!(error.to_string().contains("used another key"), "{error}");
    assert!(world.books().received.is_empty());
}
