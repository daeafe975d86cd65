//! `tallygate.v1.TableRequestService`: tables that are wanted and not published.

use super::{Frame, receipt};
use crate::{
    disclosure::{WantedTable, catalogue::Base, wanted::Rhythm},
    gateway::{Refused, TableRequest, base_of},
    wire::v1::{self, table_request_service_server},
};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The service.
#[derive(Debug, Clone)]
pub struct TableRequestService(pub Arc<Frame>);

#[tonic::async_trait]
impl table_request_service_server::TableRequestService for TableRequestService {
    async fn ask_table(
        &self,
        request: Request<v1::AskTableRequest>,
    ) -> Result<Response<v1::AskTableResponse>, Status> {
        let actor = self.0.recognise(&request).await?;
        let wanted = wanted(request.into_inner().wanted.unwrap_or_default());
        let wanted = self.0.read(&actor, wanted).await?;
        let asked = self.0.gateway().ask_table(&actor, wanted).await;
        let ((number, cost), proof) = asked.map_err(|denied| self.0.status(denied))?.into_parts();
        let receipt = Some(receipt(&proof));
        Ok(Response::new(v1::AskTableResponse { number, cost, receipt }))
    }

    async fn list_table_requests(
        &self,
        request: Request<v1::ListTableRequestsRequest>,
    ) -> Result<Response<v1::ListTableRequestsResponse>, Status> {
        let actor = self.0.recognise(&request).await?;
        let listed = self.0.gateway().list_table_requests(&actor).await;
        let (all, proof) = listed.map_err(|denied| self.0.status(denied))?.into_parts();
        Ok(Response::new(v1::ListTableRequestsResponse {
            requests: all.into_iter().map(v1::TableRequest::from).collect(),
            receipt: Some(receipt(&proof)),
        }))
    }

    async fn decide_table_request(
        &self,
        request: Request<v1::DecideTableRequestRequest>,
    ) -> Result<Response<v1::DecideTableRequestResponse>, Status> {
        let actor = self.0.recognise(&request).await?;
        let v1::DecideTableRequestRequest { number, granted, reason } = request.into_inner();
        let gateway = self.0.gateway();
        let decided = gateway.decide_table_request(&actor, number, granted, &reason).await;
        let ((), proof) = decided.map_err(|denied| self.0.status(denied))?.into_parts();
        Ok(Response::new(v1::DecideTableRequestResponse { receipt: Some(receipt(&proof)) }))
    }
}

fn wanted(wire: v1::WantedTable) -> Result<WantedTable, Refused> {
    let base = base_of(&wire.base).ok_or_else(|| Refused::invalid("base", "a base of tables"))?;
    let rhythm = match wire.rhythm.as_str() {
        "quarterly" => Rhythm::Quarterly,
        "yearly" => Rhythm::Yearly,
        _ => return Err(Refused::invalid("rhythm", "quarterly or yearly")),
    };
    Ok(WantedTable {
        title: wire.title,
        purpose: wire.purpose,
        reason: wire.reason,
        cells: wire.cells,
        base,
        rhythm,
        periods: wire.periods,
        per_thousand: wire.per_thousand,
    })
}

impl From<TableRequest> for v1::TableRequest {
    fn from(request: TableRequest) -> Self {
        let TableRequest { kept, wanted } = request;
        let base = match wanted.base {
            Base::ReachArea => "reach_area",
            Base::Authority => "authority",
        };
        let rhythm = match wanted.rhythm {
            Rhythm::Quarterly => "quarterly",
            Rhythm::Yearly => "yearly",
        };
        Self {
            number: kept.number,
            partner_id: kept.partner.to_string(),
            asked_at: kept.asked_at,
            wanted: Some(v1::WantedTable {
                title: wanted.title,
                purpose: wanted.purpose,
                reason: wanted.reason,
                cells: wanted.cells,
                base: base.to_owned(),
                rhythm: rhythm.to_owned(),
                periods: wanted.periods,
                per_thousand: wanted.per_thousand,
            }),
            cost: kept.cost,
            state: kept.state.code().to_owned(),
            reason: kept.reason,
            decided_at: kept.decided_at,
        }
    }
}
