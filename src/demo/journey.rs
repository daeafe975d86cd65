//! The demo's journey, every step over the real API: set up, push, close, read, verify.

use super::{
    DemoError,
    agreements::{Agreements, protocol_id},
    ground::Ground,
};
use crate::{
    connector::{AddToken, Gateway, Profile, PushOrder, PushReport, Silent, push},
    domain::{
        Quarter, RecordType,
        record::{About, RecordDefinition},
    },
    identity::{Clock, SystemClock},
    protocol::template::Template,
    server::system_rng,
    synth::PlaceFacts,
    wire::v1::{
        self, area_service_client::AreaServiceClient, consent_service_client::ConsentServiceClient,
        figure_service_client::FigureServiceClient, protocol_service_client::ProtocolServiceClient,
        release_service_client::ReleaseServiceClient,
    },
};
use jiff::civil::Date;
use serde_json::Value;
use std::{collections::BTreeSet, path::Path, sync::Arc};
use tokio::task::JoinSet;
use tonic::{service::interceptor::InterceptedService, transport::Channel};

/// Postcodes a call carries.
const POSTCODES_A_CALL: usize = 5_000;
/// The day that the demo's extracts stand for: the last one of its synthetic files.
pub(crate) const EXTRACT_DAY: Date = jiff::civil::date(2026, 5, 10);

/// A caller's connection with its token.
pub(crate) type Service = InterceptedService<Channel, AddToken>;

/// A connection as the profile of this name says.
pub(crate) async fn connect(dir: &Path, name: &str) -> Result<Service, DemoError> {
    Ok(gateway(dir, name).await?.service())
}

async fn gateway(dir: &Path, name: &str) -> Result<Gateway, DemoError> {
    let profile = Profile::read(&dir.join(format!("profiles/{name}.toml")))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Ok(Gateway::connect(&profile, clock, Box::new(system_rng())).await?)
}

/// The data officer loads a geography and the place's postcode lookup.
pub(crate) async fn load_areas(
    officer: &Service,
    place: &PlaceFacts,
    areas: Vec<v1::Area>,
) -> Result<(), DemoError> {
    let mut client = AreaServiceClient::new(officer.clone());
    let valid_from = super::ground::FIRST_DAY.to_string();
    client.load_areas(v1::LoadAreasRequest { areas, valid_from }).await?;
    for chunk in place.postcodes.chunks(POSTCODES_A_CALL) {
        let postcodes = chunk.iter().map(|postcode| v1::PostcodePlace {
            postcode: postcode.code.clone(),
            lsoa: place.lsoas[postcode.lsoa].code.to_owned(),
        });
        let request = v1::LoadPostcodesRequest { postcodes: postcodes.collect() };
        client.load_postcodes(request).await?;
    }
    Ok(())
}

/// The place's reach geography, authority first.
pub(crate) fn areas(place: &PlaceFacts) -> Vec<v1::Area> {
    let area = |code: &str, name: &str, level: v1::AreaLevel, parent: &str| v1::Area {
        code: code.to_owned(),
        name: name.to_owned(),
        level: level.into(),
        parent: parent.to_owned(),
        ..v1::Area::default()
    };
    let (code, name) = (place.authority_code, place.authority_name);
    let mut areas = vec![area(code, name, v1::AreaLevel::Authority, "")];
    for cluster in &place.clusters {
        areas.push(area(cluster.code, cluster.name, v1::AreaLevel::Cluster, code));
    }
    for reach in &place.areas {
        let cluster = place.clusters[reach.cluster].code;
        areas.push(v1::Area {
            lsoas: reach.lsoas.iter().map(|at| place.lsoas[*at].code.to_owned()).collect(),
            estimated_under_fives: under_fives(reach.lsoas.len()),
            deprived_lsoas: reach
                .lsoas
                .iter()
                .map(|at| &place.lsoas[*at])
                .filter(|lsoa| lsoa.is_deprived())
                .map(|lsoa| lsoa.code.to_owned())
                .collect(),
            neighbourhoods: neighbourhoods(place, &reach.lsoas),
            ..area(reach.code, reach.name, v1::AreaLevel::ReachArea, cluster)
        });
    }
    areas
}

