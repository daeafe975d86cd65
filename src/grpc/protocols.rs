//! `tallygate.v1.ProtocolService`.

use super::{Frame, partners, reading, receipt};
use crate::{
    domain::{ProtocolId, field::parse_date},
    gateway::{ExplainedAct, ExplainedQuestion, ProtocolLine, Refused},
    protocol::State,
    wire::v1::{
        ExplainDecisionRequest, ExplainDecisionResponse, GetProtocolRequest, GetProtocolResponse,
        ListProtocolsRequest, ListProtocolsResponse, ProtocolEntry, ProtocolState,
        ResumeProtocolRequest, ResumeProtocolResponse, SubmitProtocolRequest,
        SubmitProtocolResponse, SubmitRootPolicyRequest, SubmitRootPolicyResponse,
        SuspendProtocolRequest, SuspendProtocolResponse, protocol_service_server,
    },
};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The protocol service.
#[derive(Debug, Clone)]
pub struct ProtocolService(pub Arc<Frame>);

#[tonic::async_trait]
impl protocol_service_server::ProtocolService for ProtocolService {
    async fn submit_protocol(
        &self,
        request: Request<SubmitProtocolRequest>,
    ) -> Result<Response<SubmitProtocolResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let document = request.into_inner().document;
        let submitted = frame.gateway().submit_protocol(&actor, &document).await;
        let (line, proof) = submitted.map_err(|denied| frame.status(denied))?.into_parts();
        let entry = Some(line.into());
        Ok(Response::new(SubmitProtocolResponse { entry, receipt: Some(receipt(&proof)) }))
    }

    async fn submit_root_policy(
        &self,
        request: Request<SubmitRootPolicyRequest>,
    ) -> Result<Response<SubmitRootPolicyResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let document = request.into_inner().document;
        let submitted = frame.gateway().submit_root_policy(&actor, &document).await;
        let (line, proof) = submitted.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(SubmitRootPolicyResponse {
            version: line.version,
            digest: line.digest.to_vec(),
            receipt: Some(receipt(&proof)),
        }))
    }

    async fn get_protocol(
        &self,
        request: Request<GetProtocolRequest>,
    ) -> Result<Response<GetProtocolResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let GetProtocolRequest { protocol_id, version } = request.into_inner();
        let id = frame.read(&actor, id(&protocol_id)).await?;
        let found = frame.gateway().protocol(&actor, &id, version).await;
        let (found, proof) = found.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(GetProtocolResponse {
            entry: Some(found.line.into()),
            document: found.document,
            receipt: Some(receipt(&proof)),
        }))
    }

    async fn list_protocols(
        &self,
        request: Request<ListProtocolsRequest>,
    ) -> Result<Response<ListProtocolsResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let ListProtocolsRequest { page_size, page_token } = request.into_inner();
        let page = reading::page(page_size, page_token);
        let listed = frame.gateway().list_protocols(&actor, &page).await;
        let (page, proof) = listed.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(ListProtocolsResponse {
            entries: page.entries.into_iter().map(ProtocolEntry::from).collect(),
            next_page_token: page.next,
            receipt: Some(receipt(&proof)),
        }))
    }

    async fn suspend_protocol(
        &self,
        request: Request<SuspendProtocolRequest>,
    ) -> Result<Response<SuspendProtocolResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let id = id(&request.into_inner().protocol_id);
        let id = frame.read(&actor, id).await?;
        let suspended = frame.gateway().suspend_protocol(&actor, &id).await;
        let (line, proof) = suspended.map_err(|denied| frame.status(denied))?.into_parts();
        let entry = Some(line.into());
        Ok(Response::new(SuspendProtocolResponse { entry, receipt: Some(receipt(&proof)) }))
    }

    async fn resume_protocol(
        &self,
        request: Request<ResumeProtocolRequest>,
    ) -> Result<Response<ResumeProtocolResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let id = id(&request.into_inner().protocol_id);
        let id = frame.read(&actor, id).await?;
        let resumed = frame.gateway().resume_protocol(&actor, &id).await;
        let (line, proof) = resumed.map_err(|denied| frame.status(denied))?.into_parts();
        let entry = Some(line.into());
        Ok(Response::new(ResumeProtocolResponse { entry, receipt: Some(receipt(&proof)) }))
    }

    async fn explain_decision(
        &self,
        request: Request<ExplainDecisionRequest>,
    ) -> Result<Response<ExplainDecisionResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let question = ExplainedQuestion::try_from(request.into_inner());
        let question = frame.read(&actor, question).await?;
        let explained = frame.gateway().explain_decision(&actor, &question).await;
        let (explained, proof) = explained.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(ExplainDecisionResponse {
            allowed: explained.allowed,
            clause: explained.clause,
            sentence: explained.sentence,
            receipt: Some(receipt(&proof)),
        }))
    }
}

