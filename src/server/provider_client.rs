//! Asking an organisation's identity provider: a code for a token, and its keys. HTTP/1.1, by TLS
//! or to this machine itself; a connection a question, each with a limit of time and of length.

use super::{TlsError, witness_client::tls_config};
use crate::{
    config::SignInConfig,
    identity::{AskProvider, Clock, Told, form_encoded},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::{error::Error, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time,
};
use tokio_rustls::TlsConnector;

/// For the whole of a question and its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// A token or a set of keys.
const MOST_ANSWER_BYTES: usize = 256 * 1024;

type Failed = Box<dyn Error + Send + Sync>;

/// The way to one provider.
pub(super) struct ProviderClient {
    token_endpoint: Uri,
    jwks_uri: Uri,
    /// What the token endpoint knows this gateway by (RFC 6749 §2.3.1); none of a public client.
    authorization: Option<HeaderValue>,
    tls: Option<Arc<ClientConfig>>,
}

impl ProviderClient {
    /// As the configuration says.
    ///
    /// # Errors
    /// When its authority is no certificate.
    pub(super) fn new(
        config: &SignInConfig,
        secret: Option<&[u8]>,
        ca: Option<&[u8]>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        let authorization = secret.and_then(|secret| {
            let secret = String::from_utf8_lossy(secret);
            // Each half is form-encoded first, as the standard has it: both without their names.
            let half = |text: &str| form_encoded(&[("", text)]).trim_start_matches('=').to_owned();
            let pair = format!("{}:{}", half(&config.client_id), half(secret.trim_end()));
            let text = format!("Basic {}", STANDARD.encode(pair));
            let mut value = HeaderValue::try_from(text).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        let tls = ca.map(|ca| tls_config(ca, clock)).transpose()?.map(Arc::new);
        let (token_endpoint, jwks_uri) = (config.token_endpoint.clone(), config.jwks_uri.clone());
        Ok(Self { token_endpoint, jwks_uri, authorization, tls })
    }

    async fn ask(&self, url: &Uri, form: Option<String>) -> Option<Vec<u8>> {
        match time::timeout(PATIENCE, self.asked(url, form)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::warn!(%error, "an identity provider could not be asked");
                None
            }
            Err(_) => None,
        }
    }

    async fn asked(&self, url: &Uri, form: Option<String>) -> Result<Option<Vec<u8>>, Failed> {
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let tcp = TcpStream::connect((host.as_str(), port)).await?;
        match &self.tls {
            None => self.exchanged(tcp, url, form).await,
            Some(tls) => {
                let name = ServerName::try_from(host)?;
                let stream = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await?;
                self.exchanged(stream, url, form).await
            }
        }
    }

    async fn exchanged<S>(
        &self,
        stream: S,
        url: &Uri,
        form: Option<String>,
    ) -> Result<Option<Vec<u8>>, Failed>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        let authority = url.authority().map(ToString::to_string).unwrap_or_default();
        let mut request = Request::builder().uri(path).header(header::HOST, authority);
        if form.is_some() {
            let kind = "application/x-www-form-urlencoded";
            request = request.method("POST").header(header::CONTENT_TYPE, kind);
            if let Some(authorization) = &self.authorization {
                request = request.header(header::AUTHORIZATION, authorization);
            }
        }
        let request = request.body(Full::new(Bytes::from(form.unwrap_or_default())))?;
        let answer = async {
            let response = sender.send_request(request).await?;
            if response.status() != StatusCode::OK {
                return Ok(None);
            }
            let body = Limited::new(response.into_body(), MOST_ANSWER_BYTES).collect().await?;
            Ok::<_, Failed>(Some(body.to_bytes().to_vec()))
        };
        // The connection must be driven while the answer is awaited; it ends with it.
        tokio::pin!(answer, connection);
        tokio::select! {
            answer = &mut answer => answer,
            ended = &mut connection => {
                ended?;
                answer.await
            }
        }
    }
}

impl AskProvider for ProviderClient {
    fn exchange(&self, form: String) -> Told<'_> {
        Box::pin(self.ask(&self.token_endpoint, Some(form)))
    }

    fn keys(&self) -> Told<'_> {
        Box::pin(self.ask(&self.jwks_uri, None))
    }
}
