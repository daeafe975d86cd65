//! `tallygate.v1.PartnerService`.

use super::{Frame, reading, receipt};
use crate::{
    domain::PartnerId,
    gateway::{
        PartnerLine, Refused,
        register::{Fingerprint, Partner, PartnerKey},
    },
    keys::Jwk,
    protocol::{CallerRole, SignatoryRole, register::KeyPurpose},
    wire::v1::{
        self, DisablePartnerRequest, DisablePartnerResponse, GetPartnerRequest, GetPartnerResponse,
        ListPartnersRequest, ListPartnersResponse, PutPartnerRequest, PutPartnerResponse,
        partner_service_server,
    },
};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The form of a partner's id.
pub(super) const ID_RULE: &str = "1 to 40 lower-case letters, digits or -";

/// The partner service.
#[derive(Debug, Clone)]
pub struct PartnerService(pub Arc<Frame>);

#[tonic::async_trait]
impl partner_service_server::PartnerService for PartnerService {
    async fn put_partner(
        &self,
        request: Request<PutPartnerRequest>,
    ) -> Result<Response<PutPartnerResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let partner = request.into_inner().partner.unwrap_or_default();
        let line = frame.read(&actor, PartnerLine::try_from(partner)).await?;
        let put = frame.gateway().put_partner(&actor, line).await;
        let (line, proof) = put.map_err(|denied| frame.status(denied))?.into_parts();
        let partner = Some(line.into());
        Ok(Response::new(PutPartnerResponse { partner, receipt: Some(receipt(&proof)) }))
    }

    async fn get_partner(
        &self,
        request: Request<GetPartnerRequest>,
    ) -> Result<Response<GetPartnerResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let id = id(&request.into_inner().partner_id);
        let id = frame.read(&actor, id).await?;
        let found = frame.gateway().partner(&actor, &id).await;
        let (line, proof) = found.map_err(|denied| frame.status(denied))?.into_parts();
        let partner = Some(line.into());
        Ok(Response::new(GetPartnerResponse { partner, receipt: Some(receipt(&proof)) }))
    }

    async fn list_partners(
        &self,
        request: Request<ListPartnersRequest>,
    ) -> Result<Response<ListPartnersResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let ListPartnersRequest { page_size, page_token } = request.into_inner();
        let page = reading::page(page_size, page_token);
        let listed = frame.gateway().list_partners(&actor, &page).await;
        let (page, proof) = listed.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(ListPartnersResponse {
            partners: page.entries.into_iter().map(v1::Partner::from).collect(),
            next_page_token: page.next,
            receipt: Some(receipt(&proof)),
        }))
    }

    async fn disable_partner(
        &self,
        request: Request<DisablePartnerRequest>,
    ) -> Result<Response<DisablePartnerResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let id = id(&request.into_inner().partner_id);
        let id = frame.read(&actor, id).await?;
        let barred = frame.gateway().disable_partner(&actor, &id).await;
        let ((), proof) = barred.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(DisablePartnerResponse { receipt: Some(receipt(&proof)) }))
    }
}

fn id(text: &str) -> Result<PartnerId, Refused> {
    reading::word(text, "partner_id", ID_RULE)
}

impl TryFrom<v1::Partner> for PartnerLine {
    type Error = Refused;

    fn try_from(wire: v1::Partner) -> Result<Self, Refused> {
        let roles = wire.roles().map(|role| {
            let role = match role {
                v1::CallerRole::Unspecified => None,
                v1::CallerRole::Provider => Some(CallerRole::Provider),
                v1::CallerRole::Consumer => Some(CallerRole::Consumer),
                v1::CallerRole::DataOfficer => Some(CallerRole::DataOfficer),
                v1::CallerRole::Auditor => Some(CallerRole::Auditor),
            };
            role.ok_or_else(|| Refused::invalid("partner.roles", "roles of the list"))
        });
        let roles = roles.collect::<Result<_, _>>()?;
        let code = "1 to 16 capital letters, digits or -";
        let areas = wire.areas.iter().map(|area| reading::word(area, "partner.areas", code));
        let certificates = wire.certificates.iter().enumerate().map(|(at, bytes)| {
            let bytes: Result<[u8; 32], _> = bytes.as_slice().try_into();
            let field = format!("partner.certificates[{at}]");
            bytes.map(Fingerprint).map_err(|_| Refused::invalid(field, "32 bytes"))
        });
        Ok(Self {
            disabled: wire.disabled,
            partner: Partner {
                partner: reading::word(&wire.partner_id, "partner.partner_id", ID_RULE)?,
                roles,
                areas: areas.collect::<Result<_, _>>()?,
                certificates: certificates.collect::<Result<_, _>>()?,
                keys: wire
                    .keys
                    .iter()
                    .enumerate()
                    .map(|(at, key)| partner_key(at, key))
                    .collect::<Result<_, _>>()?,
                name: wire.name,
                org_code: wire.org_code,
                ico_registration: wire.ico_registration,
            },
        })
    }
}

