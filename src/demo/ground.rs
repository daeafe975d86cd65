//! The demo's ground: its folder, authority, certificates, keys, profiles and the
//! gateway's configuration. All of it lies under one folder; nothing else is touched.

use super::DemoError;
use crate::{
    connector::ProfileFile,
    domain::{AreaCode, PartnerId},
    gateway::register::{Fingerprint, Partner, PartnerKey},
    identity::{CertificateAuthority, Issued, LOOPBACK_NAMES, Validity},
    keys::{Log, MasterKeys, Prf, ProtocolSigning, Release, SigningKey, Token},
    protocol::{CallerRole, KeyId, KeySet, RegisteredKey, SignatoryRole, register::KeyPurpose},
    synth::{ATTRIBUTION, PlaceFacts},
};
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use rand::CryptoRng;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

/// A file that only a demo's folder has: what may be wiped by the next run.
const MARK: &str = ".tallygate-demo";
/// What the gateway calls itself in tokens.
const AUDIENCE: &str = "tallygate-demo";
/// First and last day of everything that has a term: the demo must work in any year.
pub(crate) const FIRST_DAY: Date = jiff::civil::date(2024, 4, 1);
pub(crate) const LAST_DAY: Date = jiff::civil::date(2044, 3, 31);

/// An organisation of the demo.
pub(crate) struct Organisation {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) org_code: &'static str,
    pub(crate) ico: &'static str,
    pub(crate) roles: &'static [CallerRole],
    pub(crate) signatories: &'static [SignatoryRole],
}

use CallerRole::{Auditor, Consumer, DataOfficer, Provider};
use SignatoryRole::{CaldicottGuardian, Siro};

/// Everybody: five who send, the authority, and the oversight body. All invented.
pub(crate) const ORGANISATIONS: [Organisation; 7] = [
    Organisation {
        id: "health",
        name: "Spire Community Health Trust (invented)",
        org_code: "RZZ01",
        ico: "Z0000001",
        roles: &[Provider],
        signatories: &[Siro, CaldicottGuardian],
    },
    Organisation {
        id: "dwp",
        name: "Department for Work and Pensions, district office (invented)",
        org_code: "DWP01",
        ico: "Z0000002",
        roles: &[Provider],
        signatories: &[Siro],
    },
    Organisation {
        id: "learning",
        name: "Adult, Family and Early Learning (invented)",
        org_code: "AFL01",
        ico: "Z0000003",
        roles: &[Provider],
        signatories: &[Siro],
    },
    Organisation {
        id: "families",
        name: "Supporting Families and Social Care (invented)",
        org_code: "SFC01",
        ico: "Z0000004",
        roles: &[Provider],
        signatories: &[Siro],
    },
    Organisation {
        id: "centres",
        name: "Children's Centres Partnership (invented)",
        org_code: "CCP01",
        ico: "Z0000005",
        roles: &[Provider, Consumer],
        signatories: &[Siro],
    },
    Organisation {
        id: "authority",
        name: "The authority's performance team (invented)",
        org_code: "LA001",
        ico: "Z0000006",
        roles: &[DataOfficer],
        signatories: &[Siro],
    },
    Organisation {
        id: "oversight",
        name: "Oversight body (invented)",
        org_code: "OVB01",
        ico: "Z0000007",
        roles: &[Auditor],
        signatories: &[],
    },
];

/// A key with which somebody signs protocols.
pub(crate) struct Signatory {
    pub(crate) registered: RegisteredKey,
    pub(crate) key: SigningKey<ProtocolSigning>,
}

/// What was laid out.
pub(crate) struct Ground {
    pub(crate) dir: PathBuf,
    pub(crate) partners: Vec<Partner>,
    pub(crate) signatories: BTreeMap<PartnerId, Vec<Signatory>>,
}

