//! The connection to the gateway: TLS 1.3, one trust anchor, our certificate, HTTP/2.
//!
//! Built with rustls itself and not with the RPC library's TLS settings, which would also
//! offer TLS 1.2 and would hide why a handshake failed.

use super::{
    ConnectorError,
    order::Blinding,
    profile::Profile,
    token_source::{AddToken, TokenSource},
};
use crate::{
    domain::PartnerId,
    identity::{Clock, TlsClock},
    keys::PrfPublicKey,
};
use hyper_util::rt::TokioIo;
use rand::{CryptoRng, rngs::StdRng};
use rustls::{
    AlertDescription, ClientConfig, Error, RootCertStore, crypto::aws_lc_rs, version::TLS13,
};
use rustls_pki_types::ServerName;
use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{io::AsyncReadExt, net::TcpStream, time};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint},
};
use tower::service_fn;

/// How long connecting may take, the handshake included.
pub const CONNECT_TIME_LIMIT: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const FRAME_HEADER_BYTES: usize = 9;

/// Where and how to connect; cheap to clone.
#[derive(Clone)]
struct Route {
    server: String,
    server_name: ServerName<'static>,
    ca: PathBuf,
    tls: TlsConnector,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("server", &self.server).finish_non_exhaustive()
    }
}

/// An open connection to the gateway, with the token that goes with each call.
#[derive(Debug, Clone)]
pub struct Gateway {
    channel: Channel,
    tokens: Arc<TokenSource>,
    route: Route,
    partner: PartnerId,
    blinding_key: Option<PrfPublicKey>,
}

impl Gateway {
    /// Connects, and reconnects by itself whenever the connection was lost. `clock` judges
    /// the gateway's certificate and dates the tokens, `rng` draws the tokens' ids.
    ///
    /// # Errors
    /// Says what about the profile or the gateway stands in the way.
    pub async fn connect(
        profile: &Profile,
        clock: Arc<dyn Clock>,
        rng: Box<dyn CryptoRng + Send>,
    ) -> Result<Self, ConnectorError> {
        let tokens = Arc::new(TokenSource::new(profile, Arc::clone(&clock), rng)?);
        let route = Route::of(profile, clock)?;
        route.probe().await?;
        let endpoint = route.endpoint(profile)?;
        let connecting = route.clone();
        let channel = endpoint.connect_with_connector_lazy(service_fn(move |_| {
            let route = connecting.clone();
            async move { route.connect().await.map(TokioIo::new) }
        }));
        let (partner, blinding_key) = (profile.file.partner.clone(), profile.blinding_key);
        Ok(Self { channel, tokens, route, partner, blinding_key })
    }

    /// After a call that failed with `Unavailable` or `Unknown`: whether it is the connection
    /// that fails, and why. Opens one of its own.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn probe(&self) -> Result<(), ConnectorError> {
        self.route.probe().await
    }

    /// For `SomeClient::new`: every call carries the token.
    #[must_use]
    pub fn service(&self) -> InterceptedService<Channel, AddToken> {
        InterceptedService::new(self.channel.clone(), AddToken(Arc::clone(&self.tokens)))
    }

    /// The bare channel, without a token: health and reflection.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// In whose name we call.
    #[must_use]
    pub const fn partner(&self) -> &PartnerId {
        &self.partner
    }

    /// How records are blinded for this gateway, where the profile pins a key; `rng` gives a
    /// generator for the blinds of each push.
    #[must_use]
    pub fn blinding(&self, rng: fn() -> StdRng) -> Option<Blinding> {
        self.blinding_key.map(|key| Blinding { partner: self.partner.clone(), key, rng })
    }

    /// The token's source, for what is sent by other means.
    #[must_use]
    pub fn tokens(&self) -> Arc<TokenSource> {
        Arc::clone(&self.tokens)
    }
}

impl Route {
    fn of(profile: &Profile, clock: Arc<dyn Clock>) -> Result<Self, ConnectorError> {
        let server_name = ServerName::try_from(profile.file.server_name.clone())
            .map_err(|_| ConnectorError::ServerName)?;
        Ok(Self {
            server: profile.file.server.clone(),
            server_name,
            ca: profile.folder.join(&profile.file.ca),
            tls: TlsConnector::from(Arc::new(client_config(profile, clock)?)),
        })
    }

