//! `tallygate.v1.RightsService`.

use super::{Frame, receipt, releases::awaited};
use crate::{
    gateway::{
        CaseAnswer, CaseState, CaseSubject, ConsentGiver, FlowEffect, NamedRecords, NewCase,
        NoticeLine, OpenedCase, Overdue, PageRequest, StatedAcknowledgement, StatedIdentity,
    },
    protocol::Choice,
    wire::v1::{self, open_case_request::Subject, rights_service_server},
};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The rights service.
#[derive(Debug, Clone)]
pub struct RightsService(pub Arc<Frame>);

#[tonic::async_trait]
impl rights_service_server::RightsService for RightsService {
    async fn open_case(
        &self,
        request: Request<v1::OpenCaseRequest>,
    ) -> Result<Response<v1::OpenCaseResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let opened = frame.gateway().open_case(&actor, stated(request.into_inner())).await;
        let (opened, proof) = opened.map_err(|denied| frame.status(denied))?.into_parts();
        let (case, waiting) = match &opened {
            OpenedCase::Open(case) => (Some(v1::Case::from(&**case)), None),
            OpenedCase::Waiting(waiting) => (None, Some(awaited(waiting))),
        };
        let receipt = Some(receipt(&proof));
        Ok(Response::new(v1::OpenCaseResponse { case, receipt, awaited: waiting }))
    }

    async fn end_case(
        &self,
        request: Request<v1::EndCaseRequest>,
    ) -> Result<Response<v1::EndCaseResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let ended = frame.gateway().end_case(&actor, request.into_inner().case_ref).await;
        let (case, proof) = ended.map_err(|denied| frame.status(denied))?.into_parts();
        let (case, receipt) = (Some(v1::Case::from(&case)), Some(receipt(&proof)));
        Ok(Response::new(v1::EndCaseResponse { case, receipt }))
    }

    async fn get_case(
        &self,
        request: Request<v1::GetCaseRequest>,
    ) -> Result<Response<v1::GetCaseResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let found = frame.gateway().case(&actor, request.into_inner().case_ref).await;
        let (case, proof) = found.map_err(|denied| frame.status(denied))?.into_parts();
        let (case, receipt) = (Some(v1::Case::from(&case)), Some(receipt(&proof)));
        Ok(Response::new(v1::GetCaseResponse { case, receipt }))
    }

    async fn list_cases(
        &self,
        request: Request<v1::ListCasesRequest>,
    ) -> Result<Response<v1::ListCasesResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let listed = frame.gateway().cases(&actor).await;
        let (cases, proof) = listed.map_err(|denied| frame.status(denied))?.into_parts();
        let cases = cases.iter().map(v1::Case::from).collect();
        Ok(Response::new(v1::ListCasesResponse { cases, receipt: Some(receipt(&proof)) }))
    }

    async fn list_notices(
        &self,
        request: Request<v1::ListNoticesRequest>,
    ) -> Result<Response<v1::ListNoticesResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let v1::ListNoticesRequest { all, page_size: size, page_token: token } =
            request.into_inner();
        let listed = frame.gateway().notices(&actor, all, &PageRequest { size, token }).await;
        let (page, proof) = listed.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(v1::ListNoticesResponse {
            notices: page.entries.iter().map(v1::Notice::from).collect(),
            next_page_token: page.next,
            receipt: Some(receipt(&proof)),
        }))
    }

    async fn match_notices(
        &self,
        request: Request<v1::MatchNoticesRequest>,
    ) -> Result<Response<v1::MatchNoticesResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let v1::MatchNoticesRequest { record_type, record_ids } = request.into_inner();
        let named = NamedRecords { record_type, record_ids };
        let matched = frame.gateway().match_notices(&actor, named).await;
        let (matched, proof) = matched.map_err(|denied| frame.status(denied))?.into_parts();
        let matches = matched.into_iter().map(|notice_ids| v1::NoticeMatch { notice_ids });
        let (matches, receipt) = (matches.collect(), Some(receipt(&proof)));
        Ok(Response::new(v1::MatchNoticesResponse { matches, receipt }))
    }

    async fn acknowledge_notices(
        &self,
        request: Request<v1::AcknowledgeNoticesRequest>,
    ) -> Result<Response<v1::AcknowledgeNoticesResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let stated = StatedAcknowledgement(request.into_inner().acknowledgement);
        let entered = frame.gateway().acknowledge_notices(&actor, stated).await;
        let (entered, proof) = entered.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(v1::AcknowledgeNoticesResponse {
            acknowledged: count(entered.acknowledged),
            before: count(entered.before),
            receipt: Some(receipt(&proof)),
        }))
    }

    async fn prove_case(
        &self,
        request: Request<v1::ProveCaseRequest>,
    ) -> Result<Response<v1::ProveCaseResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let proved = frame.gateway().prove_case(&actor, request.into_inner().case_ref).await;
        let (text, logged) = proved.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(v1::ProveCaseResponse { proof: text, receipt: Some(receipt(&logged)) }))
    }

    async fn list_overdue_notices(
        &self,
        request: Request<v1::ListOverdueNoticesRequest>,
    ) -> Result<Response<v1::ListOverdueNoticesResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let listed = frame.gateway().overdue_notices(&actor).await;
        let (listed, proof) = listed.map_err(|denied| frame.status(denied))?.into_parts();
        let parties = listed.iter().map(v1::OverdueNotices::from).collect();
        let receipt = Some(receipt(&proof));
        Ok(Response::new(v1::ListOverdueNoticesResponse { parties, receipt }))
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn stated(request: v1::OpenCaseRequest) -> NewCase {
    NewCase {
        choice: match request.kind() {
            v1::CaseKind::Unspecified => None,
            v1::CaseKind::Withdrawal => Some(Choice::Withdrawal),
            v1::CaseKind::Objection => Some(Choice::Objection),
            v1::CaseKind::Restriction => Some(Choice::Restriction),
            v1::CaseKind::Erasure => Some(Choice::Erasure),
            v1::CaseKind::Rectification => Some(Choice::Rectification),
            v1::CaseKind::OptOut => Some(Choice::OptOut),
        },
        given_by: match request.given_by() {
            v1::ConsentGiver::Unspecified => None,
            v1::ConsentGiver::Subject => Some(ConsentGiver::Subject),
            v1::ConsentGiver::Parent => Some(ConsentGiver::Parent),
            v1::ConsentGiver::Carer => Some(ConsentGiver::Carer),
        },
        case_ref: request.case_ref,
        requested_on: request.requested_on,
        subject: request.subject.map(subject),
    }
}