/// Makes an empty folder for the demo; an earlier demo's is wiped, anything else is left.
pub(crate) fn clear(dir: &Path) -> Result<(), DemoError> {
    let unwritable = |source| DemoError::Folder { path: dir.to_owned(), source };
    if dir.exists() {
        let empty = fs::read_dir(dir).map_err(unwritable)?.next().is_none();
        if !empty && !dir.join(MARK).exists() {
            return Err(DemoError::NotADemo { path: dir.to_owned() });
        }
        fs::remove_dir_all(dir).map_err(unwritable)?;
    }
    for folder in ["profiles", "certificates", "keys", "files", "protocols", "receipts", "tiles"] {
        fs::create_dir_all(dir.join(folder)).map_err(unwritable)?;
    }
    fs::write(dir.join(MARK), "Made by `tallygate demo`, which may wipe this folder.\n")
        .map_err(unwritable)
}

/// Lays out certificates, keys, profiles and configuration.
pub(crate) fn lay(
    dir: &Path,
    place: &PlaceFacts,
    database: &str,
    prf: Prf,
    now: Timestamp,
    rng: &mut (dyn CryptoRng + Send),
) -> Result<Ground, DemoError> {
    let year = 366 * 24;
    let validity = Validity {
        not_before: now.checked_sub(1.hours())?,
        not_after: now.checked_add((10 * year).hours())?,
    };
    let authority = CertificateAuthority::new("tallygate demo authority", validity)?;
    write(dir, "ca.pem", authority.certificate_pem().as_bytes())?;
    put_certificate(dir, "gateway", &authority.issue_server(&LOOPBACK_NAMES)?)?;
    let keys = MasterKeys::generate_for(prf, rng);
    keys.store_new(&dir.join("keys/pseudonym.json"))?;
    let blinding_key = keys.prf_public_key()?.map(|key| key.to_string());
    SigningKey::<Log>::generate(rng)?.store_new(&dir.join("keys/log.pem"))?;
    SigningKey::<Release>::generate(rng)?.store_new(&dir.join("keys/release.pem"))?;
    let [server, web, pages] = free_addresses()?;
    let listens = [&*server, &*web, &*pages];
    write(dir, "gateway.toml", configuration(listens, place, database, prf).as_bytes())?;
    write(dir, "boundaries.json", boundaries(place).to_string().as_bytes())?;
    let mut ground =
        Ground { dir: dir.to_owned(), partners: Vec::new(), signatories: BTreeMap::new() };
    for organisation in &ORGANISATIONS {
        let issued = authority.issue_client(organisation.id)?;
        put_certificate(dir, organisation.id, &issued)?;
        let token = SigningKey::<Token>::generate(rng)?;
        token.store_new(&dir.join(format!("keys/{}-token.pem", organisation.id)))?;
        let profile = ProfileFile {
            server: server.clone(),
            web: Some(format!("https://{web}")),
            server_name: "localhost".to_owned(),
            ca: "../ca.pem".into(),
            certificate: format!("../certificates/{}.pem", organisation.id).into(),
            key: format!("../certificates/{}.key", organisation.id).into(),
            token_key: format!("../keys/{}-token.pem", organisation.id).into(),
            token_kid: token.verifying_key().kid(),
            partner: organisation.id.parse()?,
            issuer: None,
            user: format!("{}-service", organisation.id),
            roles: organisation.roles.to_vec(),
            areas: Vec::new(),
            audience: AUDIENCE.to_owned(),
            // The centres send in clear: both ways give one person.
            blinding_key: blinding_key.clone().filter(|_| organisation.id != "centres"),
        };
        put_profiles(dir, organisation, &profile, place)?;
        ground.enter(organisation, &issued, &token, place, rng)?;
    }
    let everyone = ground.signatories.values().flatten();
    let mut keys = KeySet::default();
    for signatory in everyone {
        keys.add(signatory.registered.clone())?;
    }
    write(dir, "jwks.json", keys.to_json()?.as_bytes())?;
    Ok(ground)
}