/// Some 123 under-fives live in an LSOA of Coventry on average.
fn under_fives(lsoas: usize) -> u32 {
    u32::try_from(lsoas * 123).unwrap_or(0)
}

/// A reach area's LSOAs in threes, and what is left over with the last.
fn neighbourhoods(place: &PlaceFacts, lsoas: &[usize]) -> Vec<v1::Neighbourhood> {
    let groups = place.neighbourhoods(lsoas);
    let named = groups.into_iter().map(|own| v1::Neighbourhood {
        name: format!("around {}", place.lsoas[own[0]].name),
        lsoas: own.iter().map(|at| place.lsoas[*at].code.to_owned()).collect(),
        estimated_under_fives: under_fives(own.len()),
    });
    named.collect()
}

/// The data officer submits the signed protocols and the root policy.
pub(crate) async fn submit(officer: &Service, agreements: Agreements) -> Result<(), DemoError> {
    let mut client = ProtocolServiceClient::new(officer.clone());
    for document in agreements.protocols {
        let answer = client.submit_protocol(v1::SubmitProtocolRequest { document }).await?;
        let entry = answer.into_inner().entry.ok_or(DemoError::Nobody)?;
        if entry.state() != v1::ProtocolState::Active {
            return Err(DemoError::NotActive { protocol: entry.protocol_id });
        }
    }
    let document = agreements.root_policy;
    client.submit_root_policy(v1::SubmitRootPolicyRequest { document }).await?;
    Ok(())
}

/// Each sender states which privacy notice is in force for what it sends without consent.
pub(crate) async fn record_notices(dir: &Path) -> Result<(), DemoError> {
    for template in Template::ALL {
        let mut client = ConsentServiceClient::new(connect(dir, template.code()).await?);
        // The centres ask whomever their records are about.
        let told = |definition: &RecordDefinition| {
            !definition.statement
                && (*template != Template::Centres || definition.about == About::Nobody)
        };
        let types = template.record_types().into_iter();
        for record_type in types.filter(|record_type| told(record_type.definition())) {
            let notice = Some(v1::PrivacyNotice {
                record_type: record_type.name().to_owned(),
                version: "demo-1".to_owned(),
                means: v1::NoticeMeans::Website.into(),
                in_force_from: super::ground::FIRST_DAY.to_string(),
                ..v1::PrivacyNotice::default()
            });
            let request = v1::RecordPrivacyNoticeRequest { notice };
            client.record_privacy_notice(request).await?;
        }
    }
    Ok(())
}

/// The centres push what was said about the consents that their records rely on, before these.
pub(crate) async fn push_consents(dir: &Path, today: Date) -> Result<u64, DemoError> {
    let service = connect(dir, Template::Centres.code()).await?;
    let order = order(dir, Template::Centres, RecordType::Consent, today)?;
    Ok(push(service, &order, &mut Silent).await?.well_formed)
}

/// What one partner's push came to.
pub(crate) struct Pushed {
    pub(crate) partner: &'static str,
    pub(crate) record_type: RecordType,
    pub(crate) report: PushReport,
}

/// The five partners push their files, at the same time.
pub(crate) async fn push_all(dir: &Path, today: Date) -> Result<Vec<Pushed>, DemoError> {
    let mut pushes = JoinSet::new();
    for template in Template::ALL {
        let dir = dir.to_owned();
        pushes.spawn(async move { push_partner(&dir, *template, today).await });
    }
    let mut pushed = Vec::new();
    while let Some(done) = pushes.join_next().await {
        pushed.extend(done.map_err(|_| DemoError::Nobody)??);
    }
    pushed.sort_by_key(|push| (push.partner, push.record_type));
    Ok(pushed)
}

