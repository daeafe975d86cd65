//! Attackers against the real API, and the suite of `bench attacks` in a quick form.
//!
//! A copy of the shared demo is served in a year in which all of its children are older than
//! five: whoever is in the tables then was sent by the test, so that every exact count is known
//! and each area and quarter is a trial of its own.

mod back_series;
mod ledger;
mod oracles;
mod released;
mod suite;

use crate::support::{gateway::start, stream};
use rand::{SeedableRng, rngs::StdRng};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tallygate::{
    config::Config,
    connector::{AddToken, Gateway, Profile, ProfileFile},
    identity::{Clock, SystemClock},
    server::Running,
    synth::{Place, place},
    wire::v1::{self, release_service_client::ReleaseServiceClient},
};
use tonic::{service::interceptor::InterceptedService, transport::Channel};

type Service = InterceptedService<Channel, AddToken>;

/// A clock that stands still.
#[derive(Debug, Clone, Copy)]
struct Still(jiff::Timestamp);

impl Clock for Still {
    fn now(&self) -> jiff::Timestamp {
        self.0
    }
}

/// A copy of the shared demo on a day of the test's own.
struct Later {
    folder: tempfile::TempDir,
    running: Running,
    clock: Still,
}

impl Later {
    /// On a day, `YYYY-MM-DD`, or today.
    async fn on(day: Option<&str>) -> Self {
        let demo = tokio::task::spawn_blocking(crate::support::demo).await.unwrap();
        assert_eq!(demo.code, Some(0), "{}", demo.stderr);
        let folder = tempfile::tempdir().unwrap();
        for part in ["certificates", "keys", "profiles", "tiles"] {
            crate::support::copy(&demo.dir.join(part), &folder.path().join(part));
        }
        for file in ["gateway.db", "log.vkey", "jwks.json", "ca.pem", "boundaries.json"] {
            fs::copy(demo.dir.join(file), folder.path().join(file)).unwrap();
        }
        let config = fs::read_to_string(demo.dir.join("gateway.toml")).unwrap();
        let config: String = config
            .lines()
            .map(|line| match line {
                _ if line.starts_with("listen") => "listen = \"127.0.0.1:0\"\n".to_owned(),
                _ if line.starts_with("tick_seconds") => "tick_seconds = 3600\n".to_owned(),
                _ => format!("{line}\n"),
            })
            .collect();
        let path = folder.path().join("gateway.toml");
        fs::write(&path, config).unwrap();
        let now = day.map_or_else(
            || SystemClock.now(),
            |day| format!("{day}T12:00:00Z").parse::<jiff::Timestamp>().unwrap(),
        );
        let clock = Still(now);
        let mut config = Config::read(&path).unwrap();
        // Years ahead of the demo, and meant so.
        config.confirmed_day = day.map(|day| day.parse().unwrap());
        let running = start(&config, Arc::new(clock)).await.unwrap();
        Self { folder, running, clock }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn caller(&self, name: &str) -> Service {
        caller(&self.path("profiles"), name, &self.running, self.clock).await
    }

    /// Health sends reviews of these children: a number, and the LSOA of residence.
    async fn send(&self, prefix: &str, children: &[(usize, &str)], day: &str, born: &str) {
        let feed = ("isp-health", "health_review", day);
        let columns = [
            "record_id",
            "extracted_at",
            "event_date",
            "nhs_number",
            "date_of_birth",
            "lsoa_2011",
            "review",
            "outcome",
        ];
        let health = self.caller("health").await;
        let mut stream = stream::Stream::open_feed(health, feed, &columns).await.unwrap();
        let row = |(number, lsoa): &(usize, &str)| {
            let id = format!("{prefix}-{number}");
            let nhs = stream::nhs_number(*number);
            let values = [&id, day, day, &nhs, born, lsoa, "twelve_month", "completed"];
            v1::RecordRow { values: values.map(str::to_owned).to_vec(), blinded: None }
        };
        stream.send(0, children.iter().map(row).collect()).await;
        let taken = stream.acknowledged().await;
        assert_eq!((taken.well_formed as usize, taken.rejections.len()), (children.len(), 0));
        stream.finish().await;
    }

    /// Two data officers close a quarter, whatever its checklist has open.
    async fn close(&self, quarter: &str) {
        let mut officers = [self.caller("officer").await, self.caller("officer-2").await]
            .map(ReleaseServiceClient::new);
        let preview = v1::PreviewReleaseRequest { quarter: quarter.to_owned() };
        let preview = officers[0].preview_release(preview).await.unwrap().into_inner().preview;
        let preview: serde_json::Value = serde_json::from_str(&preview).unwrap();
        let open = preview["warnings"].as_array().unwrap().iter();
        let mut accepted: Vec<String> =
            open.map(|warning| warning["code"].as_str().unwrap().to_owned()).collect();
        accepted.sort();
        accepted.dedup();
        for officer in &mut officers {
            let request = v1::CloseQuarterRequest {
                quarter: quarter.to_owned(),
                accepted_warnings: accepted.clone(),
            };
            officer.close_quarter(request).await.unwrap();
        }
    }
}

async fn caller(profiles: &Path, name: &str, running: &Running, clock: Still) -> Service {
    let text = fs::read_to_string(profiles.join(format!("{name}.toml"))).unwrap();
    let file: ProfileFile = toml::from_str(&text).unwrap();
    let file = ProfileFile { server: running.address().to_string(), ..file };
    let profile = Profile::load(file, profiles.to_owned()).unwrap();
    let rng = Box::new(StdRng::seed_from_u64(5));
    Gateway::connect(&profile, Arc::new(clock), rng).await.unwrap().service()
}

/// Each reach area with an LSOA of it, in the order of codes.
fn areas() -> Vec<(&'static str, &'static str)> {
    let facts = place(Place::Coventry);
    let mut areas: Vec<_> =
        facts.areas.iter().map(|area| (area.code, facts.lsoas[area.lsoas[0]].code)).collect();
    areas.sort_unstable();
    areas
}
