//! `tallygate area compare`: two geographies side by side, before the newer one is in force.

use super::{
    CliError, Console, Outcome,
    area_file::{self, AreasOf},
    area_lookup::{Lookup, rejected},
    output::{Format, Printing, Table},
    remote::Remote,
    text::counted,
};
use crate::{
    disclosure::{
        Level,
        redrawn::{self, BackSeries, Change, Comparison, Drawn, Places},
        wanted::level_name,
    },
    domain::{Lsoa, place::Vintage},
    wire::v1::{self, area_service_client::AreaServiceClient},
};
use jiff::civil::Date;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

const HELP: &str = "\
OLD and NEW are files as `area load` takes them, or days (YYYY-MM-DD): what the gateway has in
force on that day. A row for each area of the new set, with what it was before and where its
earlier figures come from:
  as published     the area is as it was, under this or another code
  sum of areas     it was merged from whole areas: their published figures add up to it
  next quarter     it was split, or an LSOA moved in or out: no earlier figures, ever
then a row for each LSOA that moved and each area of before that is gone.

Examples:
  tallygate area compare areas-2024.toml areas-2026.toml
  tallygate area compare 2026-03-31 areas-2026.toml --lookup lsoa-2011-2021.csv \\
    --profile officer.toml";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Compare {
    /// The areas of before: a file, or a day.
    old: String,
    /// The new ones: a file, or a day.
    new: String,
    /// The ONS lookup between LSOAs of 2011 and 2021, where the two differ in census year.
    #[arg(long, value_name = "CSV")]
    lookup: Option<PathBuf>,
    /// Leave out areas that are as they were.
    #[arg(long)]
    changes: bool,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

impl Compare {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let old = self.areas(&self.old, console).await?;
        let new = self.areas(&self.new, console).await?;
        let lookup = self.lookup.as_deref().map(Lookup::read).transpose()?;
        let lookup = match (old.vintage == new.vintage, lookup) {
            (true, _) => None,
            (false, Some(lookup)) => Some(lookup),
            (false, None) => return Err(CliError::NoLookup),
        };
        let before = drawn(&self.old, &old, lookup.as_ref())?;
        let after = drawn(&self.new, &new, lookup.as_ref())?;
        let comparison = redrawn::compare(&before, &after);
        let places = |place| match &lookup {
            Some(lookup) => lookup.in_2011(place).iter().map(ToString::to_string).collect(),
            None => Lsoa::from_number(place).map(|lsoa| vec![lsoa.to_string()]).unwrap_or_default(),
        };
        if self.printing.format == Format::Json {
            console.json(&document(&comparison, &places))?;
        } else {
            console.table(self.printing.format, &table(&comparison, self.changes, &places))?;
        }
        console.note(&summary(&comparison));
        Ok(Outcome::Done)
    }

    /// From a file, or as the gateway has them on a day.
    async fn areas(&self, from: &str, console: &mut Console<'_>) -> Result<AreasOf, CliError> {
        let Ok(day) = from.parse::<Date>() else { return area_file::drawn(Path::new(from)) };
        let session = self.remote.open().await?;
        let mut client = AreaServiceClient::new(session.service());
        let request = v1::ListAreasRequest { day: day.to_string() };
        let answer = client.list_areas(request).await?.into_inner();
        session.logged(console, answer.receipt)?;
        let request = v1::LoadAreasRequest { areas: answer.areas, valid_from: String::new() };
        Ok(AreasOf { vintage: Vintage::Census2011, request })
    }
}

/// Every area with the places it holds: its own LSOAs, or those of the reach areas in it.
fn drawn(from: &str, set: &AreasOf, lookup: Option<&Lookup>) -> Result<Vec<Drawn>, CliError> {
    let path = Path::new(from);
    let form = || CliError::WrongForm { path: path.to_owned(), expected: "a geography" };
    let areas = &set.request.areas;
    let parents: BTreeMap<&str, &str> =
        areas.iter().map(|area| (area.code.as_str(), area.parent.as_str())).collect();
    let holds = |area: &v1::Area, inner: &v1::Area| {
        area.code == inner.code
            || area.code == inner.lead_agency
            || area.code == inner.parent
            || parents.get(inner.parent.as_str()).is_some_and(|above| *above == area.code)
    };
    let mut found = Vec::new();
    for area in areas {
        let inner = areas.iter().filter(|inner| holds(area, inner));
        let lsoas = inner.flat_map(|inner| &inner.lsoas).map(|code| code.parse::<Lsoa>());
        let lsoas: Vec<Lsoa> = lsoas.collect::<Result<_, _>>().map_err(|_| form())?;
        let places: Places = match lookup {
            Some(lookup) => {
                lookup.groups(set.vintage, &lsoas).map_err(|fault| rejected(path, fault))?
            }
            None => lsoas.iter().map(|lsoa| (lsoa.number(), true)).collect(),
        };
        found.push(Drawn {
            level: match area.level() {
                v1::AreaLevel::ReachArea => Level::ReachArea,
                v1::AreaLevel::Cluster => Level::Cluster,
                v1::AreaLevel::LeadAgency => Level::LeadAgency,
                v1::AreaLevel::Authority => Level::Authority,
                v1::AreaLevel::Unspecified => return Err(form()),
            },
            code: area.code.parse().map_err(|_| form())?,
            name: area.name.clone(),
            places,
        });
    }
    // A set that no gateway would take is compared with nothing.
    let mut held = BTreeMap::new();
    for area in found.iter().filter(|area| area.level == Level::ReachArea) {
        for (place, is_whole) in &area.places {
            if held.insert(*place, *is_whole).is_some_and(|before| before || *is_whole) {
                return Err(form());
            }
        }
    }
    found.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.code.cmp(&b.code)));
    Ok(found)
}

