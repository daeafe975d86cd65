//! The profile: one TOML file per user of a gateway.
//!
//! ```toml
//! server = "gateway.example:7443"      # host:port
//! server_name = "gateway.example"      # the name in the gateway's certificate
//! ca = "ca.pem"                        # paths are relative to this file
//! certificate = "health.pem"
//! key = "health.key.pem"
//! token_key = "health.token.pem"
//! token_kid = "health-token-1"
//! partner = "health"
//! user = "records-clerk"
//! roles = ["provider"]
//! areas = []                           # a consumer's
//! audience = "https://gateway.example"
//! blinding_key = "9a04..."             # 64 hex digits: records are blinded under this key alone
//! ```

use super::{ConnectorError, ProfilePart};
use crate::domain::{AreaCode, PartnerId};
use crate::identity::{CertificateFingerprint, TokenSigningKey};
use crate::keys::PrfPublicKey;
use crate::protocol::CallerRole;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// What the TOML file holds. A word it does not know is an error, so that a typing error
/// can't pass for a setting.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileFile {
    /// Where the gateway listens, `host:port`.
    pub server: String,
    /// Where the log's tiles are, `https://host:port`, for tools that read them there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web: Option<String>,
    /// The host name or address that the gateway's certificate must hold.
    pub server_name: String,
    /// The authority that signed the gateway's certificate, PEM; the only one that is trusted.
    pub ca: PathBuf,
    /// This partner's client certificate, PEM, leaf first.
    pub certificate: PathBuf,
    /// Its private key, PKCS#8 PEM.
    pub key: PathBuf,
    /// The private key tokens are signed with, PKCS#8 PEM.
    pub token_key: PathBuf,
    /// The id under which the token key's public half is registered.
    pub token_kid: String,
    /// Who we are in the gateway's register.
    pub partner: PartnerId,
    /// The issuer our tokens name, when it is not the partner id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Who works with this profile: the partner's own id of the user.
    pub user: String,
    /// What the user acts as.
    pub roles: Vec<CallerRole>,
    /// The areas a consumer may ask for.
    #[serde(default)]
    pub areas: Vec<AreaCode>,
    /// What the gateway calls itself in tokens.
    pub audience: String,
    /// The public key of a blinded deployment, from its operator, in 64 hexadecimal digits: with
    /// it every push is blinded, and a gateway that uses another key is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blinding_key: Option<String>,
}

impl fmt::Debug for ProfileFile {
    /// Without the user, who may be named in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProfileFile")
            .field("server", &self.server)
            .field("partner", &self.partner)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

impl ProfileFile {
    /// As TOML, for `demo` and `partner add` to write.
    ///
    /// # Errors
    /// When a path is not UTF-8.
    pub fn to_toml(&self) -> Result<String, ConnectorError> {
        toml::to_string(self).map_err(|_| ConnectorError::ProfileUnwritable)
    }
}

/// A profile whose files were all read and fit together.
pub struct Profile {
    pub(super) file: ProfileFile,
    pub(super) folder: PathBuf,
    pub(super) authorities: Vec<CertificateDer<'static>>,
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) token_key: TokenSigningKey,
    pub(super) blinding_key: Option<PrfPublicKey>,
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Profile {
    /// Reads the profile and every file it names; relative paths start at its own folder.
    ///
    /// # Errors
    /// Names the first file that is missing or not what it should be.
    pub fn read(path: &Path) -> Result<Self, ConnectorError> {
        let text = fs::read_to_string(path).map_err(|source| {
            ConnectorError::ProfileUnreadable { path: path.to_owned(), source }
        })?;
        let file: ProfileFile = toml::from_str(&text).map_err(|source| {
            ConnectorError::ProfileInvalid { path: path.to_owned(), source: Box::new(source) }
        })?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Self::load(file, folder)
    }

    /// Who we are in the gateway's register.
    #[must_use]
    pub const fn partner(&self) -> &PartnerId {
        &self.file.partner
    }

    /// Reads the files that `file` names, relative to `folder`.
    ///
    /// # Errors
    /// Names the first file that is missing or not what it should be.
    pub fn load(file: ProfileFile, folder: PathBuf) -> Result<Self, ConnectorError> {
        let authorities = certificates(&folder, &file.ca, ProfilePart::Authority)?;
        let chain = certificates(&folder, &file.certificate, ProfilePart::Certificate)?;
        let key_path = folder.join(&file.key);
        let key_pem = read(&key_path, ProfilePart::Key)?;
        let key = PrivateKeyDer::from_pem_slice(&key_pem)
            .map_err(|_| ConnectorError::FileInvalid { part: ProfilePart::Key, path: key_path })?;
        let path = folder.join(&file.token_key);
        let token_pem = read(&path, ProfilePart::TokenKey)?;
        let Ok(token_pem) = std::str::from_utf8(&token_pem) else {
            return Err(ConnectorError::FileInvalid { part: ProfilePart::TokenKey, path });
        };
        let token_key = TokenSigningKey::from_pem(&file.token_kid, token_pem)
            .map_err(|source| ConnectorError::TokenKeyInvalid { path, source })?;
        let blinding_key = file.blinding_key.as_deref().map(str::parse).transpose();
        let blinding_key = blinding_key.map_err(|source| ConnectorError::BlindingKey { source })?;
        Ok(Self { file, folder, authorities, chain, key, token_key, blinding_key })
    }

    /// What the file says.
    #[must_use]
    pub const fn file(&self) -> &ProfileFile {
        &self.file
    }

    /// The client certificate as the register knows it.
    #[must_use]
    pub fn fingerprint(&self) -> CertificateFingerprint {
        // `certificates` never returns an empty chain.
        CertificateFingerprint::of(&self.chain[0])
    }

    pub(super) fn issuer(&self) -> &str {
        self.file.issuer.as_deref().unwrap_or(self.file.partner.as_str())
    }
}

fn read(path: &Path, part: ProfilePart) -> Result<Zeroizing<Vec<u8>>, ConnectorError> {
    fs::read(path).map(Zeroizing::new).map_err(|source| ConnectorError::FileUnreadable {
        part,
        path: path.to_owned(),
        source,
    })
}

/// At least one certificate.
fn certificates(
    folder: &Path,
    file: &Path,
    part: ProfilePart,
) -> Result<Vec<CertificateDer<'static>>, ConnectorError> {
    let path = folder.join(file);
    let pem = read(&path, part)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(ConnectorError::FileInvalid { part, path }),
    }
}