fn partner_key(at: usize, wire: &v1::PartnerKey) -> Result<PartnerKey, Refused> {
    let field = |name: &str| format!("partner.keys[{at}].{name}");
    let jwk: Jwk = serde_json::from_str(&wire.jwk)
        .map_err(|_| Refused::invalid(field("jwk"), "a JSON Web Key of type OKP with its kid"))?;
    if !wire.kid.is_empty() && wire.kid != jwk.kid {
        return Err(Refused::invalid(field("kid"), "empty, or the kid of the JSON Web Key"));
    }
    let purpose = match wire.purpose() {
        v1::KeyPurpose::ProtocolSigning => KeyPurpose::ProtocolSigning,
        v1::KeyPurpose::Token => KeyPurpose::Token,
        v1::KeyPurpose::Acknowledgement => KeyPurpose::Acknowledgement,
        v1::KeyPurpose::Unspecified => {
            return Err(Refused::invalid(field("purpose"), "what the key is for"));
        }
    };
    let role = match wire.signatory_role() {
        v1::SignatoryRole::Unspecified => None,
        v1::SignatoryRole::Siro => Some(SignatoryRole::Siro),
        v1::SignatoryRole::CaldicottGuardian => Some(SignatoryRole::CaldicottGuardian),
        v1::SignatoryRole::DpoAdvice => Some(SignatoryRole::DpoAdvice),
        v1::SignatoryRole::Director => Some(SignatoryRole::Director),
        v1::SignatoryRole::DesignatedPerson => Some(SignatoryRole::DesignatedPerson),
    };
    Ok(PartnerKey {
        jwk,
        purpose,
        role,
        valid_from: reading::date(&wire.valid_from, &field("valid_from"))?,
        valid_until: reading::date(&wire.valid_until, &field("valid_until"))?,
    })
}

impl From<PartnerLine> for v1::Partner {
    fn from(line: PartnerLine) -> Self {
        let PartnerLine { partner, disabled } = line;
        let role = |role: &CallerRole| -> i32 {
            match role {
                CallerRole::Provider => v1::CallerRole::Provider,
                CallerRole::Consumer => v1::CallerRole::Consumer,
                CallerRole::DataOfficer => v1::CallerRole::DataOfficer,
                CallerRole::Auditor => v1::CallerRole::Auditor,
            }
            .into()
        };
        Self {
            partner_id: partner.partner.to_string(),
            name: partner.name,
            org_code: partner.org_code,
            ico_registration: partner.ico_registration,
            roles: partner.roles.iter().map(role).collect(),
            areas: partner.areas.iter().map(ToString::to_string).collect(),
            certificates: partner.certificates.iter().map(|c| c.0.to_vec()).collect(),
            keys: partner.keys.iter().map(v1::PartnerKey::from).collect(),
            disabled,
        }
    }
}

impl From<&PartnerKey> for v1::PartnerKey {
    fn from(key: &PartnerKey) -> Self {
        let purpose = match key.purpose {
            KeyPurpose::ProtocolSigning => v1::KeyPurpose::ProtocolSigning,
            KeyPurpose::Token => v1::KeyPurpose::Token,
            KeyPurpose::Acknowledgement => v1::KeyPurpose::Acknowledgement,
        };
        let role = match key.role {
            None => v1::SignatoryRole::Unspecified,
            Some(SignatoryRole::Siro) => v1::SignatoryRole::Siro,
            Some(SignatoryRole::CaldicottGuardian) => v1::SignatoryRole::CaldicottGuardian,
            Some(SignatoryRole::DpoAdvice) => v1::SignatoryRole::DpoAdvice,
            Some(SignatoryRole::Director) => v1::SignatoryRole::Director,
            Some(SignatoryRole::DesignatedPerson) => v1::SignatoryRole::DesignatedPerson,
        };
        Self {
            kid: key.jwk.kid.clone(),
            // Four texts of a checked key: they have a JSON form.
            jwk: serde_json::to_string(&key.jwk).unwrap_or_default(),
            purpose: purpose.into(),
            signatory_role: role.into(),
            valid_from: key.valid_from.to_string(),
            valid_until: key.valid_until.to_string(),
        }
    }
}