async fn push_partner(
    dir: &Path,
    template: Template,
    today: Date,
) -> Result<Vec<Pushed>, DemoError> {
    let partner = template.code();
    let gateway = gateway(dir, partner).await?;
    let mut pushed = Vec::new();
    for record_type in template.record_types() {
        // Consents are there already; not every other type that an agency may send is made up.
        let file = dir.join(format!("files/{partner}/{record_type}.csv"));
        if record_type.definition().statement || !file.exists() {
            continue;
        }
        let mut order = order(dir, template, record_type, today)?;
        order.blinding = gateway.blinding(system_rng);
        let report = push(gateway.service(), &order, &mut Silent).await?;
        pushed.push(Pushed { partner, record_type, report });
    }
    Ok(pushed)
}

fn order(
    dir: &Path,
    template: Template,
    record_type: RecordType,
    today: Date,
) -> Result<PushOrder, DemoError> {
    let partner = template.code();
    let file = dir.join(format!("files/{partner}/{record_type}.csv"));
    let protocol = protocol_id(template).parse()?;
    Ok(PushOrder {
        extract_day: EXTRACT_DAY,
        // Rejected rows stay with the sender's own files: they hold identifiers.
        rejects: Some(dir.join(format!("files/{partner}/{record_type}-rejects.csv"))),
        receipts: Some(dir.join(format!("receipts/{partner}/{record_type}.json"))),
        ..PushOrder::new(file, record_type, protocol, String::new(), today)
    })
}

/// The points of the checklist that the demo closes with: its files came in today, all at
/// once, for quarters that are long over.
const ACCEPTED: [&str; 2] = ["late_data", "old_extract"];

/// Two data officers close quarters, oldest first: each looks at the preview's checklist and
/// makes the same call. Tells which points they accepted.
pub(crate) async fn close(
    officers: [&Service; 2],
    quarters: &[Quarter],
) -> Result<BTreeSet<String>, DemoError> {
    let [mut first, mut second] = officers.map(|o| ReleaseServiceClient::new(o.clone()));
    let mut accepted = BTreeSet::new();
    for quarter in quarters {
        let request = v1::PreviewReleaseRequest { quarter: quarter.to_string() };
        let preview = first.preview_release(request).await?.into_inner().preview;
        let accepted_warnings: Vec<String> =
            open_points(&preview)?.into_iter().filter(|p| ACCEPTED.contains(&p.as_str())).collect();
        accepted.extend(accepted_warnings.iter().cloned());
        let request = v1::CloseQuarterRequest { quarter: quarter.to_string(), accepted_warnings };
        first.close_quarter(request.clone()).await?;
        let answer = second.close_quarter(request).await?.into_inner();
        answer.entry.ok_or(DemoError::NotClosed)?;
    }
    Ok(accepted)
}

/// The codes of a preview's open points, each once.
fn open_points(preview: &str) -> Result<BTreeSet<String>, DemoError> {
    let preview: Value = serde_json::from_str(preview).map_err(|_| DemoError::NotClosed)?;
    let warnings = preview["warnings"].as_array().ok_or(DemoError::NotClosed)?;
    let codes = warnings.iter().filter_map(|warning| warning["code"].as_str());
    Ok(codes.map(str::to_owned).collect())
}

/// A centre manager reads the area's card.
pub(crate) async fn card(
    ground: &Ground,
    area: &str,
    purposes: &str,
) -> Result<v1::GetCardResponse, DemoError> {
    let manager = connect(&ground.dir, &format!("manager-{area}")).await?;
    let request = v1::GetCardRequest {
        area: area.to_owned(),
        quarter: String::new(),
        purposes: purposes.split(',').map(str::to_owned).collect(),
    };
    Ok(FigureServiceClient::new(manager).get_card(request).await?.into_inner())
}
