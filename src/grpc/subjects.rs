//! `tallygate.v1.SubjectService`.

use super::{Frame, receipt, releases::awaited};
use crate::{
    gateway::{
        AskReport, IdentityProof, MarkedRecords, NamedSubject, Reported, SubjectRequest,
        WithholdReason,
    },
    wire::v1::{
        self, AskReportRequest, AskReportResponse, ListSubjectRequestsRequest,
        ListSubjectRequestsResponse, MarkWithheldRequest, MarkWithheldResponse,
        ReportSubjectRequest, ReportSubjectResponse, subject_service_server,
    },
};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The subject service.
#[derive(Debug, Clone)]
pub struct SubjectService(pub Arc<Frame>);

#[tonic::async_trait]
impl subject_service_server::SubjectService for SubjectService {
    async fn ask_report(
        &self,
        request: Request<AskReportRequest>,
    ) -> Result<Response<AskReportResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let request = request.into_inner();
        let asked = AskReport { proof: proof(request.proof()), received_on: request.received_on };
        let entered = frame.gateway().ask_report(&actor, &asked).await;
        let (entered, proof) = entered.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(AskReportResponse {
            request: Some(v1::SubjectRequest::from(&entered)),
            receipt: Some(receipt(&proof)),
        }))
    }

    async fn report_subject(
        &self,
        request: Request<ReportSubjectRequest>,
    ) -> Result<Response<ReportSubjectResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let ReportSubjectRequest { number, columns, values, recipient } = request.into_inner();
        let named = NamedSubject { number, columns, values, recipient };
        let done = frame.gateway().report_subject(&actor, named).await;
        let (done, proof) = done.map_err(|denied| frame.status(denied))?.into_parts();
        let receipt = Some(receipt(&proof));
        Ok(Response::new(match done {
            Reported::Waiting(waiting) => ReportSubjectResponse {
                awaited: Some(awaited(&waiting)),
                receipt,
                ..ReportSubjectResponse::default()
            },
            Reported::Made(report) => ReportSubjectResponse {
                awaited: None,
                key_id: report.key_id,
                encapsulated_secret: report.secret,
                sealed: report.sealed,
                receipt,
            },
        }))
    }

    async fn list_subject_requests(
        &self,
        request: Request<ListSubjectRequestsRequest>,
    ) -> Result<Response<ListSubjectRequestsResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let listed = frame.gateway().subject_requests(&actor).await;
        let (listed, proof) = listed.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(ListSubjectRequestsResponse {
            requests: listed.iter().map(v1::SubjectRequest::from).collect(),
            receipt: Some(receipt(&proof)),
        }))
    }

    async fn relink_subjects(
        &self,
        request: Request<v1::RelinkSubjectsRequest>,
    ) -> Result<Response<v1::RelinkSubjectsResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let only_look = request.get_ref().only_look;
        let told = frame.gateway().relink_subjects(&actor, only_look).await;
        let (told, proof) = told.map_err(|denied| frame.status(denied))?.into_parts();
        let receipt = Some(receipt(&proof));
        Ok(Response::new(match told {
            Some(run) => v1::RelinkSubjectsResponse {
                rules: run.rules.into(),
                begun: run.begun,
                tenths_done: run.tenths_done.into(),
                begun_at: run.begun_at,
                done_at: run.done_at.unwrap_or_default(),
                receipt,
            },
            None => v1::RelinkSubjectsResponse { receipt, ..Default::default() },
        }))
    }

    async fn mark_withheld(
        &self,
        request: Request<MarkWithheldRequest>,
    ) -> Result<Response<MarkWithheldResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let request = request.into_inner();
        let reason = reason(request.reason());
        let MarkWithheldRequest { record_type, record_ids, shown, .. } = request;
        let marked = MarkedRecords { record_type, record_ids, withheld: !shown, reason };
        let marked = frame.gateway().mark_withheld(&actor, marked).await;
        let (named, proof) = marked.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(MarkWithheldResponse {
            received: u32::try_from(named).unwrap_or(u32::MAX),
            receipt: Some(receipt(&proof)),
        }))
    }
}

const fn proof(proof: v1::IdentityProof) -> Option<IdentityProof> {
    Some(match proof {
        v1::IdentityProof::Unspecified => return None,
        v1::IdentityProof::Passport => IdentityProof::Passport,
        v1::IdentityProof::DrivingLicence => IdentityProof::DrivingLicence,
        v1::IdentityProof::BirthCertificate => IdentityProof::BirthCertificate,
        v1::IdentityProof::OnlineVerified => IdentityProof::OnlineVerified,
        v1::IdentityProof::KnownInPerson => IdentityProof::KnownInPerson,
        v1::IdentityProof::LegalRepresentative => IdentityProof::LegalRepresentative,
    })
}

const fn reason(reason: v1::WithholdReason) -> Option<WithholdReason> {
    Some(match reason {
        v1::WithholdReason::Unspecified => return None,
        v1::WithholdReason::ChildAbuse => WithholdReason::ChildAbuse,
        v1::WithholdReason::SeriousHarmHealth => WithholdReason::SeriousHarmHealth,
        v1::WithholdReason::SeriousHarmSocialWork => WithholdReason::SeriousHarmSocialWork,
        v1::WithholdReason::SeriousHarmEducation => WithholdReason::SeriousHarmEducation,
        v1::WithholdReason::Crime => WithholdReason::Crime,
        v1::WithholdReason::RightsOfOthers => WithholdReason::RightsOfOthers,
        v1::WithholdReason::LegalPrivilege => WithholdReason::LegalPrivilege,
        v1::WithholdReason::Adoption => WithholdReason::Adoption,
    })
}

impl From<&SubjectRequest> for v1::SubjectRequest {
    fn from(request: &SubjectRequest) -> Self {
        Self {
            number: request.number,
            proof: request.proof.clone(),
            received_on: request.received_on.to_string(),
            due_on: request.due_on.to_string(),
            done_at: request.done_at.map(|at| at.to_string()).unwrap_or_default(),
            overdue: request.overdue,
        }
    }
}
