//! `tallygate.v1.AccessLogService`: the checkpoint, searches, proofs, tiles and entries.

use super::{Frame, receipt, releases::awaited};
use crate::{
    audit::{self, Hash},
    gateway::{EntryStream, LogSearch, Opened, OpenedItem, Sought, WantedEntries},
    wire::v1::{
        self, access_log_service_server, open_detail_request::Item, read_entries_response::Message,
    },
};
use std::{pin::Pin, sync::Arc};
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status};

/// Bundles that may wait for a slow reader.
const UNREAD: usize = 4;

type Entries = Pin<Box<dyn Stream<Item = Result<v1::ReadEntriesResponse, Status>> + Send>>;
type Sender = mpsc::Sender<Result<v1::ReadEntriesResponse, Status>>;

/// The access log service.
#[derive(Debug, Clone)]
pub struct AccessLogService(pub Arc<Frame>);

#[tonic::async_trait]
impl access_log_service_server::AccessLogService for AccessLogService {
    type ReadEntriesStream = Entries;

    async fn get_checkpoint(
        &self,
        request: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        let actor = self.0.recognise(&request).await?;
        let found = self.0.gateway().checkpoint(&actor, self.0.published()).await;
        let (checkpoint, proof) = found.map_err(|denied| self.0.status(denied))?.into_parts();
        let receipt = Some(receipt(&proof));
        Ok(Response::new(v1::GetCheckpointResponse { checkpoint, receipt }))
    }

    async fn search_entries(
        &self,
        request: Request<v1::SearchEntriesRequest>,
    ) -> Result<Response<v1::SearchEntriesResponse>, Status> {
        let actor = self.0.recognise(&request).await?;
        let search = LogSearch::from(request.into_inner());
        let found = self.0.gateway().search_log(&actor, &search).await;
        let (page, proof) = found.map_err(|denied| self.0.status(denied))?.into_parts();
        let entry = |(index, leaf)| v1::LogEntry { index, leaf };
        Ok(Response::new(v1::SearchEntriesResponse {
            entries: page.entries.into_iter().map(entry).collect(),
            next_page_token: page.next,
            receipt: Some(receipt(&proof)),
        }))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<v1::GetInclusionProofRequest>,
    ) -> Result<Response<v1::GetInclusionProofResponse>, Status> {
        let actor = self.0.recognise(&request).await?;
        let v1::GetInclusionProofRequest { index, tree_size } = *request.get_ref();
        let proved = self.0.gateway().prove_inclusion(&actor, index, tree_size).await;
        let (inclusion, proof) = proved.map_err(|denied| self.0.status(denied))?.into_parts();
        Ok(Response::new(v1::GetInclusionProofResponse {
            tree_size: inclusion.tree_size,
            leaf_hash: inclusion.leaf_hash.as_bytes().to_vec(),
            hashes: all(&inclusion.hashes),
            receipt: Some(receipt(&proof)),
            leaf: inclusion.leaf,
        }))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<v1::GetConsistencyProofRequest>,
    ) -> Result<Response<v1::GetConsistencyProofResponse>, Status> {
        let actor = self.0.recognise(&request).await?;
        let v1::GetConsistencyProofRequest { from_size, to_size } = *request.get_ref();
        let proved = self.0.gateway().prove_consistency(&actor, from_size, to_size).await;
        let (consistency, proof) = proved.map_err(|denied| self.0.status(denied))?.into_parts();
        Ok(Response::new(v1::GetConsistencyProofResponse {
            to_size: consistency.to_size,
            hashes: all(&consistency.hashes),
            receipt: Some(receipt(&proof)),
        }))
    }

    async fn get_tile(
        &self,
        request: Request<v1::GetTileRequest>,
    ) -> Result<Response<v1::GetTileResponse>, Status> {
        let actor = self.0.recognise(&request).await?;
        let v1::GetTileRequest { level, index, width } = *request.get_ref();
        let asked = (level, index, width);
        let found = self.0.gateway().tile_hashes(&actor, self.0.published(), asked).await;
        let hashes = found.map_err(|denied| self.0.status(denied))?;
        Ok(Response::new(v1::GetTileResponse { hashes }))
    }

