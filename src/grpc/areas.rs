//! `tallygate.v1.AreaService`.

use super::{Frame, reading, receipt};
use crate::{
    domain::Lsoa,
    gateway::{AreaEntry, AreaLevel, AreaSet, Neighbourhood, PostcodePlace, Refused},
    wire::v1::{
        self, ListAreasRequest, ListAreasResponse, LoadAreasRequest, LoadAreasResponse,
        LoadPostcodesRequest, LoadPostcodesResponse, area_service_server,
    },
};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The area service.
#[derive(Debug, Clone)]
pub struct AreaService(pub Arc<Frame>);

#[tonic::async_trait]
impl area_service_server::AreaService for AreaService {
    async fn load_areas(
        &self,
        request: Request<LoadAreasRequest>,
    ) -> Result<Response<LoadAreasResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let LoadAreasRequest { areas, valid_from } = request.into_inner();
        let areas = areas.into_iter().enumerate().map(|(at, area)| area_entry(at, area));
        let areas = frame.read(&actor, areas.collect::<Result<Vec<_>, _>>()).await?;
        let from = frame.read(&actor, reading::date(&valid_from, "valid_from")).await?;
        let loaded = frame.gateway().load_areas(&actor, areas, from).await;
        let (version, proof) = loaded.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(LoadAreasResponse { version, receipt: Some(receipt(&proof)) }))
    }

    async fn load_postcodes(
        &self,
        request: Request<LoadPostcodesRequest>,
    ) -> Result<Response<LoadPostcodesResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let places = request.into_inner().postcodes.into_iter();
        let places = places
            .map(|place| PostcodePlace { postcode: place.postcode, lsoa: place.lsoa })
            .collect();
        let loaded = frame.gateway().load_postcodes(&actor, places).await;
        let (total, proof) = loaded.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(LoadPostcodesResponse { total, receipt: Some(receipt(&proof)) }))
    }

    async fn list_areas(
        &self,
        request: Request<ListAreasRequest>,
    ) -> Result<Response<ListAreasResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let day = match request.into_inner().day.as_str() {
            "" => None,
            day => Some(frame.read(&actor, reading::date(day, "day")).await?),
        };
        let listed = frame.gateway().list_areas(&actor, day).await;
        let (listed, proof) = listed.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(ListAreasResponse {
            areas: listed.areas.into_iter().map(v1::Area::from).collect(),
            version: listed.version,
            receipt: Some(receipt(&proof)),
        }))
    }
}

/// Areas as they come, compiled by the rules that a load is held to.
///
/// # Errors
/// The area's field and the rule that it breaks.
pub(crate) fn area_set(areas: Vec<v1::Area>) -> Result<AreaSet, Refused> {
    let entries = areas.into_iter().enumerate().map(|(at, area)| area_entry(at, area));
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    AreaSet::compile(1, entries)
        .map_err(|fault| Refused::invalid(format!("areas[{}]", fault.at), fault.rule))
}

fn area_entry(at: usize, area: v1::Area) -> Result<AreaEntry, Refused> {
    let field = |name: &str| format!("areas[{at}].{name}");
    let code = "1 to 16 capital letters, digits or -";
    let level = match area.level() {
        v1::AreaLevel::ReachArea => AreaLevel::ReachArea,
        v1::AreaLevel::Cluster => AreaLevel::Cluster,
        v1::AreaLevel::LeadAgency => AreaLevel::LeadAgency,
        v1::AreaLevel::Authority => AreaLevel::Authority,
        v1::AreaLevel::Unspecified => {
            let rule = "reach area, cluster, lead agency or authority";
            return Err(Refused::invalid(field("level"), rule));
        }
    };
    let other = |text: &str, name: &str| match text {
        "" => Ok(None),
        text => reading::word(text, &field(name), code).map(Some),
    };
    Ok(AreaEntry {
        code: reading::word(&area.code, &field("code"), code)?,
        level,
        parent: other(&area.parent, "parent")?,
        lead_agency: other(&area.lead_agency, "lead_agency")?,
        lsoas: of_lsoas(&area.lsoas, &field("lsoas"))?,
        under_fives: area.estimated_under_fives,
        name: area.name,
        deprived: of_lsoas(&area.deprived_lsoas, &field("deprived_lsoas"))?,
        neighbourhoods: area
            .neighbourhoods
            .into_iter()
            .map(|own| {
                let lsoas = of_lsoas(&own.lsoas, &field("neighbourhoods"))?;
                Ok(Neighbourhood { name: own.name, lsoas, under_fives: own.estimated_under_fives })
            })
            .collect::<Result<_, Refused>>()?,
    })
}

fn of_lsoas(codes: &[String], field: &str) -> Result<Vec<Lsoa>, Refused> {
    let rule = "LSOA codes: E01 and six digits";
    codes.iter().map(|lsoa| reading::word::<Lsoa>(lsoa, field, rule)).collect()
}

impl From<AreaEntry> for v1::Area {
    fn from(area: AreaEntry) -> Self {
        let level = match area.level {
            AreaLevel::ReachArea => v1::AreaLevel::ReachArea,
            AreaLevel::Cluster => v1::AreaLevel::Cluster,
            AreaLevel::LeadAgency => v1::AreaLevel::LeadAgency,
            AreaLevel::Authority => v1::AreaLevel::Authority,
        };
        Self {
            code: area.code.to_string(),
            name: area.name,
            level: level.into(),
            parent: area.parent.map(|parent| parent.to_string()).unwrap_or_default(),
            lead_agency: area.lead_agency.map(|code| code.to_string()).unwrap_or_default(),
            lsoas: area.lsoas.iter().map(ToString::to_string).collect(),
            estimated_under_fives: area.under_fives,
            deprived_lsoas: area.deprived.iter().map(ToString::to_string).collect(),
            neighbourhoods: area
                .neighbourhoods
                .into_iter()
                .map(|own| v1::Neighbourhood {
                    name: own.name,
                    lsoas: own.lsoas.iter().map(ToString::to_string).collect(),
                    estimated_under_fives: own.under_fives,
                })
                .collect(),
        }
    }
}
