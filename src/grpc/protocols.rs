//! `tallygate.v1.ProtocolService`.

use super::{Frame, partners, reading, receipt};
use crate::{
    domain::{ProtocolId, field::parse_date},
    gateway::{
        ExplainedAct, ExplainedQuestion, ProtocolFilter, ProtocolLine, Refused, ReleaseConcerned,
    },
    protocol::{
        State,
        diff::{Change, Difference},
    },
    wire::v1::{
        self, AdhereToProtocolRequest, AdhereToProtocolResponse, ExplainDecisionRequest,
        ExplainDecisionResponse, GetProtocolRequest, GetProtocolResponse, ListProtocolsRequest,
        ListProtocolsResponse, ProtocolChange, ProtocolDifference, ProtocolEntry, ProtocolState,
        ResumeProtocolRequest, ResumeProtocolResponse, RevokeProtocolRequest,
        RevokeProtocolResponse, SubmitProtocolRequest, SubmitProtocolResponse,
        SubmitRootPolicyRequest, SubmitRootPolicyResponse, SuspendProtocolRequest,
        SuspendProtocolResponse, protocol_service_server,
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
            changes: found.changes.into_iter().map(ProtocolChange::from).collect(),
            papers: found.papers,
        }))
    }

    async fn list_protocols(
        &self,
        request: Request<ListProtocolsRequest>,
    ) -> Result<Response<ListProtocolsResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let mut request = request.into_inner();
        let page = reading::page(request.page_size, std::mem::take(&mut request.page_token));
        let filter = frame.read(&actor, ProtocolFilter::try_from(request)).await?;
        let listed = frame.gateway().list_protocols(&actor, &filter, &page).await;
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
        let document = request.into_inner().document;
        let resumed = frame.gateway().reinstate_protocol(&actor, &document).await;
        let (line, proof) = resumed.map_err(|denied| frame.status(denied))?.into_parts();
        let entry = Some(line.into());
        Ok(Response::new(ResumeProtocolResponse { entry, receipt: Some(receipt(&proof)) }))
    }

    async fn revoke_protocol(
        &self,
        request: Request<RevokeProtocolRequest>,
    ) -> Result<Response<RevokeProtocolResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let document = request.into_inner().document;
        let revoked = frame.gateway().revoke_protocol(&actor, &document).await;
        let (revoked, proof) = revoked.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(RevokeProtocolResponse {
            entry: Some(revoked.line.into()),
            releases: revoked.releases.into_iter().map(v1::ReleaseConcerned::from).collect(),
            receipt: Some(receipt(&proof)),
        }))
    }

    async fn adhere_to_protocol(
        &self,
        request: Request<AdhereToProtocolRequest>,
    ) -> Result<Response<AdhereToProtocolResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let document = request.into_inner().document;
        let joined = frame.gateway().adhere_to_protocol(&actor, &document).await;
        let (line, proof) = joined.map_err(|denied| frame.status(denied))?.into_parts();
        let entry = Some(line.into());
        Ok(Response::new(AdhereToProtocolResponse { entry, receipt: Some(receipt(&proof)) }))
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

impl TryFrom<ListProtocolsRequest> for ProtocolFilter {
    type Error = Refused;

    fn try_from(wire: ListProtocolsRequest) -> Result<Self, Refused> {
        let state = match wire.state() {
            ProtocolState::Unspecified if wire.state != 0 => {
                return Err(Refused::invalid("state", "a state of the life of protocols"));
            }
            ProtocolState::Unspecified => None,
            ProtocolState::Draft => Some(State::Draft),
            ProtocolState::PartlySigned => Some(State::PartlySigned),
            ProtocolState::Active => Some(State::Active),
            ProtocolState::Suspended => Some(State::Suspended),
            ProtocolState::Superseded => Some(State::Superseded),
            ProtocolState::Expired => Some(State::Expired),
            ProtocolState::Revoked => Some(State::Revoked),
        };
        let party = match wire.party_id.as_str() {
            "" => None,
            party => Some(reading::word(party, "party_id", partners::ID_RULE)?),
        };
        let record_type = match wire.record_type.as_str() {
            "" => None,
            name => Some(reading::word(name, "record_type", "a record type")?),
        };
        let (words, with_warnings) = (wire.words, wire.with_warnings);
        Ok(Self { words, party, record_type, state, with_warnings })
    }
}

impl From<Change> for ProtocolChange {
    fn from(change: Change) -> Self {
        let difference = match change.difference {
            Difference::Added => ProtocolDifference::Added,
            Difference::Removed => ProtocolDifference::Removed,
            Difference::Changed => ProtocolDifference::Changed,
            Difference::Reordered => ProtocolDifference::Reordered,
        };
        let (pointer, sentence) = (change.pointer, change.sentence);
        Self { pointer, difference: difference.into(), sentence }
    }
}

impl From<ReleaseConcerned> for v1::ReleaseConcerned {
    fn from(release: ReleaseConcerned) -> Self {
        Self {
            quarter: release.quarter.to_string(),
            digest: release.digest.to_vec(),
            withdrawn: release.withdrawn,
        }
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
            warnings: line.warnings,
            record_types: line.record_types.iter().map(|known| known.name().to_owned()).collect(),
            suspension: line.suspension,
            suspended: line.suspended.iter().map(ToString::to_string).collect(),
        }
    }
}