    fn endpoint(&self, profile: &Profile) -> Result<Endpoint, ConnectorError> {
        let wrong = |_| ConnectorError::ServerName;
        // The scheme of the endpoint would make tonic add a TLS of its own; what the gateway
        // sees is the origin.
        let endpoint =
            Endpoint::from_shared(format!("http://{}", self.server)).map_err(|_| wrong(()))?;
        let name = &profile.file.server_name;
        let host = if name.contains(':') { format!("[{name}]") } else { name.clone() };
        let origin = format!("https://{host}").parse().map_err(|_| wrong(()))?;
        Ok(endpoint
            .origin(origin)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_while_idle(true))
    }

    /// Connects, and waits for the server's first word, so that its refusals are heard too.
    ///
    /// In TLS 1.3 a client is done before the server has looked at its certificate. An HTTP/2
    /// server speaks first (its settings, RFC 9113 §3.4); one that refuses us sends an alert
    /// instead. On a connection in use that alert can be lost behind our own requests.
    async fn probe(&self) -> Result<(), ConnectorError> {
        let listening = async {
            let mut stream = self.shake_hands().await?;
            let heard = stream.read_exact(&mut [0; FRAME_HEADER_BYTES]).await;
            heard.map(drop).map_err(|error| self.handshake_error(error))
        };
        time::timeout(CONNECT_TIME_LIMIT, listening)
            .await
            .map_err(|_| ConnectorError::TooSlow { server: self.server.clone() })?
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>, ConnectorError> {
        time::timeout(CONNECT_TIME_LIMIT, self.shake_hands())
            .await
            .map_err(|_| ConnectorError::TooSlow { server: self.server.clone() })?
    }

    async fn shake_hands(&self) -> Result<TlsStream<TcpStream>, ConnectorError> {
        let unreachable =
            |source| ConnectorError::Unreachable { server: self.server.clone(), source };
        let tcp = TcpStream::connect(&self.server).await.map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        let connecting = self.tls.connect(self.server_name.clone(), tcp);
        let stream = connecting.await.map_err(|error| self.handshake_error(error))?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            let source = io::ErrorKind::InvalidData.into();
            return Err(ConnectorError::NotAGateway { server: self.server.clone(), source });
        }
        Ok(stream)
    }

    fn handshake_error(&self, source: io::Error) -> ConnectorError {
        let tls = source.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match tls {
            Some(Error::InvalidCertificate(_) | Error::NoCertificatesPresented) => {
                ConnectorError::NotTrusted {
                    server: self.server.clone(),
                    server_name: self.server_name.to_str().into_owned(),
                    ca: self.ca.clone(),
                }
            }
            Some(Error::AlertReceived(alert)) if refuses_certificate(*alert) => {
                ConnectorError::CertificateRefused
            }
            _ => ConnectorError::NotAGateway { server: self.server.clone(), source },
        }
    }
}

fn client_config(profile: &Profile, clock: Arc<dyn Clock>) -> Result<ClientConfig, ConnectorError> {
    let ca = profile.folder.join(&profile.file.ca);
    let mut roots = RootCertStore::empty();
    for authority in &profile.authorities {
        roots.add(authority.clone()).map_err(|_| ConnectorError::FileInvalid {
            part: super::ProfilePart::Authority,
            path: ca.clone(),
        })?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(TlsClock(clock)))
        .with_protocol_versions(&[&TLS13])
        // Can't happen: the provider is compiled in with TLS 1.3.
        .map_err(|_| ConnectorError::ServerName)?
        .with_root_certificates(roots)
        .with_client_auth_cert(profile.chain.clone(), profile.key.clone_key())
        .map_err(|_| ConnectorError::KeyOfAnotherCertificate {
            certificate: profile.folder.join(&profile.file.certificate),
            key: profile.folder.join(&profile.file.key),
        })?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

const fn refuses_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
    )
}
