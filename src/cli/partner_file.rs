//! A partner as a file: what `partner add` reads, with the certificates and keys it names.
//!
//! Only public halves are ever sent: a private key where a public one belongs is refused
//! before anything leaves the machine.

use super::CliError;
use crate::{
    domain::{AreaCode, PartnerId},
    wire::v1,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::civil::Date;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
};

const A_PARTNER: &str = "a partner's entry";
const A_JWK: &str = "a public JSON Web Key";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartnerFile {
    partner_id: PartnerId,
    name: String,
    #[serde(default)]
    org_code: String,
    #[serde(default)]
    ico_registration: String,
    roles: Vec<RoleName>,
    #[serde(default)]
    areas: Vec<AreaCode>,
    #[serde(default)]
    certificates: Vec<PathBuf>,
    #[serde(default)]
    keys: Vec<KeyEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    jwk: JwkEntry,
    purpose: PurposeName,
    role: Option<SignatoryName>,
    valid_from: Date,
    valid_until: Date,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum JwkEntry {
    File(PathBuf),
    Inline(serde_json::Map<String, Value>),
}

macro_rules! names {
    ($(#[$doc:meta])* $name:ident, $wire:ident, $shown:ident { $($member:ident = $text:literal,)* }) => {
        #[derive(Debug, Clone, Copy, Deserialize)]
        enum $name { $(#[serde(rename = $text)] $member,)* }

        impl From<$name> for v1::$wire {
            fn from(name: $name) -> Self {
                match name { $($name::$member => Self::$member,)* }
            }
        }

        $(#[$doc])*
        pub(super) const fn $shown(value: v1::$wire) -> &'static str {
            match value { $(v1::$wire::$member => $text,)* v1::$wire::Unspecified => "" }
        }
    };
}

names! {
    /// A caller's role as files write it; empty when unspecified.
    RoleName, CallerRole, role {
        Provider = "provider",
        Consumer = "consumer",
        DataOfficer = "data_officer",
        Auditor = "auditor",
    }
}
names! {
    /// A key's purpose as files write it; empty when unspecified.
    PurposeName, KeyPurpose, key_purpose {
        ProtocolSigning = "protocol_signing",
        Token = "token",
        Acknowledgement = "acknowledgement",
    }
}
names! {
    /// A signatory's role as files write it; empty when unspecified.
    SignatoryName, SignatoryRole, signatory_role {
        Siro = "siro",
        CaldicottGuardian = "caldicott_guardian",
        DpoAdvice = "dpo_advice",
        Director = "director",
        DesignatedPerson = "designated_person",
    }
}

/// Reads a file as text.
///
/// # Errors
/// When it can't be read.
pub(super) fn read_text(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path)
        .map_err(|source| CliError::Unreadable { path: path.to_owned(), source })
}

/// Reads a TOML file, or a JSON file by its ending.
///
/// # Errors
/// When it can't be read, or is not `expected`.
pub(super) fn read_entries<T: for<'de> Deserialize<'de>>(
    path: &Path,
    expected: &'static str,
) -> Result<T, CliError> {
    let text = read_text(path)?;
    let wrong = |source| CliError::WrongEntry { path: path.to_owned(), expected, source };
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
        serde_json::from_str(&text).map_err(|error| wrong(error.into()))
    } else {
        // The parser's picture of the place spans lines; its sentence does not.
        toml::from_str(&text).map_err(|error| wrong(error.message().to_owned().into()))
    }
}

/// Reads a partner and the files it names.
///
/// # Errors
/// Names the first file that can't be read, is not what it should be, or holds a private key.
pub(super) fn read(path: &Path) -> Result<v1::Partner, CliError> {
    let file: PartnerFile = read_entries(path, A_PARTNER)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut certificates = Vec::new();
    for certificate in &file.certificates {
        certificates.push(fingerprint(&folder.join(certificate))?);
    }
    let keys: Result<Vec<_>, _> =
        file.keys.into_iter().map(|entry| key(entry, folder, path)).collect();
    Ok(v1::Partner {
        partner_id: file.partner_id.to_string(),
        name: file.name,
        org_code: file.org_code,
        ico_registration: file.ico_registration,
        roles: file.roles.into_iter().map(|name| v1::CallerRole::from(name).into()).collect(),
        areas: file.areas.iter().map(ToString::to_string).collect(),
        certificates,
        keys: keys?,
        disabled: false,
    })
}

/// SHA-256 of the first certificate of a PEM file, the caller's own.
fn fingerprint(path: &Path) -> Result<Vec<u8>, CliError> {
    let pem = read_text(path)?;
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
        CliError::WrongForm { path: path.to_owned(), expected: "a certificate in PEM form" }
    })?;
    Ok(Sha256::digest(&certificate).to_vec())
}