impl Ground {
    /// The register's entry of an organisation, and its signing keys.
    fn enter(
        &mut self,
        organisation: &Organisation,
        issued: &Issued,
        token: &SigningKey<Token>,
        place: &PlaceFacts,
        rng: &mut (dyn CryptoRng + Send),
    ) -> Result<(), DemoError> {
        let partner: PartnerId = organisation.id.parse()?;
        let mut keys = vec![PartnerKey {
            jwk: token.verifying_key().to_jwk(),
            purpose: KeyPurpose::Token,
            role: None,
            valid_from: FIRST_DAY,
            valid_until: LAST_DAY,
        }];
        for role in organisation.signatories {
            let key = SigningKey::<ProtocolSigning>::generate(rng)?;
            let public = key.verifying_key();
            let file = format!("keys/{partner}-{}.pem", role.code());
            key.store_new(&self.dir.join(file))?;
            keys.push(PartnerKey {
                jwk: public.to_jwk(),
                purpose: KeyPurpose::ProtocolSigning,
                role: Some(*role),
                valid_from: FIRST_DAY,
                valid_until: LAST_DAY,
            });
            let registered = RegisteredKey {
                kid: public.kid().parse::<KeyId>()?,
                party: partner.clone(),
                role: *role,
                purpose: KeyPurpose::ProtocolSigning,
                public_key: *public.as_bytes(),
                valid_from: midnight(FIRST_DAY)?,
                valid_until: midnight(LAST_DAY)?,
                revoked_at: None,
            };
            let own = self.signatories.entry(partner.clone()).or_default();
            own.push(Signatory { registered, key });
        }
        self.partners.push(Partner {
            partner,
            name: organisation.name.to_owned(),
            org_code: organisation.org_code.to_owned(),
            ico_registration: organisation.ico.to_owned(),
            roles: organisation.roles.iter().copied().collect(),
            areas: managed(organisation, place)?,
            certificates: vec![Fingerprint(*issued.fingerprint().as_bytes())],
            keys,
        });
        Ok(())
    }
}

/// What an organisation's consumers may see: the centres' managers their reach areas, and
/// cluster and authority to compare with.
fn managed(
    organisation: &Organisation,
    place: &PlaceFacts,
) -> Result<BTreeSet<AreaCode>, DemoError> {
    if !organisation.roles.contains(&Consumer) {
        return Ok(BTreeSet::new());
    }
    let reach = place.areas.iter().map(|area| area.code);
    let clusters = place.clusters.iter().map(|cluster| cluster.code);
    let codes = reach.chain(clusters).chain([place.authority_code]);
    Ok(codes.map(str::parse).collect::<Result<_, _>>()?)
}

/// The profiles of an organisation: one that sends, two officers', the auditor's, and one
/// a centre manager.
fn put_profiles(
    dir: &Path,
    organisation: &Organisation,
    profile: &ProfileFile,
    place: &PlaceFacts,
) -> Result<(), DemoError> {
    let put = |name: &str, user: &str, roles: Vec<CallerRole>, areas: Vec<AreaCode>| {
        let user = user.to_owned();
        let profile = ProfileFile { user, roles, areas, ..profile.clone() };
        write(dir, &format!("profiles/{name}.toml"), profile.to_toml()?.as_bytes())
    };
    match organisation.id {
        // Two: a quarter is closed by two people.
        "authority" => {
            put("officer", "data-officer-1", vec![DataOfficer], vec![])?;
            put("officer-2", "data-officer-2", vec![DataOfficer], vec![])
        }
        "oversight" => put("auditor", "auditor-1", vec![Auditor], vec![]),
        sender => {
            put(sender, &profile.user, vec![Provider], vec![])?;
            if !organisation.roles.contains(&Consumer) {
                return Ok(());
            }
            for area in &place.areas {
                let cluster = place.clusters[area.cluster].code;
                let areas = [area.code, cluster, place.authority_code];
                let areas = areas.into_iter().map(str::parse).collect::<Result<_, _>>()?;
                let name = format!("manager-{}", area.code);
                put(&name, &name, vec![Consumer], areas)?;
            }
            Ok(())
        }
    }
}

