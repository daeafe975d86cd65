//! Who cosigns the log.

use super::{ConfigError, file::WitnessFile, is_here};
use crate::audit::WitnessKey;
use http::Uri;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A witness that cosigns the log.
#[derive(Debug, Clone)]
pub struct WitnessConfig {
    /// Its verifier key.
    pub key: WitnessKey,
    /// Where it takes checkpoints: https, or http on this machine itself.
    pub url: Uri,
    /// The authority of its server certificate, PEM; given with https.
    pub ca: Option<PathBuf>,
    /// Whether it is the oversight body's; else it is a partner's.
    pub oversight: bool,
}

/// The witnesses; each key stands for one voice, so none may be there twice.
pub(super) fn witnesses(
    files: &[WitnessFile],
    path: &Path,
) -> Result<Vec<WitnessConfig>, ConfigError> {
    let wrong = |entry, rule| ConfigError::Value { path: path.to_owned(), entry, rule };
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut known: Vec<WitnessConfig> = Vec::new();
    for file in files {
        let vkey = match (&file.vkey, &file.vkey_file) {
            (Some(vkey), None) => vkey.clone(),
            (None, Some(vkey)) => {
                let path = folder.join(vkey);
                let text = fs::read_to_string(&path);
                text.map_err(|source| ConfigError::Unreadable { path, source })?
            }
            _ => return Err(wrong("log.witness", "give either vkey or vkey_file")),
        };
        let key: WitnessKey = vkey.trim_end().parse().map_err(|_| {
            wrong("log.witness.vkey", "a witness's verifier key: name+8 hex digits+base64")
        })?;
        if known.iter().any(|other| other.key.has_key_of(&key)) {
            return Err(wrong("log.witness.vkey", "a key can't be there twice"));
        }
        let url: Uri = file.url.parse().map_err(|_| wrong("log.witness.url", "a URL"))?;
        match (url.scheme_str(), &file.ca) {
            (Some("https"), Some(_)) => {}
            (Some("https"), None) => {
                let rule = "give the authority that signed the witness's certificate, a PEM file";
                return Err(wrong("log.witness.ca", rule));
            }
            (Some("http"), None) if is_here(&url) => {}
            _ => {
                let rule = "https://..., or http:// with this machine's own loopback address";
                return Err(wrong("log.witness.url", rule));
            }
        }
        let ca = file.ca.as_ref().map(|ca| folder.join(ca));
        known.push(WitnessConfig { key, url, ca, oversight: file.oversight });
    }
    Ok(known)
}
