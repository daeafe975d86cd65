//! `tallygate.v1.ReleaseService`: previews, closing, and releases as they were signed.

use super::{Frame, receipt};
use crate::{
    gateway::{Closed, Frozen, Waiting},
    wire::v1::{self, release_service_server},
};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The release service.
#[derive(Debug, Clone)]
pub struct ReleaseService(pub Arc<Frame>);

#[tonic::async_trait]
impl release_service_server::ReleaseService for ReleaseService {
    async fn preview_release(
        &self,
        request: Request<v1::PreviewReleaseRequest>,
    ) -> Result<Response<v1::PreviewReleaseResponse>, Status> {
        let actor = self.0.recognise(&request).await?;
        let shown = self.0.gateway().preview_release(&actor, &request.get_ref().quarter).await;
        let (preview, proof) = shown.map_err(|denied| self.0.status(denied))?.into_parts();
        let receipt = Some(receipt(&proof));
        Ok(Response::new(v1::PreviewReleaseResponse { preview, receipt }))
    }

    async fn close_quarter(
        &self,
        request: Request<v1::CloseQuarterRequest>,
    ) -> Result<Response<v1::CloseQuarterResponse>, Status> {
        let actor = self.0.recognise(&request).await?;
        let v1::CloseQuarterRequest { quarter, accepted_warnings } = request.into_inner();
        let closed = self.0.gateway().close_quarter(&actor, &quarter, &accepted_warnings).await;
        let (closed, proof) = closed.map_err(|denied| self.0.status(denied))?.into_parts();
        let receipt = Some(receipt(&proof));
        let (entry, awaited) = match closed {
            Closed::Released(frozen) => (Some(entry(&frozen)), None),
            Closed::Waiting(waiting) => (None, Some(awaited(&waiting))),
        };
        Ok(Response::new(v1::CloseQuarterResponse { entry, receipt, awaited }))
    }

    async fn list_releases(
        &self,
        request: Request<v1::ListReleasesRequest>,
    ) -> Result<Response<v1::ListReleasesResponse>, Status> {
        let actor = self.0.recognise(&request).await?;
        let listed = self.0.gateway().list_releases(&actor).await;
        let (all, proof) = listed.map_err(|denied| self.0.status(denied))?.into_parts();
        let entries = all.iter().map(|frozen| entry(frozen)).collect();
        let receipt = Some(receipt(&proof));
        Ok(Response::new(v1::ListReleasesResponse { entries, receipt }))
    }

    async fn get_release(
        &self,
        request: Request<v1::GetReleaseRequest>,
    ) -> Result<Response<v1::GetReleaseResponse>, Status> {
        let actor = self.0.recognise(&request).await?;
        let found = self.0.gateway().release(&actor, &request.get_ref().quarter).await;
        let (frozen, proof) = found.map_err(|denied| self.0.status(denied))?.into_parts();
        Ok(Response::new(v1::GetReleaseResponse {
            entry: Some(entry(&frozen)),
            document: frozen.document.clone(),
            receipt: Some(receipt(&proof)),
        }))
    }

    async fn withdraw_release(
        &self,
        request: Request<v1::WithdrawReleaseRequest>,
    ) -> Result<Response<v1::WithdrawReleaseResponse>, Status> {
        let actor = self.0.recognise(&request).await?;
        let v1::WithdrawReleaseRequest { quarter, notice } = request.into_inner();
        let withdrawn = self.0.gateway().withdraw_release(&actor, &quarter, &notice).await;
        let (frozen, proof) = withdrawn.map_err(|denied| self.0.status(denied))?.into_parts();
        let (entry, receipt) = (Some(entry(&frozen)), Some(receipt(&proof)));
        Ok(Response::new(v1::WithdrawReleaseResponse { entry, receipt }))
    }
}

pub(super) fn awaited(waiting: &Waiting) -> v1::AwaitedApproval {
    v1::AwaitedApproval {
        act_digest: waiting.act.as_bytes().to_vec(),
        expires_at: waiting.until.as_microsecond(),
    }
}

fn entry(frozen: &Frozen) -> v1::ReleaseEntry {
    let budget = &frozen.release.budget;
    v1::ReleaseEntry {
        quarter: frozen.release.quarter.to_string(),
        digest: frozen.digest.as_bytes().to_vec(),
        rho: budget.quarter.value(),
        lifetime_rho: budget.lifetime.value(),
        frozen_at: frozen.frozen_at,
        notice: frozen.withdrawn.as_ref().map(|w| w.notice.clone()).unwrap_or_default(),
        withdrawn_at: frozen.withdrawn.as_ref().map_or(0, |w| w.at),
    }
}