/// The place's LSOAs as GeoJSON (RFC 7946), for the pages' maps.
fn boundaries(place: &PlaceFacts) -> serde_json::Value {
    let features = place.lsoas.iter().map(|lsoa| {
        serde_json::json!({
            "type": "Feature",
            "properties": { "LSOA11CD": lsoa.code },
            "geometry": { "type": "Polygon", "coordinates": [lsoa.boundary] },
        })
    });
    serde_json::json!({
        "type": "FeatureCollection",
        "attribution": ATTRIBUTION,
        "features": features.collect::<Vec<_>>(),
    })
}

fn configuration(
    [server, web, pages]: [&str; 3],
    place: &PlaceFacts,
    database: &str,
    prf: Prf,
) -> String {
    let (prf, feeds) = (prf.name(), feeds(prf));
    format!(
        "# Ready for `tallygate serve --config`.\n\
         audience = \"{AUDIENCE}\"\n\n\
         [grpc]\nlisten = \"{server}\"\ncertificate = \"certificates/gateway.pem\"\n\
         key = \"certificates/gateway.key\"\nclient_ca = \"ca.pem\"\n\n\
         [web]\nlisten = \"{web}\"\n\n\
         [pages]\nlisten = \"{pages}\"\nboundaries = \"boundaries.json\"\n\
         contact = \"the authority's performance team (invented), 024 7601 0000\"\n\n\
         [database]\n{database}\n\
         [keys]\nmaster = \"keys/pseudonym.json\"\npseudonym_prf = \"{prf}\"\nlog = \"keys/log.pem\"\n\
         release = \"keys/release.pem\"\n\n\
         [log]\norigin = \"tallygate.example/{}/demo\"\ntiles = \"tiles\"\ntick_seconds = 1\n{feeds}",
        place.authority_name.to_ascii_lowercase()
    )
}

/// What those who blind have declared; the demo sends years of records in a minute.
fn feeds(prf: Prf) -> String {
    if prf == Prf::Hmac {
        return String::new();
    }
    let blind = ["health", "dwp", "learning", "families"];
    let feed =
        |id: &str| format!("\n[[blinding.feed]]\npartner = \"{id}\"\nrecords_a_day = 5000000\n");
    blind.map(feed).concat()
}

/// Loopback ports that are free now; the configuration names them, so that the gateway can
/// be started again where the profiles look for it.
fn free_addresses() -> Result<[String; 3], DemoError> {
    // All are held at once, so that they differ.
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(DemoError::Port);
    let (first, second, third) = (bind()?, bind()?, bind()?);
    let address = |listener: &TcpListener| {
        listener.local_addr().map(|address| address.to_string()).map_err(DemoError::Port)
    };
    Ok([address(&first)?, address(&second)?, address(&third)?])
}

fn midnight(day: Date) -> Result<Timestamp, DemoError> {
    Ok(day.to_zoned(TimeZone::UTC)?.timestamp())
}

fn put_certificate(dir: &Path, name: &str, issued: &Issued) -> Result<(), DemoError> {
    write(dir, &format!("certificates/{name}.pem"), issued.certificate_pem().as_bytes())?;
    write(dir, &format!("certificates/{name}.key"), issued.key_pem().as_bytes())
}

/// Writes a file of the demo; private keys for their owner alone.
pub(crate) fn write(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), DemoError> {
    let path = dir.join(name);
    let failed = |source| DemoError::Folder { path: path.clone(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(&path, bytes).map_err(failed)?;
    #[cfg(unix)]
    if path.extension().is_some_and(|ending| ending == "key") {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    }
    Ok(())
}
