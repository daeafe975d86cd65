//! Carrying checkpoints to witnesses: HTTP/1.1, by TLS or to this machine itself.
//!
//! A connection a request: a witness is asked every few seconds at most, and one that hangs
//! must cost nobody more than its own time limit.

use super::TlsError;
use crate::{
    config::WitnessConfig,
    gateway::{Answering, AskWitness, NoAnswer, Reply},
    identity::{Clock, TlsClock},
};
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use std::{error::Error, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time,
};
use tokio_rustls::TlsConnector;

/// For the whole of a question and its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// An answer is a few lines.
const MOST_ANSWER_BYTES: usize = 16 * 1024;

struct Endpoint {
    /// Host and port as connected to.
    host: String,
    port: u16,
    /// What stands in the request: the host header and the path.
    authority: String,
    path: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// The way to each witness.
pub(super) struct WitnessClient {
    endpoints: Vec<Endpoint>,
}

impl WitnessClient {
    /// Ways to these witnesses, in their order.
    ///
    /// # Errors
    /// When a witness's authority is no certificate, or its host no name that one can have.
    pub(super) fn new(
        witnesses: &[(WitnessConfig, Option<Vec<u8>>)],
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        let endpoints =
            witnesses.iter().map(|(witness, ca)| endpoint(&witness.url, ca.as_deref(), clock));
        Ok(Self { endpoints: endpoints.collect::<Result<_, _>>()? })
    }
}

fn endpoint(url: &Uri, ca: Option<&[u8]>, clock: &Arc<dyn Clock>) -> Result<Endpoint, TlsError> {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_u16().unwrap_or(if ca.is_some() { 443 } else { 80 });
    let tls = match ca {
        None => None,
        Some(ca) => {
            let name =
                ServerName::try_from(host.clone()).map_err(|_| TlsError::WitnessAuthority)?;
            Some((TlsConnector::from(Arc::new(tls_config(ca, clock)?)), name))
        }
    };
    let authority = url.authority().map(ToString::to_string).unwrap_or_default();
    let path = format!("{}/add-checkpoint", url.path().trim_end_matches('/'));
    Ok(Endpoint { host, port, authority, path, tls })
}

pub(super) fn tls_config(ca: &[u8], clock: &Arc<dyn Clock>) -> Result<ClientConfig, TlsError> {
    let wrong = || TlsError::WitnessAuthority;
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(ca) {
        roots.add(authority.map_err(|_| wrong())?).map_err(|_| wrong())?;
    }
    if roots.is_empty() {
        return Err(wrong());
    }
    let time = Arc::new(TlsClock(Arc::clone(clock)));
    Ok(ClientConfig::builder_with_details(Arc::new(aws_lc_rs::default_provider()), time)
        .with_safe_default_protocol_versions()
        .map_err(|_| wrong())?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

type Failed = Box<dyn Error + Send + Sync>;

impl Endpoint {
    async fn ask(&self, body: String) -> Result<Reply, Failed> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        match &self.tls {
            None => self.exchange(tcp, body).await,
            Some((tls, name)) => self.exchange(tls.connect(name.clone(), tcp).await?, body).await,
        }
    }

    async fn exchange<S>(&self, stream: S, body: String) -> Result<Reply, Failed>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::post(&self.path)
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(Full::new(Bytes::from(body)))?;
        let answer = async {
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            let kind = response.headers().get(header::CONTENT_TYPE);
            let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
            let body = Limited::new(response.into_body(), MOST_ANSWER_BYTES).collect().await?;
            Ok::<_, Failed>(Reply { status, kind, body: body.to_bytes().to_vec() })
        };
        // The connection must be driven while the answer is awaited; it ends with it.
        tokio::pin!(answer, connection);
        tokio::select! {
            reply = &mut answer => reply,
            ended = &mut connection => {
                ended?;
                answer.await
            }
        }
    }
}

impl AskWitness for WitnessClient {
    fn ask(&self, witness: usize, body: String) -> Answering<'_> {
        Box::pin(async move {
            let endpoint = self.endpoints.get(witness).ok_or(NoAnswer)?;
            match time::timeout(PATIENCE, endpoint.ask(body)).await {
                Ok(Ok(reply)) => Ok(reply),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "a witness could not be asked");
                    Err(NoAnswer)
                }
                Err(_) => Err(NoAnswer),
            }
        })
    }
}
