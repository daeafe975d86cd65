//! A database that is behind its witnesses, or of another history, is not served from.

use super::{
    Site,
    quorum::{message, told},
};
use crate::support::{
    copy, demo,
    gateway::{assert_refused, reason},
    output,
    postgres::cluster,
    stream::Stream,
    tallygate,
    words::reinstating,
};
use std::{fs, net::SocketAddr};
use tallygate::{
    audit::LogSigner,
    gateway::HistoryError,
    identity::Clock,
    keys::{Log, SigningKey},
    server::{Running, ServeError},
    store::calendar_year,
    wire::v1::{
        self, protocol_service_client::ProtocolServiceClient,
        release_service_client::ReleaseServiceClient,
    },
};
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::TcpListener,
};
use tonic::Status;

const CONTRADICTS: &str = "witness_contradicts";

/// Starts and stops a gateway, which adds to the log.
async fn grow(site: &Site, config: &std::path::Path, times: usize) {
    for _ in 0..times {
        site.serve(config).await.unwrap().stop().await.unwrap();
    }
}

/// The same of a copy that its operator serves without the witness that has cosigned it.
async fn grow_unseen(site: &Site, config: &std::path::Path, times: usize) {
    let refused = site.serve(config).await.unwrap_err();
    let unseen = matches!(refused, ServeError::History(HistoryError::NotConfigured { .. }));
    assert!(unseen, "{refused}");
    let retired = site.serve_without(config, &["oversight.example"]).await.unwrap();
    assert_eq!(told(site, &retired).await.last().unwrap(), "witness_overridden");
    retired.stop().await.unwrap();
    // Once it is retired, nobody is asked for its name again.
    grow(site, config, times - 1).await;
}

fn run(words: &[&str]) {
    let done = tallygate(words);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_old_backup_is_not_served_from() {
    let site = Site::new().await;
    let oversight = site.witness("oversight", false).await;
    let lines = [oversight.lines(true)];
    let config = site.configure("gateway", "gateway.db", &lines);
    grow(&site, &config, 1).await;
    let (archive, path) = (site.text("old.backup"), site.text("gateway.toml"));
    run(&["backup", "--config", &path, "--out", &archive]);
    // Nothing has happened since: the copy is as good as the original.
    let twin = site.configure("twin", "twin.db", &lines);
    run(&["restore", "--config", &site.text("twin.toml"), "--from", &archive]);
    // It goes on, and the witness sees it.
    grow(&site, &config, 2).await;

    let Err(ServeError::History(refused)) = site.serve(&twin).await else {
        panic!("served from an old copy")
    };
    let sentence = refused.to_string();
    let HistoryError::Behind { seen, held, .. } = refused else { panic!("{sentence}") };
    assert!(seen > held, "{sentence}");
    for words in ["oversight.example", "earlier state", "Restore the newest backup"] {
        assert!(sentence.contains(words), "{sentence}");
    }
    // As the operator sees it.
    let done = tallygate(["serve", "--config", &site.text("twin.toml")]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.code() == Some(2) && said.contains("earlier state"), "{said}");
    // Nor from an empty database with the same key.
    let empty = site.configure("empty", "empty.db", &lines);
    let refused = site.serve(&empty).await.unwrap_err();
    assert!(matches!(refused, ServeError::History(HistoryError::Behind { held: 0, .. })));

    // The copy goes on unseen until it is the longer one: now it is another history.
    let unseen = site.configure("unseen", "twin.db", &[]);
    grow_unseen(&site, &unseen, 4).await;
    let refused = site.serve(&twin).await.unwrap_err();
    assert!(matches!(refused, ServeError::History(HistoryError::Other { .. })), "{refused}");
    // The true one goes on as ever.
    grow(&site, &config, 1).await;
    assert!(
        fs::read_to_string(site.path("tiles-gateway/checkpoint"))
            .unwrap()
            .contains("\u{2014} oversight.example ")
    );
    assert!(site.verify("gateway", &["oversight"], 0).contains("sound"));
}

/// A witness that was shown another history while the gateway ran: figures stop for want of its
/// cosignature, and the log says whose word stands against it.
#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_saw_another_history_is_named_in_the_log() {
    let site = Site::new().await;
    let mut oversight = site.witness("oversight", false).await;
    let lines = [oversight.lines(true)];
    let config = site.configure("gateway", "gateway.db", &lines);
    grow(&site, &config, 1).await;
    fs::copy(site.path("gateway.db"), site.path("copy.db")).unwrap();
    let running = site.serve(&config).await.unwrap();
    site.want_witnesses(&running, true, 0).await;
    running.project_log().await.unwrap();
    // A copy goes on elsewhere, and the witness lost its state and believes it.
    let copy = site.configure("copy", "copy.db", &[]);
    grow_unseen(&site, &copy, 20).await;
    oversight.stop().await;
    fs::remove_dir_all(site.path("oversight/state")).unwrap();
    fs::create_dir(site.path("oversight/state")).unwrap();
    oversight.start(&site).await;
    let copy = site.configure("copy", "copy.db", &lines);
    grow(&site, &copy, 1).await;

    site.card(&running).await.unwrap();
    running.project_log().await.unwrap();
    running.project_log().await.unwrap();
    // What it cosigned before counts no more, and nothing rests on a log that may be a fork.
    let leaves = ["witness_quorum_reached", "witness_contradicted", "witness_quorum_lost"];
    assert_eq!(told(&site, &running).await, leaves);
    only_what_stops_and_withdraws(&site, &running).await;
    site.clock.minutes(2);
    running.project_log().await.unwrap();
    assert_eq!(told(&site, &running).await, leaves, "each once");
    running.stop().await.unwrap();
    let refused = site.serve(&config).await.unwrap_err();
    assert!(matches!(refused, ServeError::History(HistoryError::Behind { .. })), "{refused}");
}

