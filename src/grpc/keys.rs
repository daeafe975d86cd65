//! `tallygate.v1.KeyService`.

use super::{Frame, receipt};
use crate::{
    gateway::GatewayKey,
    wire::v1::{self, ListKeysRequest, ListKeysResponse, key_service_server},
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
}

impl From<GatewayKey> for v1::GatewayKey {
    fn from(key: GatewayKey) -> Self {
        let signing = |purpose: &str, public_key| Self {
            purpose: purpose.to_owned(),
            public_key,
            version: 1,
            ..Self::default()
        };
        match key {
            GatewayKey::Log { vkey } => signing("log", vkey),
            GatewayKey::Release { jwk } => signing("release", jwk),
            GatewayKey::Pseudonym { domain, version } => Self {
                purpose: "pseudonym".to_owned(),
                version: version.into(),
                prf: "hmac".to_owned(),
                domain: domain.label().to_owned(),
                ..Self::default()
            },
        }
    }
}
