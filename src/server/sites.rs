//! The listeners beside gRPC's: the published log's, and that of the pages for people. Both are
//! bound before anything is served, so that a port that is taken stops the start.

use super::{
    HandshakeFailure, HandshakeFailures, HandshakeLimits, Listener, ServeError, Web,
    provider_client::ProviderClient,
    reload::{Files, For, Guarded},
    serve::read,
    system_rng,
};
use crate::{
    config::{Config, PagesConfig, SignInConfig, WebConfig},
    gateway::Published,
    identity::{Clock, IdTokenCheck, Provider, ProviderSettings, Recogniser, SessionLimits},
    web::{
        self,
        pages::{Boundaries, Pages, Settings},
    },
};
use jiff::SignedDuration;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;

/// Pages that are served: where, what they are, and the task.
pub(super) struct ServedPages {
    pub(super) address: SocketAddr,
    pub(super) pages: Arc<Pages>,
    pub(super) serving: JoinHandle<()>,
}

/// The published log as it is served: where, and the task.
pub(super) type ServedLog = (SocketAddr, JoinHandle<()>);

/// The listeners, bound.
pub(super) struct Sites<'a> {
    log: Option<Listener<Web>>,
    pages: Option<(Listener<Web>, &'a PagesConfig, Vec<Provider>)>,
    /// What keeps their TLS up with its files.
    pub(super) guarded: Vec<Guarded>,
}

impl<'a> Sites<'a> {
    /// Binds what the configuration names.
    pub(super) async fn bind(
        config: &'a Config,
        clock: &Arc<dyn Clock>,
        failures: &Arc<HandshakeFailures>,
    ) -> Result<Self, ServeError> {
        let (mut log, mut pages, mut guarded) = (None, None, Vec::new());
        if let Some(web) = &config.web {
            let tls = Guarded::read(("web", For::Readers), files_of_web(web), clock)?;
            log = Some(bind(web.listen, &tls, failures).await?);
            guarded.push(tls);
        }
        if let Some(told) = &config.pages {
            let tls = Guarded::read(("pages", For::Browsers), files_of_pages(told), clock)?;
            let bound = bind(told.listen, &tls, failures).await?;
            pages = Some((bound, told, providers(&told.sign_in, clock)?));
            guarded.push(tls);
        }
        Ok(Self { log, pages, guarded })
    }

    /// Serves on them until the gateway stops.
    pub(super) fn serve(
        self,
        recogniser: &Arc<Recogniser>,
        published: &Published,
        stop: &CancellationToken,
    ) -> Result<(Option<ServedLog>, Option<ServedPages>), ServeError> {
        let log = self.log.map(|listener| serve_web(listener, recogniser, published, stop));
        let serve = |(listener, told, providers)| {
            serve_pages(listener, (told, providers), recogniser, published, stop)
        };
        Ok((log, self.pages.map(serve).transpose()?))
    }
}

fn files_of_web(config: &WebConfig) -> Files {
    Files {
        certificate: config.certificate.clone(),
        key: config.key.clone(),
        client_ca: Some(config.client_ca.clone()),
        client_crl: config.client_crl.clone(),
    }
}

fn files_of_pages(config: &PagesConfig) -> Files {
    let (certificate, key) = (config.certificate.clone(), config.key.clone());
    Files { certificate, key, client_ca: None, client_crl: None }
}

async fn bind(
    address: SocketAddr,
    tls: &Guarded,
    failures: &Arc<HandshakeFailures>,
) -> Result<Listener<Web>, ServeError> {
    let (limits, failures) = (HandshakeLimits::default(), Arc::clone(failures));
    let bound = Listener::bind_web(address, tls.config(), limits, failures).await?;
    Ok(bound.judged_by(tls.trust()))
}

/// The identity providers, and the way to each.
fn providers(
    configured: &[SignInConfig],
    clock: &Arc<dyn Clock>,
) -> Result<Vec<Provider>, ServeError> {
    let provider = |config: &SignInConfig| {
        let secret = config.client_secret.as_ref().map(read).transpose()?;
        let ca = config.ca.as_ref().map(read).transpose()?;
        let way = ProviderClient::new(config, secret.as_deref(), ca.as_deref(), clock)?;
        let settings = ProviderSettings {
            name: config.name.clone(),
            check: IdTokenCheck {
                issuer: config.issuer.clone(),
                client_id: config.client_id.clone(),
                partner: config.partner.clone(),
                user_claim: config.user_claim.clone(),
            },
            authorization_endpoint: config.authorization_endpoint.clone(),
            redirect_uri: config.redirect_uri.clone(),
        };
        Ok(Provider::new(settings, Box::new(way)))
    };
    configured.iter().map(provider).collect()
}

/// Serves the pages on their listener.
fn serve_pages(
    listener: Listener<Web>,
    (config, providers): (&PagesConfig, Vec<Provider>),
    recogniser: &Arc<Recogniser>,
    published: &Published,
    stop: &CancellationToken,
) -> Result<ServedPages, ServeError> {
    let boundaries = match &config.boundaries {
        Some(path) => Boundaries::read(&String::from_utf8_lossy(&read(path)?))?,
        None => Boundaries::default(),
    };
    let long = |time: Duration| SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    let settings = Settings {
        limits: SessionLimits { idle: long(config.idle), absolute: long(config.session) },
        contact: config.contact.clone(),
        boundaries,
        providers,
    };
    let (address, failures) = (listener.local_addr(), listener.failures());
    let unknown = move || failures.count(HandshakeFailure::NoCertificate);
    let (recogniser, published) = (Arc::clone(recogniser), published.clone());
    let pages = Arc::new(Pages::new(recogniser, published, settings, system_rng(), unknown));
    let incoming = listener.incoming(stop.clone());
    let connections = incoming.map(|Ok(connection)| connection.into_parts());
    let serving = tokio::spawn(web::pages::serve(Arc::clone(&pages), connections, stop.clone()));
    Ok(ServedPages { address, pages, serving })
}

/// Serves the published log on the web's listener; gives where, and the task.
fn serve_web(
    listener: Listener<Web>,
    recogniser: &Arc<Recogniser>,
    published: &Published,
    stop: &CancellationToken,
) -> ServedLog {
    let (address, failures) = (listener.local_addr(), listener.failures());
    let uncertified = move || failures.count(HandshakeFailure::NoCertificate);
    let site = web::Site::new(Arc::clone(recogniser), published.clone(), uncertified);
    let incoming = listener.incoming(stop.clone());
    let connections = incoming.map(|Ok(connection)| connection.into_parts());
    (
        address,
        tokio::spawn(web::serve(
            Arc::new(site),
            connections,
            web::WebLimits::default(),
            stop.clone(),
        )),
    )
}