/// While a witness contradicts: figures, looks and intake are refused, a suspension and a
/// withdrawal are not, and the auditor sees the log.
async fn only_what_stops_and_withdraws(site: &Site, running: &Running) {
    assert_refused(site.card(running).await, CONTRADICTS);
    let officer = site.caller(running, "officer").await;
    let health = site.caller(running, "health").await;
    let withheld = |status: Status| assert_eq!(reason(&status).0, CONTRADICTS);
    let mut releases = ReleaseServiceClient::new(officer.clone());
    let listed = releases.list_releases(v1::ListReleasesRequest::default()).await;
    withheld(listed.unwrap_err());
    withheld(Stream::open(health.clone()).await.err().unwrap());
    let mut protocols = ProtocolServiceClient::new(health);
    let protocol_id = "isp-health".to_owned();
    let suspend = v1::SuspendProtocolRequest { protocol_id };
    let entry = protocols.suspend_protocol(suspend).await.unwrap().into_inner().entry.unwrap();
    let document = reinstating(&site.path(""), &entry, "health-siro");
    let resume = v1::ResumeProtocolRequest { document, ..Default::default() };
    withheld(protocols.resume_protocol(resume).await.unwrap_err());
    let withdraw = v1::WithdrawReleaseRequest {
        quarter: "2024Q2".to_owned(),
        notice: "Withdrawn while a witness contradicts.".to_owned(),
    };
    releases.withdraw_release(withdraw).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_is_away_or_wrong_stops_a_start_until_the_operator_answers_for_it() {
    let site = Site::new().await;
    let mut oversight = site.witness("oversight", false).await;
    let lines = [oversight.lines(true)];
    let config = site.configure("gateway", "gateway.db", &lines);
    grow(&site, &config, 1).await;
    oversight.stop().await;
    let refused = site.serve(&config).await.unwrap_err();
    let unasked = matches!(refused, ServeError::History(HistoryError::Unasked { .. }));
    assert!(unasked && refused.to_string().contains("--without-witness oversight"), "{refused}");
    let slip = site.serve_without(&config, &["oversite.example"]).await.unwrap_err();
    assert!(matches!(slip, ServeError::History(HistoryError::NoSuchWitness { .. })), "{slip}");
    let running = site.serve_without(&config, &["oversight.example"]).await.unwrap();
    assert_eq!(told(&site, &running).await, ["witness_overridden"]);
    running.stop().await.unwrap();
    // One that says what can't be: anybody who stands for it can say so.
    for answer in [
        "HTTP/1.1 409 Conflict\r\ncontent-type: text/x.tlog.size\r\ncontent-length: 14\r\n\r\n9000000000000\n",
        "HTTP/1.1 422 Unprocessable Entity\r\ncontent-length: 0\r\n\r\n",
    ] {
        let liar = liar(answer).await;
        let config = site.configure("gateway", "gateway.db", &[oversight.lines_at(liar, true)]);
        let refused = site.serve(&config).await.unwrap_err();
        assert!(matches!(refused, ServeError::History(_)), "{refused}");
        let running = site.serve_without(&config, &["oversight.example"]).await.unwrap();
        running.project_log().await.unwrap();
        assert_eq!(told(&site, &running).await.last().unwrap(), "witness_contradicted");
        // The operator has answered for it, so the log goes on.
        site.card(&running).await.unwrap();
        running.stop().await.unwrap();
    }
}

/// Gives every request the same answer.
async fn liar(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            message(&mut stream).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

/// A new year's log begins at nothing, and so would that of a copy from before it began.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_from_before_the_new_year_is_not_served_from() {
    let site = Site::new().await;
    let key = SigningKey::<Log>::load(&site.path("keys/log.pem")).unwrap().to_pkcs8().unwrap();
    let text = fs::read_to_string(site.path("log.vkey")).unwrap();
    let (old, _) = text.split_once('+').unwrap();
    let name = format!("{}/{{year}}", old.rsplit_once('/').unwrap().0);
    let next = LogSigner::from_pkcs8(name.parse().unwrap(), &key).unwrap();
    let next = next.in_year(calendar_year(site.clock.now()));
    fs::write(site.path("next.vkey"), next.vkey()).unwrap();
    let oversight = site.witness("oversight", false).await;
    let lines = [oversight.lines(true)];
    let config = site.configure("gateway", "gateway.db", &lines);
    grow(&site, &config, 1).await;
    fs::copy(site.path("gateway.db"), site.path("copy.db")).unwrap();
    let copy = site.configure("copy", "copy.db", &lines);
    for config in [&config, &copy] {
        let text = fs::read_to_string(config).unwrap();
        fs::write(
            config,
            text.replace(&format!("origin = \"{old}\""), &format!("origin = \"{name}\"")),
        )
        .unwrap();
    }
    // In a folder of its own, as a new log is.
    fs::rename(site.path("tiles-gateway"), site.path("tiles-old")).unwrap();
    grow(&site, &config, 1).await;
    let checkpoint = site.checkpoint("gateway");
    assert!(checkpoint.starts_with(next.name().as_str()), "{checkpoint}");
    assert!(checkpoint.contains("\u{2014} oversight.example "), "{checkpoint}");
    let refused = site.serve(&copy).await.unwrap_err();
    let behind = matches!(refused, ServeError::History(HistoryError::Behind { held: 0, .. }));
    assert!(behind, "{refused}");
    grow(&site, &config, 1).await;
    the_years_are_one_chain(&site);
    a_year_that_is_gone_is_told(&site).await;
}

/// Two years' mirrors are one chain, for whoever holds this year's key.
fn the_years_are_one_chain(site: &Site) {
    let (new, old) = (site.text("tiles-gateway"), site.text("tiles-old"));
    let key = site.text("next.vkey");
    let verify = ["audit", "verify", &new, "--vkey-file", &key, "--previous"];
    output(&[&verify[..], &[&old]].concat(), 0);
    // One that ended earlier was signed by the same key, and is not what the new one follows.
    let short = site.text("tiles-short");
    copy(&demo().dir.join("tiles"), std::path::Path::new(&short));
    output(&[&verify[..], &[&short]].concat(), 1);
    // Nor does the old one follow any.
    output(&[&verify[..], &[&old, "--previous", &short]].concat(), 1);
}

/// The new year's log names the old one, so that its rows can't go without a trace.
async fn a_year_that_is_gone_is_told(site: &Site) {
    let config = site.text("gateway.toml");
    let verify = ["audit", "verify", "--config", &config];
    output(&verify, 0);
    let path = format!("sqlite://{}", site.text("gateway.db"));
    let pool = sqlx::SqlitePool::connect(&path).await.unwrap();
    let sql = "DROP TRIGGER past_log_kept; DELETE FROM past_log;";
    sqlx::raw_sql(sql).execute(&pool).await.unwrap();
    pool.close().await;
    let told = output(&verify, 1);
    assert!(told.contains("gone, though a later log follows it"), "{told}");
}

/// Each submits what it sees; a conflict only tells where to go on.
#[tokio::test(flavor = "multi_thread")]
async fn several_gateways_on_one_database_share_their_witnesses() {
    let Some(cluster) = cluster() else { return };
    let database = cluster.database(None).await;
    let site = Site::new().await;
    let oversight = site.witness("oversight", true).await;
    let lines = [oversight.lines(true)];
    site.configure("embedded", "gateway.db", &[]);
    let (archive, one) = (site.text("old.backup"), site.configure("one", &database.url, &lines));
    run(&["backup", "--config", &site.text("embedded.toml"), "--out", &archive]);
    run(&["restore", "--config", &site.text("one.toml"), "--from", &archive]);
    let one = site.serve(&one).await.unwrap();
    let two = site.serve(&site.configure("two", &database.url, &lines)).await.unwrap();
    site.want_witnesses(&one, true, 0).await;
    for _ in 0..3 {
        for (name, running) in [("one", &one), ("two", &two)] {
            site.card(running).await.unwrap();
            running.project_log().await.unwrap();
            let checkpoint = site.checkpoint(name);
            assert!(checkpoint.contains("\u{2014} oversight.example "), "{checkpoint}");
        }
    }
    // What one of them was given counts for both.
    site.clock.minutes(16);
    one.project_log().await.unwrap();
    two.project_log().await.unwrap();
    site.card(&two).await.unwrap();
    assert!(told(&site, &two).await.iter().all(|kind| kind == "witness_quorum_reached"));
    two.stop().await.unwrap();
    one.stop().await.unwrap();
    assert!(site.verify("one", &["oversight"], 0).contains("sound"));
}
