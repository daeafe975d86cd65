//! `tallygate.v1.ConsentService`.

use super::{Frame, receipt};
use crate::{
    domain::time::date_of,
    gateway::{
        AskedConsent, ConsentGiver, ConsentMeans, ConsentRecord, ConsentRejection, KnownStatement,
        StatedConsent, StatedNotice, Withdrawing,
    },
    protocol::notices::{NoticeMeans, PrivacyNotice},
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
        let request = request.into_inner();
        let by = Withdrawing {
            given_by: match request.given_by() {
                v1::ConsentGiver::Unspecified => None,
                v1::ConsentGiver::Subject => Some(ConsentGiver::Subject),
                v1::ConsentGiver::Parent => Some(ConsentGiver::Parent),
                v1::ConsentGiver::Carer => Some(ConsentGiver::Carer),
            },
            giver_ref: request.giver_ref,
        };
        let reference = request.consent_ref;
        let withdrawn = frame.gateway().withdraw_consent_by(&actor, reference, by).await;
        let ((), proof) = withdrawn.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(WithdrawConsentResponse { receipt: Some(receipt(&proof)) }))
    }

    async fn get_consent(
        &self,
        request: Request<GetConsentRequest>,
    ) -> Result<Response<GetConsentResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let GetConsentRequest { consent_ref, on_day, known_at } = request.into_inner();
        let asked = AskedConsent { reference: consent_ref, on: on_day, known_at };
        let found = frame.gateway().consent_as_known(&actor, asked).await;
        let (found, proof) = found.map_err(|denied| frame.status(denied))?.into_parts();
        let state =
            found.as_ref().map_or(v1::ConsentState::Unspecified, |found| told_state(found.state));
        Ok(Response::new(GetConsentResponse {
            state: state.into(),
            recorded_on: found.as_ref().map(|found| found.day.to_string()).unwrap_or_default(),
            receipt: Some(receipt(&proof)),
            statements: found
                .map(|found| found.statements.iter().map(told).collect())
                .unwrap_or_default(),
        }))
    }

    async fn record_privacy_notice(
        &self,
        request: Request<v1::RecordPrivacyNoticeRequest>,
    ) -> Result<Response<v1::RecordPrivacyNoticeResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let stated = stated_notice(request.into_inner().notice.unwrap_or_default());
        let recorded = frame.gateway().record_notice(&actor, &stated).await;
        let ((), proof) = recorded.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(v1::RecordPrivacyNoticeResponse { receipt: Some(receipt(&proof)) }))
    }

    async fn list_privacy_notices(
        &self,
        request: Request<v1::ListPrivacyNoticesRequest>,
    ) -> Result<Response<v1::ListPrivacyNoticesResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let listed = frame.gateway().privacy_notices(&actor).await;
        let (listed, proof) = listed.map_err(|denied| frame.status(denied))?.into_parts();
        let notices = listed.iter().map(v1::PrivacyNotice::from).collect();
        Ok(Response::new(v1::ListPrivacyNoticesResponse {
            notices,
            receipt: Some(receipt(&proof)),
        }))
    }
}

fn stated_notice(notice: v1::PrivacyNotice) -> StatedNotice {
    StatedNotice {
        means: match notice.means() {
            v1::NoticeMeans::Unspecified => None,
            v1::NoticeMeans::Letter => Some(NoticeMeans::Letter),
            v1::NoticeMeans::AtContact => Some(NoticeMeans::AtContact),
            v1::NoticeMeans::Leaflet => Some(NoticeMeans::Leaflet),
            v1::NoticeMeans::Website => Some(NoticeMeans::Website),
        },
        record_type: notice.record_type,
        version: notice.version,
        since: notice.in_force_from,
        until: notice.in_force_until,
    }
}

impl From<&PrivacyNotice> for v1::PrivacyNotice {
    fn from(notice: &PrivacyNotice) -> Self {
        let means = match notice.means {
            NoticeMeans::Letter => v1::NoticeMeans::Letter,
            NoticeMeans::AtContact => v1::NoticeMeans::AtContact,
            NoticeMeans::Leaflet => v1::NoticeMeans::Leaflet,
            NoticeMeans::Website => v1::NoticeMeans::Website,
        };
        let day = |day: i32| date_of(day).map(|day| day.to_string()).unwrap_or_default();
        Self {
            partner_id: notice.partner.to_string(),
            record_type: notice.record_type.name().to_owned(),
            version: notice.version.clone(),
            means: means.into(),
            in_force_from: day(notice.since),
            in_force_until: notice.until.map(day).unwrap_or_default(),
        }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

const fn told_state(state: ConsentRecord) -> v1::ConsentState {
    match state {
        ConsentRecord::Given => v1::ConsentState::Given,
        ConsentRecord::Refused => v1::ConsentState::Refused,
        ConsentRecord::Withdrawn => v1::ConsentState::Withdrawn,
        ConsentRecord::Expired => v1::ConsentState::Expired,
    }
}

fn told(statement: &KnownStatement) -> v1::ConsentStatement {
    let giver = match statement.given_by {
        None => v1::ConsentGiver::Unspecified,
        Some(ConsentGiver::Subject) => v1::ConsentGiver::Subject,
        Some(ConsentGiver::Parent) => v1::ConsentGiver::Parent,
        Some(ConsentGiver::Carer) => v1::ConsentGiver::Carer,
    };
    let means = match statement.means {
        None => v1::ConsentMeans::Unspecified,
        Some(ConsentMeans::InWriting) => v1::ConsentMeans::InWriting,
        Some(ConsentMeans::Online) => v1::ConsentMeans::Online,
        Some(ConsentMeans::VerballyNoted) => v1::ConsentMeans::VerballyNoted,
    };
    v1::ConsentStatement {
        state: told_state(statement.state).into(),
        given_by: giver.into(),
        giver: statement.giver,
        recorded_on: statement.stated_on.to_string(),
        known_at: statement.known_at.to_string(),
        means: means.into(),
        notice_version: statement.notice_version.clone(),
        purposes: statement.purposes.iter().map(ToString::to_string).collect(),
        record_types: statement.record_types.iter().map(|t| t.name().to_owned()).collect(),
        valid_until: statement.valid_until.map(|day| day.to_string()).unwrap_or_default(),
        has_evidence: statement.evidence,
        stands: statement.stands,
    }
}

fn stated(consent: v1::Consent) -> StatedConsent {
    StatedConsent {
        state: match consent.state() {
            v1::ConsentState::Unspecified => None,
            v1::ConsentState::Given => Some(ConsentRecord::Given),
            v1::ConsentState::Refused => Some(ConsentRecord::Refused),
            v1::ConsentState::Withdrawn => Some(ConsentRecord::Withdrawn),
            v1::ConsentState::Expired => Some(ConsentRecord::Expired),
        },
        means: match consent.means() {
            v1::ConsentMeans::Unspecified => None,
            v1::ConsentMeans::InWriting => Some(ConsentMeans::InWriting),
            v1::ConsentMeans::Online => Some(ConsentMeans::Online),
            v1::ConsentMeans::VerballyNoted => Some(ConsentMeans::VerballyNoted),
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
        giver_ref: consent.giver_ref,
        purposes: consent.purposes,
        record_types: consent.record_types,
        evidence_ref: consent.evidence_ref,
        valid_until: consent.valid_until,
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