fn id(text: &str) -> Result<ProtocolId, Refused> {
    reading::word(text, "protocol_id", "1 to 64 lower-case letters, digits or -")
}

impl TryFrom<ExplainDecisionRequest> for ExplainedQuestion {
    type Error = Refused;

    fn try_from(wire: ExplainDecisionRequest) -> Result<Self, Refused> {
        let partner = match wire.partner_id.as_str() {
            "" => None,
            partner => Some(reading::word(partner, "partner_id", partners::ID_RULE)?),
        };
        let act = match (wire.record_type.is_empty(), wire.table.is_empty()) {
            (false, true) if !wire.fields.is_empty() || !wire.area.is_empty() => {
                if !wire.columns.is_empty() {
                    let rule = "empty where single fields or a place are asked about";
                    return Err(Refused::invalid("columns", rule));
                }
                ExplainedAct::Sending {
                    protocol: match wire.protocol_id.as_str() {
                        "" => None,
                        protocol => Some(id(protocol)?),
                    },
                    record_type: wire.record_type,
                    fields: wire.fields,
                    area: match wire.area.as_str() {
                        "" => None,
                        area => Some(reading::word(area, "area", "an area's code")?),
                    },
                }
            }
            (false, true) => ExplainedAct::Intake {
                protocol: id(&wire.protocol_id)?,
                record_type: wire.record_type,
                columns: wire.columns,
            },
            (true, false) => {
                if !wire.protocol_id.is_empty() {
                    return Err(Refused::invalid("protocol_id", "empty for a figure"));
                }
                ExplainedAct::Figure {
                    table: reading::word(&wire.table, "table", "a table of the catalogue")?,
                    area: reading::word(&wire.area, "area", "an area's code")?,
                }
            }
            (true, true) | (false, false) => {
                let rule = "a record type, for intake, or a table, for a figure";
                return Err(Refused::invalid("record_type", rule));
            }
        };
        let day = match wire.day.as_str() {
            "" => None,
            day => Some(parse_date(day).map_err(|rule| Refused::invalid("day", rule.sentence()))?),
        };
        Ok(Self { partner, purpose: wire.purpose, day, act })
    }
}

impl From<ProtocolLine> for ProtocolEntry {
    fn from(line: ProtocolLine) -> Self {
        let state = match line.state {
            None => ProtocolState::Unspecified,
            Some(State::Draft) => ProtocolState::Draft,
            Some(State::PartlySigned) => ProtocolState::PartlySigned,
            Some(State::Active) => ProtocolState::Active,
            Some(State::Suspended) => ProtocolState::Suspended,
            Some(State::Superseded) => ProtocolState::Superseded,
            Some(State::Expired) => ProtocolState::Expired,
            Some(State::Revoked) => ProtocolState::Revoked,
        };
        let day = |day: Option<jiff::civil::Date>| day.map(|day| day.to_string());
        Self {
            protocol_id: line.protocol.to_string(),
            version: line.version,
            state: state.into(),
            title: line.title,
            parties: line.parties.iter().map(ToString::to_string).collect(),
            effective: day(line.effective).unwrap_or_default(),
            review_by: day(line.review_by).unwrap_or_default(),
            expires: day(line.expires).unwrap_or_default(),
            digest: line.digest.to_vec(),
            missing: line.missing,
        }
    }
}
