//! Two engines that begin with the same rows and are asked the same: every answer is the same
//! bytes, and so is everything they hold afterwards, the signed log with them. Time stands still
//! and randomness is seeded, so that whatever differs is the engine's.

use super::{Ground, ended};
use crate::{
    gateways::Service,
    support::{
        postgres::cluster,
        stream::{Stream, rows},
    },
};
use prost::Message;
use rand::{SeedableRng, rngs::StdRng};
use std::{fs, sync::Arc};
use tallygate::{
    config::Config,
    connector::{Gateway, Profile, ProfileFile},
    identity::{Clock, SystemClock},
    server::{self, Running},
    wire::v1::{
        self, access_log_service_client::AccessLogServiceClient,
        figure_service_client::FigureServiceClient, intake_service_client::IntakeServiceClient,
        release_service_client::ReleaseServiceClient,
    },
};
use tonic::{Response, Status};
use tonic_types::StatusExt;

/// A clock that stands still.
#[derive(Debug, Clone, Copy)]
struct Still(jiff::Timestamp);

impl Clock for Still {
    fn now(&self) -> jiff::Timestamp {
        self.0
    }
}

/// What a twin said, by what it was asked.
type Said = Vec<(&'static str, Vec<u8>)>;

struct Twin<'a> {
    ground: &'a Ground,
    running: Running,
    clock: Still,
    said: Said,
}

impl<'a> Twin<'a> {
    async fn start(ground: &'a Ground, name: &str, clock: Still) -> Self {
        let config = Config::read(&ground.path(&format!("{name}.toml"))).unwrap();
        let rng = StdRng::seed_from_u64(21);
        let running = server::start(&config, Arc::new(clock), rng).await.unwrap();
        Self { ground, running, clock, said: Vec::new() }
    }

    async fn caller(&self, name: &str) -> Service {
        let folder = self.ground.path("profiles");
        let text = fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap();
        let file: ProfileFile = toml::from_str(&text).unwrap();
        let file = ProfileFile { server: self.running.address().to_string(), ..file };
        let profile = Profile::load(file, folder).unwrap();
        let rng = Box::new(StdRng::seed_from_u64(5));
        Gateway::connect(&profile, Arc::new(self.clock), rng).await.unwrap().service()
    }

    fn hear<M: Message>(&mut self, what: &'static str, answer: Result<Response<M>, Status>) {
        let bytes = match answer {
            Ok(answer) => answer.into_inner().encode_to_vec(),
            Err(refused) => {
                let mut info = refused.get_details_error_info().unwrap();
                // By this the operator finds the very call in the gateway's own log.
                assert!(info.metadata.remove("request_id").is_some(), "{what}: {refused}");
                let rest = refused.get_details_bad_request();
                format!("{:?} {} {info:?} {rest:?}", refused.code(), refused.message()).into_bytes()
            }
        };
        self.said.push((what, bytes));
    }

    /// Two files, one of them with records of children who are known already, and back again.
    async fn push(&mut self) -> v1::Receipt {
        let mut stream = Stream::open(self.caller("health").await).await.unwrap();
        for (sequence, range) in [(0, 0..300), (1, 200..400), (2, 0..300)] {
            stream.send(sequence, rows("twin", range)).await;
            let acknowledged = stream.acknowledged().await;
            self.said.push(("a batch", acknowledged.encode_to_vec()));
        }
        stream.finish().await;
        let mut stream = Stream::open(self.caller("health").await).await.unwrap();
        stream.send(0, rows("again", 350..500)).await;
        let acknowledged = stream.acknowledged().await;
        self.said.push(("another file", acknowledged.encode_to_vec()));
        let opened = stream.opened.clone();
        stream.finish().await;
        opened.unwrap()
    }

    async fn ask(&mut self) {
        let manager = self.caller("manager-CC01").await;
        let mut figures = FigureServiceClient::new(manager);
        let purposes = ["childrens_centre_planning", "early_education_take_up"];
        for (what, area) in [("a card", "CC01"), ("another's card", "CC02"), ("no card", "??")] {
            let card = v1::GetCardRequest {
                area: area.to_owned(),
                quarter: String::new(),
                purposes: purposes.map(str::to_owned).to_vec(),
            };
            let answer = figures.get_card(card).await;
            self.hear(what, answer);
        }
        let officer = self.caller("officer").await;
        let mut releases = ReleaseServiceClient::new(officer);
        let preview = v1::PreviewReleaseRequest { quarter: "2026Q2".to_owned() };
        let answer = releases.preview_release(preview).await;
        self.hear("a preview", answer);
        let auditor = self.caller("auditor").await;
        let mut log = AccessLogServiceClient::new(auditor);
        let search = v1::SearchEntriesRequest { page_size: 500, ..Default::default() };
        let answer = log.search_entries(search).await;
        self.hear("a search of the log", answer);
    }

    async fn undo(&mut self, opened: v1::Receipt) {
        let mut intake = IntakeServiceClient::new(self.caller("health").await);
        let request = v1::UndoStreamRequest {
            opened_leaf_index: opened.leaf_index,
            opened_leaf_hash: opened.leaf_hash,
            reason: v1::UndoReason::WrongFile.into(),
        };
        for what in ["an undone file", "the same again"] {
            let answer = intake.undo_stream(request.clone()).await;
            self.hear(what, answer);
        }
    }
}

/// Everything one engine says and holds.
async fn lived(ground: &Ground, name: &str, clock: Still) -> (Said, Vec<u8>) {
    let mut twin = Twin::start(ground, name, clock).await;
    let opened = twin.push().await;
    twin.ask().await;
    twin.undo(opened).await;
    let Twin { running, said, .. } = twin;
    running.stop().await.unwrap();
    (said, ground.backup(name, &format!("{name}-lived.backup")))
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_the_same_both_engines_say_and_hold_the_same_bytes() {
    let Some(cluster) = cluster() else { return };
    let ground = Ground::copy().await;
    ground.backup("gateway", "first.backup");
    ground.configure("small", "sqlite = \"small.db\"", "tiles-small");
    let database = cluster.database(None).await;
    let lines = format!("postgres = \"{}\"\nowner = \"owner\"", database.url);
    ground.configure("large", &lines, "tiles-large");
    let clock = Still(SystemClock.now());
    let mut lives = Vec::new();
    for name in ["small", "large"] {
        ended(&ground.restore(name, "first.backup"), 0);
        lives.push(lived(&ground, name, clock).await);
    }
    let [(small, small_holds), (large, large_holds)] = &lives[..] else { panic!("two lives") };
    assert!(small.len() > 9 && small.iter().all(|(_, bytes)| bytes.len() > 40));
    for ((what, small), (_, large)) in small.iter().zip(large) {
        assert!(small == large, "the engines answer differently: {what}");
    }
    assert_eq!(small.len(), large.len());
    assert!(small_holds == large_holds, "the engines hold different rows afterwards");
    // Not for want of a difference: another clock is another log.
    let later = Still(clock.0.checked_add(jiff::SignedDuration::from_secs(1)).unwrap());
    ground.configure("third", "sqlite = \"third.db\"", "tiles-third");
    ended(&ground.restore("third", "first.backup"), 0);
    let (third, third_holds) = lived(&ground, "third", later).await;
    assert!(third[0] != small[0] && third_holds != *small_holds);
}
