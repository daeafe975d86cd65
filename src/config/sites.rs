//! The listeners for readers of the log and for people in browsers.

use super::{
    ConfigError,
    file::{GrpcFile, PagesFile, SignInFile, WebFile},
    is_here,
};
use crate::domain::PartnerId;
use http::Uri;
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// The longest that somebody may stay signed in.
const LONGEST_SESSION_HOURS: u32 = 12;

/// The listener of the web, where one is wanted.
#[derive(Debug, Clone)]
pub struct WebConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The server's certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The authority that signs partners' client certificates, PEM.
    pub client_ca: PathBuf,
    /// Client certificates that it has revoked, PEM.
    pub client_crl: Option<PathBuf>,
}

/// The listener of the pages, where they are wanted.
#[derive(Debug, Clone)]
pub struct PagesConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The server's certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Whom somebody asks who was refused.
    pub contact: String,
    /// LSOAs' outlines, GeoJSON; `None` for no maps.
    pub boundaries: Option<PathBuf>,
    /// The providers that people sign in by.
    pub sign_in: Vec<SignInConfig>,
    /// How long somebody stays signed in without doing anything.
    pub idle: Duration,
    /// And in any case.
    pub session: Duration,
}

/// An organisation's OpenID Connect provider.
#[derive(Debug, Clone)]
pub struct SignInConfig {
    /// What people know it by.
    pub name: String,
    /// Whose people it knows.
    pub partner: PartnerId,
    /// What its tokens say of who made them.
    pub issuer: String,
    /// What it calls this gateway.
    pub client_id: String,
    /// The file of the client's secret.
    pub client_secret: Option<PathBuf>,
    /// Where browsers go.
    pub authorization_endpoint: String,
    /// Where they come back to.
    pub redirect_uri: String,
    /// The claim by which the organisation's tokens call the same people.
    pub user_claim: String,
    /// Where codes are exchanged.
    pub token_endpoint: Uri,
    /// Where its keys are.
    pub jwks_uri: Uri,
    /// The authority of its server certificate, PEM; given with https.
    pub ca: Option<PathBuf>,
}

/// What the readers' listener is told.
pub(super) fn web(web: &WebFile, grpc: &GrpcFile, path: &Path) -> Result<WebConfig, ConfigError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let at = |relative: &Path| folder.join(relative);
    if web.certificate.is_some() != web.key.is_some() {
        return Err(ConfigError::Value {
            path: path.to_owned(),
            entry: "web.certificate",
            rule: "give certificate and key together, or neither",
        });
    }
    Ok(WebConfig {
        listen: web.listen,
        certificate: at(web.certificate.as_ref().unwrap_or(&grpc.certificate)),
        key: at(web.key.as_ref().unwrap_or(&grpc.key)),
        client_ca: at(web.client_ca.as_ref().unwrap_or(&grpc.client_ca)),
        // Another authority's list is none of gRPC's.
        client_crl: match web.client_ca {
            Some(_) => web.client_crl.as_deref().map(at),
            None => web.client_crl.as_ref().or(grpc.client_crl.as_ref()).map(|crl| at(crl)),
        },
    })
}

/// What the pages are told.
pub(super) fn pages(
    pages: &PagesFile,
    grpc: &GrpcFile,
    path: &Path,
) -> Result<PagesConfig, ConfigError> {
    let wrong = |entry, rule| ConfigError::Value { path: path.to_owned(), entry, rule };
    let folder = path.parent().unwrap_or(Path::new(""));
    if pages.certificate.is_some() != pages.key.is_some() {
        return Err(wrong("pages.certificate", "give certificate and key together, or neither"));
    }
    if pages.contact.trim().is_empty() {
        return Err(wrong("pages.contact", "whom somebody asks who was refused"));
    }
    if pages.idle_minutes == 0 {
        return Err(wrong("pages.idle_minutes", "at least 1"));
    }
    if !(1..=LONGEST_SESSION_HOURS).contains(&pages.session_hours) {
        let rule = "1 to 12: a provider that shuts somebody out is asked again only then";
        return Err(wrong("pages.session_hours", rule));
    }
    let origin = pages.origin.as_deref().unwrap_or_default().trim_end_matches('/');
    let mut partners = BTreeSet::new();
    if !pages.sign_in.iter().all(|one| partners.insert(&one.partner)) {
        let rule = "each organisation's people by one provider: by two one person could be two";
        return Err(wrong("pages.sign_in.partner", rule));
    }
    let mut clients = BTreeSet::new();
    if !pages.sign_in.iter().all(|one| clients.insert((&one.issuer, &one.client_id))) {
        let rule = "another client at the provider for each organisation: people of the one \
                    could sign in as the other's";
        return Err(wrong("pages.sign_in.client_id", rule));
    }
    let numbered = (0..).zip(&pages.sign_in);
    let sign_in = numbered.map(|(number, one)| sign_in(one, number, origin, path));
    let minutes = |minutes: u32| Duration::from_secs(u64::from(minutes) * 60);
    Ok(PagesConfig {
        listen: pages.listen,
        certificate: folder.join(pages.certificate.as_ref().unwrap_or(&grpc.certificate)),
        key: folder.join(pages.key.as_ref().unwrap_or(&grpc.key)),
        contact: pages.contact.clone(),
        boundaries: pages.boundaries.as_ref().map(|file| folder.join(file)),
        sign_in: sign_in.collect::<Result<_, _>>()?,
        idle: minutes(pages.idle_minutes),
        session: minutes(pages.session_hours.saturating_mul(60)),
    })
}

/// A provider; what passes between it and the gateway passes under TLS, or on this machine itself.
fn sign_in(
    file: &SignInFile,
    number: usize,
    origin: &str,
    path: &Path,
) -> Result<SignInConfig, ConfigError> {
    let wrong = |entry, rule| ConfigError::Value { path: path.to_owned(), entry, rule };
    let folder = path.parent().unwrap_or(Path::new(""));
    if !origin.starts_with("https://") {
        return Err(wrong("pages.origin", "https://..., this site's address, given with sign_in"));
    }
    let endpoint = |entry, text: &str| {
        let uri: Uri = text.parse().map_err(|_| wrong(entry, "a URL"))?;
        match (uri.scheme_str(), &file.ca) {
            (Some("https"), Some(_)) => Ok(uri),
            (Some("http"), None) if is_here(&uri) => Ok(uri),
            _ => Err(wrong(entry, "https://... with ca, or http:// with a loopback address")),
        }
    };
    Ok(SignInConfig {
        name: file.name.clone(),
        partner: file.partner.clone(),
        issuer: file.issuer.clone(),
        client_id: file.client_id.clone(),
        client_secret: file.client_secret_file.as_ref().map(|file| folder.join(file)),
        authorization_endpoint: file.authorization_endpoint.clone(),
        user_claim: file.user_claim.clone().unwrap_or_else(|| "sub".to_owned()),
        redirect_uri: format!("{origin}/sign-in/back/{number}"),
        token_endpoint: endpoint("pages.sign_in.token_endpoint", &file.token_endpoint)?,
        jwks_uri: endpoint("pages.sign_in.jwks_uri", &file.jwks_uri)?,
        ca: file.ca.as_ref().map(|ca| folder.join(ca)),
    })
}