fn key(entry: KeyEntry, folder: &Path, partner: &Path) -> Result<v1::PartnerKey, CliError> {
    let (jwk, path) = match entry.jwk {
        JwkEntry::Inline(jwk) => (jwk, partner.to_owned()),
        JwkEntry::File(file) => {
            let path = folder.join(file);
            let wrong = |_| CliError::WrongForm { path: path.clone(), expected: A_JWK };
            (serde_json::from_str(&read_text(&path)?).map_err(wrong)?, path)
        }
    };
    if jwk.contains_key("d") || jwk.contains_key("k") {
        return Err(CliError::PrivateKey { path });
    }
    let kid = kid(&jwk).ok_or(CliError::WrongForm { path, expected: A_JWK })?;
    let role = entry.role.map_or(v1::SignatoryRole::Unspecified, Into::into);
    Ok(v1::PartnerKey {
        kid,
        jwk: Value::Object(jwk).to_string(),
        purpose: v1::KeyPurpose::from(entry.purpose).into(),
        signatory_role: role.into(),
        valid_from: entry.valid_from.to_string(),
        valid_until: entry.valid_until.to_string(),
    })
}

/// The key's own id, or its RFC 7638 thumbprint.
fn kid(jwk: &serde_json::Map<String, Value>) -> Option<String> {
    let member = |name: &str| jwk.get(name).and_then(Value::as_str);
    if let Some(kid) = member("kid") {
        return Some(kid.to_owned());
    }
    let names: &[&str] = match member("kty")? {
        "OKP" => &["crv", "kty", "x"],
        "EC" => &["crv", "kty", "x", "y"],
        "RSA" => &["e", "kty", "n"],
        _ => return None,
    };
    // RFC 7638 section 3.3: the required members in lexicographic order, without blanks.
    let members: Option<Vec<String>> = names
        .iter()
        .map(|name| Some(format!("\"{name}\":{}", Value::String(member(name)?.to_owned()))))
        .collect();
    let canonical = format!("{{{}}}", members?.join(","));
    Some(URL_SAFE_NO_PAD.encode(Sha256::digest(canonical)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and thumbprint of RFC 8037 appendix A.
    const JWK: &str =
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    const THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let certified = rcgen::generate_simple_self_signed(["health".to_owned()]).unwrap();
        fs::write(folder.path().join("health.pem"), certified.cert.pem()).unwrap();
        fs::write(folder.path().join("siro.json"), JWK).unwrap();
        folder
    }

    fn partner(folder: &Path, name: &str, text: &str) -> Result<v1::Partner, CliError> {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        read(&path)
    }

    const GOOD: &str = r#"
        partner_id = "health"
        name = "Health Trust"
        roles = ["provider"]
        certificates = ["health.pem"]
        [[keys]]
        jwk = "siro.json"
        purpose = "protocol_signing"
        role = "siro"
        valid_from = "2026-01-01"
        valid_until = "2027-12-31"
    "#;

    #[test]
    fn a_partner_is_read_with_its_certificates_and_keys() {
        let folder = folder();
        let read = partner(folder.path(), "health.toml", GOOD).unwrap();
        assert_eq!(read.partner_id, "health");
        assert_eq!(read.roles, [i32::from(v1::CallerRole::Provider)]);
        assert_eq!(read.certificates[0].len(), 32);
        assert_eq!(read.keys[0].kid, THUMBPRINT);
        assert_eq!(read.keys[0].signatory_role(), v1::SignatoryRole::Siro);
        let json = r#"{"partner_id":"dwp","name":"DWP","roles":["consumer"],"areas":["CC01"],
            "keys":[{"jwk":{"kty":"OKP","crv":"Ed25519","x":"AA","kid":"t1"},"purpose":"token",
            "valid_from":"2026-01-01","valid_until":"2027-01-01"}]}"#;
        let read = partner(folder.path(), "dwp.json", json).unwrap();
        assert_eq!((read.areas[0].as_str(), read.keys[0].kid.as_str()), ("CC01", "t1"));
    }

    #[test]
    fn a_private_key_never_leaves() {
        let folder = folder();
        let private = JWK.replace("\"x\"", "\"d\":\"secret\",\"x\"");
        fs::write(folder.path().join("siro.json"), private).unwrap();
        let error = partner(folder.path(), "health.toml", GOOD).unwrap_err();
        assert!(matches!(error, CliError::PrivateKey { .. }), "{error}");
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn wrong_entries_are_named_by_file() {
        let folder = folder();
        for (from, to) in [
            ("provider", "manager"),
            ("\"health\"", "\"Health!\""),
            ("name =", "nam ="),
            ("2027-12-31", "2027-13-31"),
            ("health.pem", "siro.json"),
            ("health.pem", "missing.pem"),
        ] {
            let error = partner(folder.path(), "p.toml", &GOOD.replace(from, to)).unwrap_err();
            let sentence = error.to_string();
            assert!(sentence.contains(&*folder.path().to_string_lossy()), "{sentence}");
            assert_eq!(sentence.lines().count(), 1, "{sentence}");
        }
    }
}
