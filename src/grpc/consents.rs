//! `tallygate.v1.ConsentService`.

use super::{Frame, receipt};
use crate::{
    gateway::{ConsentGiver, ConsentRecord, ConsentRejection, StatedConsent},
    wire::v1::{
        self, GetConsentRequest, GetConsentResponse, RecordConsentsRequest, RecordConsentsResponse,
        WithdrawConsentRequest, WithdrawConsentResponse, consent_service_server,
    },
};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The consent service.
#[derive(Debug, Clone)]
pub struct ConsentService(pub Arc<Frame>);

#[tonic::async_trait]
impl consent_service_server::ConsentService for ConsentService {
    async fn record_consents(
        &self,
        request: Request<RecordConsentsRequest>,
    ) -> Result<Response<RecordConsentsResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let stated = request.into_inner().consents.into_iter().map(stated).collect();
        let recorded = frame.gateway().record_consents(&actor, stated).await;
        let (recorded, proof) = recorded.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(RecordConsentsResponse {
            recorded: count(recorded.recorded),
            rejections: recorded.rejections.iter().map(v1::ConsentRejection::from).collect(),
            receipt: Some(receipt(&proof)),
        }))
    }

    async fn withdraw_consent(
        &self,
        request: Request<WithdrawConsentRequest>,
    ) -> Result<Response<WithdrawConsentResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let reference = request.into_inner().consent_ref;
        let withdrawn = frame.gateway().withdraw_consent(&actor, reference).await;
        let ((), proof) = withdrawn.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(WithdrawConsentResponse { receipt: Some(receipt(&proof)) }))
    }

    async fn get_consent(
        &self,
        request: Request<GetConsentRequest>,
    ) -> Result<Response<GetConsentResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let found = frame.gateway().consent(&actor, request.into_inner().consent_ref).await;
        let (found, proof) = found.map_err(|denied| frame.status(denied))?.into_parts();
        let state = match found {
            None => v1::ConsentState::Unspecified,
            Some((ConsentRecord::Given, _)) => v1::ConsentState::Given,
            Some((ConsentRecord::Refused, _)) => v1::ConsentState::Refused,
            Some((ConsentRecord::Withdrawn, _)) => v1::ConsentState::Withdrawn,
        };
        Ok(Response::new(GetConsentResponse {
            state: state.into(),
            recorded_on: found.map(|(_, day)| day.to_string()).unwrap_or_default(),
            receipt: Some(receipt(&proof)),
        }))
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn stated(consent: v1::Consent) -> StatedConsent {
    StatedConsent {
        state: match consent.state() {
            v1::ConsentState::Unspecified => None,
            v1::ConsentState::Given => Some(ConsentRecord::Given),
            v1::ConsentState::Refused => Some(ConsentRecord::Refused),
            v1::ConsentState::Withdrawn => Some(ConsentRecord::Withdrawn),
        },
        given_by: match consent.given_by() {
            v1::ConsentGiver::Unspecified => None,
            v1::ConsentGiver::Subject => Some(ConsentGiver::Subject),
            v1::ConsentGiver::Parent => Some(ConsentGiver::Parent),
            v1::ConsentGiver::Carer => Some(ConsentGiver::Carer),
        },
        reference: consent.consent_ref,
        recorded_on: consent.recorded_on,
        notice_version: consent.notice_version,
    }
}

impl From<&ConsentRejection> for v1::ConsentRejection {
    fn from(rejection: &ConsentRejection) -> Self {
        Self {
            row: count(rejection.row),
            field: rejection.field.to_owned(),
            rule: rejection.rule.code().to_owned(),
            message: rejection.rule.sentence().to_owned(),
        }
    }
}