    async fn read_entries(
        &self,
        request: Request<v1::ReadEntriesRequest>,
    ) -> Result<Response<Entries>, Status> {
        let frame = Arc::clone(&self.0);
        let actor = frame.recognise(&request).await?;
        let v1::ReadEntriesRequest { from_index, known_size, origin, published } =
            request.into_inner();
        let wanted = WantedEntries {
            origin: &origin,
            from_index,
            known_size,
            published: published.then(|| frame.published()),
        };
        let opened = frame.gateway().open_entries(actor, wanted).await;
        let (stream, proof) = opened.map_err(|denied| frame.status(denied))?.into_parts();
        let (answers, answered) = mpsc::channel(UNREAD);
        tokio::spawn(async move {
            if let Err(status) = serve(&frame, stream, &proof, &answers).await {
                // A caller that has gone away needs no answer.
                let _ = answers.send(Err(status)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answered))))
    }

    async fn open_detail(
        &self,
        request: Request<v1::OpenDetailRequest>,
    ) -> Result<Response<v1::OpenDetailResponse>, Status> {
        let actor = self.0.recognise(&request).await?;
        let v1::OpenDetailRequest { index, item, origin } = request.into_inner();
        let sought = match item {
            None => Sought::Item(0),
            Some(Item::ItemIndex(item)) => Sought::Item(item),
            Some(Item::Record(v1::DetailRecord { partner_id, record_id })) => {
                Sought::Record { partner: partner_id, record_id }
            }
        };
        let opened = self.0.gateway().open_detail(&actor, &origin, index, sought).await;
        let (opened, proof) = opened.map_err(|denied| self.0.status(denied))?.into_parts();
        let mut answer = match opened {
            Opened::Item(item) => item_shown(*item),
            Opened::Waiting(waiting) => v1::OpenDetailResponse {
                awaited: Some(awaited(&waiting)),
                ..v1::OpenDetailResponse::default()
            },
        };
        answer.receipt = Some(receipt(&proof));
        Ok(Response::new(answer))
    }
}

/// Sends a stream that was opened. However it ends, the log says so, with its size class.
async fn serve(
    frame: &Frame,
    mut stream: EntryStream,
    proof: &audit::Receipt,
    answers: &Sender,
) -> Result<(), Status> {
    let opened = v1::ReadEntriesOpened {
        checkpoint: stream.checkpoint().to_owned(),
        consistency: all(stream.consistency()),
        receipt: Some(receipt(proof)),
    };
    let sent = async {
        answer(answers, Message::Opened(opened)).await?;
        while let Some(bundle) = stream.bundle().await.map_err(|denied| frame.status(denied))? {
            let bundle = v1::EntryBundle {
                index: bundle.index,
                width: u32::try_from(bundle.width).unwrap_or(u32::MAX),
                entries: bundle.entries,
            };
            answer(answers, Message::Bundle(bundle)).await?;
        }
        Ok::<(), Status>(())
    }
    .await;
    let closed = stream.close().await.map_err(|denied| frame.status(denied))?;
    sent?;
    let (entries, proof) = closed.into_parts();
    let closed = v1::ReadEntriesClosed { entries, receipt: Some(receipt(&proof)) };
    answer(answers, Message::Closed(closed)).await
}

async fn answer(answers: &Sender, message: Message) -> Result<(), Status> {
    let response = v1::ReadEntriesResponse { message: Some(message) };
    answers.send(Ok(response)).await.map_err(|_| Status::cancelled("the caller has gone away"))
}

fn item_shown(opened: OpenedItem) -> v1::OpenDetailResponse {
    let (salt, item) = match &opened.shown {
        Some((salt, item)) => (salt.to_vec(), item.clone().into_bytes()),
        None => (Vec::new(), Vec::new()),
    };
    v1::OpenDetailResponse {
        leaf: opened.leaf,
        item_index: opened.index,
        items: opened.size,
        erased: opened.shown.is_none(),
        item,
        salt,
        item_hash: opened.hash.as_bytes().to_vec(),
        path: all(&opened.path),
        awaited: None,
        receipt: None,
    }
}

fn all(hashes: &[Hash]) -> Vec<Vec<u8>> {
    hashes.iter().map(|hash| hash.as_bytes().to_vec()).collect()
}

impl From<v1::SearchEntriesRequest> for LogSearch {
    fn from(wire: v1::SearchEntriesRequest) -> Self {
        Self {
            partner: wire.partner_id,
            area: wire.area,
            purpose: wire.purpose,
            protocol: wire.protocol_id,
            kind: wire.kind,
            decision: wire.decision,
            from_micros: wire.from_micros,
            until_micros: wire.until_micros,
            page_size: wire.page_size,
            page_token: wire.page_token,
            user: wire.user,
        }
    }
}