const fn change(change: Change) -> &'static str {
    match change {
        Change::Unchanged => "unchanged",
        Change::Renamed => "renamed",
        Change::Merged => "merged",
        Change::Split => "split",
        Change::Redrawn => "redrawn",
        Change::New => "new",
    }
}

fn series(series: &BackSeries) -> Value {
    match series {
        BackSeries::AsPublished(code) => json!(format!("as published: {code}")),
        BackSeries::SumOf(codes) => {
            let codes: Vec<_> = codes.iter().map(ToString::to_string).collect();
            json!(format!("sum of {}", codes.join(" + ")))
        }
        BackSeries::FromNextQuarter => json!("from the next quarter"),
    }
}

fn table(
    comparison: &Comparison,
    changes_only: bool,
    places: &dyn Fn(u32) -> Vec<String>,
) -> Table {
    let mut table = Table::new(&["level", "code", "name", "change", "from", "to", "back_series"]);
    for area in &comparison.areas {
        if changes_only && area.change == Change::Unchanged {
            continue;
        }
        table.row([
            json!(level_name(area.level)),
            json!(area.code),
            json!(area.name),
            json!(change(area.change)),
            json!(area.from),
            Value::Null,
            series(&area.back_series),
        ]);
    }
    for moved in &comparison.moved {
        for lsoa in places(moved.place) {
            table.row([
                json!("lsoa"),
                json!(lsoa),
                Value::Null,
                json!("moved"),
                json!([moved.from]),
                json!([moved.to]),
            ]);
        }
    }
    for gone in &comparison.gone {
        table.row([
            json!(level_name(gone.level)),
            json!(gone.code),
            json!(gone.name),
            json!("gone as it was"),
            Value::Null,
            json!(gone.into),
        ]);
    }
    table
}

fn document(comparison: &Comparison, places: &dyn Fn(u32) -> Vec<String>) -> Value {
    let moved = comparison.moved.iter().flat_map(|moved| {
        let (from, to) = (&moved.from, &moved.to);
        places(moved.place)
            .into_iter()
            .map(move |lsoa| json!({ "lsoa": lsoa, "from": from, "to": to }))
            .collect::<Vec<_>>()
    });
    json!({
        "areas": comparison.areas,
        "moved": moved.collect::<Vec<_>>(),
        "gone": comparison.gone,
    })
}

/// How many reach areas go on, and how many begin anew.
fn summary(comparison: &Comparison) -> String {
    let reach = || comparison.areas.iter().filter(|area| area.level == Level::ReachArea);
    let with = |wanted: fn(&BackSeries) -> bool| {
        reach().filter(|area| wanted(&area.back_series)).count() as u64
    };
    format!(
        "of {}, {} as published, {} as sums, {} from the next quarter only; {} moved",
        counted(reach().count() as u64, "reach area", "reach areas"),
        with(|series| matches!(series, BackSeries::AsPublished(_))),
        with(|series| matches!(series, BackSeries::SumOf(_))),
        with(|series| matches!(series, BackSeries::FromNextQuarter)),
        counted(comparison.moved.len() as u64, "LSOA", "LSOAs"),
    )
}

#[cfg(test)]
mod tests {
    use super::{super::area::level, *};

    #[test]
    fn levels_are_called_alike_in_files_and_figures() {
        for (wire, own) in [
            (v1::AreaLevel::ReachArea, Level::ReachArea),
            (v1::AreaLevel::Cluster, Level::Cluster),
            (v1::AreaLevel::LeadAgency, Level::LeadAgency),
            (v1::AreaLevel::Authority, Level::Authority),
        ] {
            assert_eq!(level(wire), level_name(own));
        }
    }
}
