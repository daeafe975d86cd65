//! `tallygate area`: dated reach geography and the postcode lookup. Only data officers
//! change them.

use super::{
    CliError, Console, Outcome, area_compare,
    area_file::{self, PostcodeChunks},
    output::{Format, Printing, Table},
    remote::{Remote, Service, Session},
    text::counted,
};
use crate::wire::v1::{self, area_service_client::AreaServiceClient};
use clap::Subcommand;
use jiff::civil::Date;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub(super) const EXAMPLES: &str = "\
Examples:
  tallygate area load areas.toml --postcodes postcodes.csv --profile officer.toml
  tallygate area list --profile officer.toml
  tallygate area compare areas-2024.toml areas-2026.toml";

const LOAD_HELP: &str = r#"The file (TOML, or the same as JSON) holds every area; authority, then clusters, then reach areas:
  valid_from = "2024-04-01"              # first day from which the geography holds
  [[areas]]
  code = "E08000026"
  name = "Coventry"
  level = "authority"                    # authority, lead_agency, cluster, reach_area
  [[areas]]
  code = "CC01"
  name = "Foleshill"
  level = "reach_area"
  parent = "CL1"                         # the area that holds it
  lead_agency = "LA3"                    # an area of that level that runs it; may be left out
  lsoas = ["E01009522", "E01009523"]     # LSOAs of 2011; a reach area's only
  estimated_under_fives = 1420           # published estimate, persons; may be left out
  deprived_lsoas = ["E01009522"]         # those among the most deprived 30%; may be left out
  [[areas.neighbourhoods]]               # at most 6, of 300 under-fives or more; may be left out
  name = "Around the station"
  lsoas = ["E01009522", "E01009523"]     # of the area's, each in one neighbourhood at most
  estimated_under_fives = 310

Areas drawn in LSOAs of 2021 say `vintage = "2021"` before the first area and are loaded with the
ONS lookup (CSV with the columns LSOA11CD and LSOA21CD): records are placed by LSOAs of 2011.

The postcodes are CSV with the columns `postcode` and `lsoa_2011`; they go in chunks of 10,000
and the gateway keeps only keyed pseudonyms of them.

Example:
  tallygate area load areas.toml --postcodes postcodes.csv --profile officer.toml"#;

#[derive(Debug, Subcommand)]
pub(super) enum AreaCommand {
    /// Loads a geography, and the postcode lookup with it.
    #[command(after_help = LOAD_HELP)]
    Load {
        /// The areas: a TOML or JSON file.
        file: PathBuf,
        /// The postcode lookup: a CSV file.
        #[arg(long, value_name = "CSV")]
        postcodes: Option<PathBuf>,
        /// The ONS lookup between LSOAs of 2011 and 2021, for areas of 2021.
        #[arg(long, value_name = "CSV")]
        lookup: Option<PathBuf>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Compares two geographies: what became of each area, and from when on it has figures.
    Compare(area_compare::Compare),
    /// Lists the areas in force.
    #[command(
        after_help = "Example:\n  tallygate area list --day 2026-03-31 --profile officer.toml"
    )]
    List {
        /// The day asked about; today when left out.
        #[arg(long, value_name = "YYYY-MM-DD")]
        day: Option<Date>,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
}

type Client = AreaServiceClient<Service>;

impl AreaCommand {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        match self {
            Self::Compare(compare) => return compare.run(console).await,
            Self::Load { file, postcodes, lookup, remote } => {
                let request = area_file::read(&file, lookup.as_deref())?;
                // A lookup that can't be read must not leave half a load behind.
                let rows = postcodes.as_deref().map(area_file::check_postcodes).transpose()?;
                let session = remote.open().await?;
                let areas = request.areas.len() as u64;
                let answer = Client::new(session.service()).load_areas(request).await?.into_inner();
                let areas = counted(areas, "area", "areas");
                console.note(&format!("{areas} loaded as version {}", answer.version));
                session.logged(console, answer.receipt)?;
                if let (Some(path), Some(rows)) = (postcodes, rows) {
                    load_postcodes(&session, &path, rows, console).await?;
                }
            }
            Self::List { day, remote, printing } => {
                let session = remote.open().await?;
                let day = day.map(|day| day.to_string()).unwrap_or_default();
                let request = v1::ListAreasRequest { day };
                let answer = Client::new(session.service()).list_areas(request).await?.into_inner();
                console.table(printing.format, &table(&answer.areas, printing.format))?;
                console.note(&format!("version {} of the geography", answer.version));
                session.logged(console, answer.receipt)?;
            }
        }
        Ok(Outcome::Done)
    }
}

async fn load_postcodes(
    session: &Session,
    path: &Path,
    rows: u64,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    let mut client = Client::new(session.service());
    let bar = console.progress(rows).with_message("postcodes");
    let mut total = 0;
    for chunk in PostcodeChunks::open(path)? {
        let postcodes = chunk?;
        let sent = postcodes.len() as u64;
        let request = v1::LoadPostcodesRequest { postcodes };
        let answer = client.load_postcodes(request).await?.into_inner();
        total = answer.total;
        bar.inc(sent);
        bar.suspend(|| session.logged(console, answer.receipt))?;
    }
    bar.finish_and_clear();
    console.note(&format!("the lookup holds {}", counted(total, "postcode", "postcodes")));
    Ok(())
}

pub(super) const fn level(level: v1::AreaLevel) -> &'static str {
    match level {
        v1::AreaLevel::Unspecified => "",
        v1::AreaLevel::ReachArea => "reach_area",
        v1::AreaLevel::Cluster => "cluster",
        v1::AreaLevel::LeadAgency => "lead_agency",
        v1::AreaLevel::Authority => "authority",
    }
}

fn table(areas: &[v1::Area], format: Format) -> Table {
    let mut table = Table::new(&[
        "code",
        "name",
        "level",
        "parent",
        "lead_agency",
        "lsoas",
        "estimated_under_fives",
    ]);
    for area in areas {
        // For people the number of LSOAs, for programs each of them.
        let lsoas =
            if format == Format::Table { json!(area.lsoas.len()) } else { json!(area.lsoas) };
        let estimate = match area.estimated_under_fives {
            0 => Value::Null,
            estimate => json!(estimate),
        };
        table.row([
            json!(area.code),
            json!(area.name),
            json!(level(area.level())),
            json!(area.parent),
            json!(area.lead_agency),
            lsoas,
            estimate,
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_show_the_number_of_lsoas_to_people_and_each_to_programs() {
        let area = v1::Area {
            code: "CC01".to_owned(),
            name: "Foleshill".to_owned(),
            level: v1::AreaLevel::ReachArea.into(),
            parent: "CL1".to_owned(),
            lsoas: vec!["E01009522".to_owned(), "E01009523".to_owned()],
            ..v1::Area::default()
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut console = Console::new(&mut out, &mut err, false);
        console.table(Format::Table, &table(std::slice::from_ref(&area), Format::Table)).unwrap();
        console.table(Format::Csv, &table(&[area], Format::Csv)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("CC01  Foleshill  reach_area  CL1                      2\n"),
            "{text}"
        );
        assert!(text.contains("CC01,Foleshill,reach_area,CL1,,E01009522;E01009523,\n"), "{text}");
    }
}
