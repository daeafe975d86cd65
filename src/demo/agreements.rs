//! The demo's agreements: five sharing protocols and the root disclosure policy, each
//! signed by everybody who must.

use super::{
    DemoError,
    ground::{FIRST_DAY, Ground, LAST_DAY, write},
};
use crate::{
    disclosure::{Catalogue, Limits},
    domain::{AreaCode, PartnerId},
    gateway::register::Partner,
    protocol::{
        self, Envelope, Protocol, RootPolicy, Signed,
        root_policy::RootController,
        signing::{Document, Draft, header_for},
        template::{Audiences, Particulars, PartyDetails, RootParticulars, Template, root_policy},
    },
    synth::PlaceFacts,
};
use jiff::{Timestamp, civil::Date};

/// The id under which the demo submits a template.
pub(crate) fn protocol_id(template: Template) -> String {
    let kind = if template == Template::Dwp { "dda" } else { "isp" };
    format!("{kind}-{}", template.code())
}

/// The signed documents as JSON: protocols, then the root policy last.
pub(crate) struct Agreements {
    pub(crate) protocols: Vec<String>,
    pub(crate) root_policy: String,
}

/// Draws up, signs and files everything.
pub(crate) fn sign_all(
    ground: &Ground,
    place: &PlaceFacts,
    catalogue: &Catalogue,
    now: Timestamp,
) -> Result<Agreements, DemoError> {
    let mut protocols = Vec::new();
    for template in Template::ALL {
        let id = protocol_id(*template);
        let protocol = draw_up(*template, &id, ground, place)?;
        let parties: Vec<PartnerId> =
            protocol.parties.iter().map(|party| party.partner.clone()).collect();
        let signed = sign::<Protocol>(&protocol.canonical()?, &parties, ground, now)?;
        write(&ground.dir, &format!("protocols/{id}.json"), signed.as_bytes())?;
        protocols.push(signed);
    }
    let policy = draw_up_root(ground, catalogue)?;
    let controllers: Vec<PartnerId> =
        policy.controllers.iter().map(|controller| controller.partner.clone()).collect();
    let signed = sign::<RootPolicy>(&policy.canonical()?, &controllers, ground, now)?;
    write(&ground.dir, "protocols/root-policy.json", signed.as_bytes())?;
    Ok(Agreements { protocols, root_policy: signed })
}

fn draw_up(
    template: Template,
    id: &str,
    ground: &Ground,
    place: &PlaceFacts,
) -> Result<Protocol, DemoError> {
    let whole: AreaCode = place.authority_code.parse()?;
    let reach = place.areas.iter().map(|area| area.code);
    let clusters = place.clusters.iter().map(|cluster| cluster.code);
    let managed = reach.chain(clusters).chain([place.authority_code]);
    let particulars = Particulars {
        id: id.parse()?,
        sender: details(ground, template.code())?,
        authority: details(ground, "authority")?,
        areas: vec![whole.clone()],
        audiences: Audiences {
            authority: "authority".parse()?,
            centres: "centres".parse()?,
            oversight: "oversight".parse()?,
            whole,
            managed: managed.map(str::parse).collect::<Result<_, _>>()?,
        },
        effective: FIRST_DAY,
        review_by: Date::constant(2030, 3, 31),
        expires: LAST_DAY,
        // The demo sends two past years at once, in whatever year it runs.
        max_lag_days: 7_300,
        // The invented quarters stay where they are while years go by.
        keep_days: 10_958,
    };
    Ok(template.fill(&particulars)?)
}

fn details(ground: &Ground, id: &str) -> Result<PartyDetails, DemoError> {
    let partner: PartnerId = id.parse()?;
    let entry: &Partner =
        ground.partners.iter().find(|entry| entry.partner == partner).ok_or(DemoError::Nobody)?;
    let keys = ground.signatories.get(&partner).into_iter().flatten();
    Ok(PartyDetails {
        partner,
        org_code: entry.org_code.clone(),
        ico_registration: entry.ico_registration.clone(),
        keys: keys.map(|signatory| signatory.registered.kid.clone()).collect(),
    })
}

fn draw_up_root(ground: &Ground, catalogue: &Catalogue) -> Result<RootPolicy, DemoError> {
    let controllers = ground.signatories.iter().map(|(partner, signatories)| RootController {
        partner: partner.clone(),
        keys: signatories.iter().map(|signatory| signatory.registered.kid.clone()).collect(),
    });
    let limits = Limits::recommended();
    Ok(root_policy(RootParticulars {
        controllers: controllers.collect(),
        catalogue: protocol::Digest::from_bytes(*catalogue.digest()?.as_bytes()),
        tables: catalogue.tables.iter().map(|table| (table.id.clone(), table.variance)).collect(),
        quarterly_rho: limits.quarter.to_string().parse()?,
        lifetime_rho: limits.lifetime.to_string().parse()?,
        witnessing_partners: 0,
        witness_keys: Vec::new(),
        effective: FIRST_DAY,
        expires: LAST_DAY,
    }))
}

/// Every key of every party signs the same bytes.
fn sign<T: Document>(
    canonical: &[u8],
    parties: &[PartnerId],
    ground: &Ground,
    now: Timestamp,
) -> Result<String, DemoError> {
    let mut envelope: Envelope = Signed::<T, Draft>::draft(canonical)?.envelope().clone();
    for signatory in parties.iter().filter_map(|party| ground.signatories.get(party)).flatten() {
        let header = header_for::<T>(&signatory.registered, now);
        envelope = envelope.sign(header, |bytes| {
            signatory.key.sign(bytes).ok().map(|signature| *signature.as_bytes())
        })?;
    }
    Ok(envelope.to_json()?)
}