fn subject(subject: Subject) -> CaseSubject {
    match subject {
        Subject::Record(v1::CaseRecord { record_type, record_id }) => {
            CaseSubject::Record { record_type, record_id }
        }
        Subject::Identity(stated) => CaseSubject::Identity(StatedIdentity {
            nhs_number: stated.nhs_number,
            surname: stated.surname,
            forename: stated.forename,
            date_of_birth: stated.date_of_birth,
            sex: stated.sex,
            postcode: stated.postcode,
        }),
    }
}

const fn kind(choice: Choice) -> v1::CaseKind {
    match choice {
        Choice::Withdrawal => v1::CaseKind::Withdrawal,
        Choice::Objection => v1::CaseKind::Objection,
        Choice::Restriction => v1::CaseKind::Restriction,
        Choice::Erasure => v1::CaseKind::Erasure,
        Choice::Rectification => v1::CaseKind::Rectification,
        Choice::OptOut => v1::CaseKind::OptOut,
    }
}

impl From<&CaseAnswer> for v1::Case {
    fn from(case: &CaseAnswer) -> Self {
        let given_by = match case.given_by {
            ConsentGiver::Subject => v1::ConsentGiver::Subject,
            ConsentGiver::Parent => v1::ConsentGiver::Parent,
            ConsentGiver::Carer => v1::ConsentGiver::Carer,
        };
        Self {
            kind: kind(case.choice).into(),
            given_by: given_by.into(),
            requested_on: case.requested_on.to_string(),
            opened_on: case.opened_on.to_string(),
            ended: case.state == CaseState::Ended,
            due_on: case.due.to_string(),
            progress: case.progress.code().to_owned(),
            own_notices: count(case.own_notices),
            own_acknowledged: count(case.own_acknowledged),
            flows: case.flows.iter().map(v1::CaseFlow::from).collect(),
        }
    }
}

impl From<&FlowEffect> for v1::CaseFlow {
    fn from(flow: &FlowEffect) -> Self {
        let ground = flow.effect.ground();
        Self {
            protocol: flow.protocol.to_string(),
            version: flow.version,
            flow: count(flow.flow),
            from: flow.from.to_string(),
            record_type: flow.record_type.name().to_owned(),
            effect: flow.effect.code().to_owned(),
            ground: ground.code().to_owned(),
            words: ground.words().to_owned(),
        }
    }
}

impl From<&NoticeLine> for v1::Notice {
    fn from(notice: &NoticeLine) -> Self {
        Self {
            id: notice.id.clone(),
            record_type: notice.record_type.name().to_owned(),
            kind: kind(notice.choice).into(),
            action: notice.action.to_owned(),
            due_on: notice.due.to_string(),
            overdue: notice.overdue,
            acknowledged_at: notice.acknowledged_at.map(|at| at.to_string()).unwrap_or_default(),
        }
    }
}

impl From<&Overdue> for v1::OverdueNotices {
    fn from(overdue: &Overdue) -> Self {
        let class = serde_json::to_value(overdue.size_class).ok();
        let class = class.and_then(|class| class.as_str().map(str::to_owned));
        Self {
            partner_id: overdue.partner.to_string(),
            size_class: class.unwrap_or_default(),
            quarter: overdue.quarter.to_string(),
            ..Self::default()
        }
    }
}
