//! `tallygate.v1.KeyService`.

use super::{Frame, receipt, releases::awaited};
use crate::{
    gateway::{DestroyReason, DestroyedKeys, GatewayKey, Refused, RowsLeft},
    keys::{Prf, VersionState},
    wire::v1::{
        self, ListKeysRequest, ListKeysResponse, RotateKeysRequest, RotateKeysResponse,
        key_service_server,
    },
};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The key service.
#[derive(Debug, Clone)]
pub struct KeyService(pub Arc<Frame>);

#[tonic::async_trait]
impl key_service_server::KeyService for KeyService {
    async fn list_keys(
        &self,
        request: Request<ListKeysRequest>,
    ) -> Result<Response<ListKeysResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let keys = frame.gateway().list_keys(&actor).await.map_err(|d| frame.status(d))?;
        let (keys, proof) = keys.into_parts();
        Ok(Response::new(ListKeysResponse {
            keys: keys.into_iter().map(v1::GatewayKey::from).collect(),
            receipt: Some(receipt(&proof)),
        }))
    }

    async fn rotate_keys(
        &self,
        request: Request<RotateKeysRequest>,
    ) -> Result<Response<RotateKeysResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let rotation = frame.gateway().rotate_keys(&actor).await.map_err(|d| frame.status(d))?;
        let (rotation, proof) = rotation.into_parts();
        Ok(Response::new(RotateKeysResponse {
            from_version: rotation.from.number().into(),
            to_version: rotation.to.number().into(),
            begun: rotation.begun,
            receipt: Some(receipt(&proof)),
        }))
    }

    async fn destroy_keys(
        &self,
        request: Request<v1::DestroyKeysRequest>,
    ) -> Result<Response<v1::DestroyKeysResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let version = request.get_ref().version;
        let reason = match request.get_ref().reason() {
            v1::DestroyKeysReason::Replaced => DestroyReason::Replaced,
            v1::DestroyKeysReason::Exposed => DestroyReason::Exposed,
            v1::DestroyKeysReason::SharingEnded => DestroyReason::SharingEnded,
            v1::DestroyKeysReason::Unspecified => {
                let refused = Refused::invalid("reason", "one of the reasons listed");
                let denied = frame.gateway().refuse_malformed(&actor, refused).await;
                return Err(frame.status(denied));
            }
        };
        let done = frame.gateway().destroy_keys(&actor, version, reason).await;
        let (done, proof) = done.map_err(|denied| frame.status(denied))?.into_parts();
        let receipt = Some(receipt(&proof));
        Ok(Response::new(match done {
            DestroyedKeys::Waiting(waiting) => v1::DestroyKeysResponse {
                awaited: Some(awaited(&waiting)),
                receipt,
                ..v1::DestroyKeysResponse::default()
            },
            DestroyedKeys::Done(destroyed) => v1::DestroyKeysResponse {
                version: destroyed.version.number().into(),
                gone_from_file: destroyed.gone_from_file,
                awaited: None,
                receipt,
            },
        }))
    }
}

const fn state(state: VersionState) -> v1::KeyState {
    match state {
        VersionState::Next => v1::KeyState::Next,
        VersionState::Current => v1::KeyState::Current,
        VersionState::Earlier => v1::KeyState::Earlier,
        VersionState::Unused => v1::KeyState::Unused,
        VersionState::Destroyed => v1::KeyState::Destroyed,
    }
}

impl From<GatewayKey> for v1::GatewayKey {
    fn from(key: GatewayKey) -> Self {
        let signing = |purpose: &str, public_key| Self {
            purpose: purpose.to_owned(),
            public_key,
            version: 1,
            ..Self::default()
        };
        let wrapping = |purpose: &str, version: u16, held, rows: RowsLeft| Self {
            purpose: purpose.to_owned(),
            version: version.into(),
            state: state(held).into(),
            table: rows.table.unwrap_or_default().to_owned(),
            rows_left: rows.rows,
            ..Self::default()
        };
        match key {
            GatewayKey::Log { vkey } => signing("log", vkey),
            GatewayKey::Release { jwk } => signing("release", jwk),
            GatewayKey::Blinding { public_key } => {
                Self { prf: Prf::Oprf.name().to_owned(), ..signing("blinding", public_key) }
            }
            GatewayKey::Pseudonym { prf, domain, version, state, rows } => Self {
                prf: prf.name().to_owned(),
                domain: domain.label().to_owned(),
                ..wrapping("pseudonym", version, state, rows)
            },
            GatewayKey::Sealing { version, state, rows } => {
                wrapping("sealing", version, state, rows)
            }
        }
    }
}
