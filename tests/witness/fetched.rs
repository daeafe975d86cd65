//! What an auditor mirrors is what the witnesses saw, or it is told.

use super::Site;
use crate::support::output;
use std::fs;

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_of_the_log_that_the_witnesses_cosigned() {
    let site = Site::new().await;
    let oversight = site.witness("oversight", false).await;
    // Nobody asks this one.
    let _other = site.witness("partner", false).await;
    let config = site.configure("gateway", "gateway.db", &[oversight.lines(true)]);
    let running = site.serve(&config).await.unwrap();
    running.project_log().await.unwrap();
    let profile = fs::read_to_string(site.path("profiles/auditor.toml")).unwrap();
    let server = format!("server = \"{}\"", running.address());
    let line = |line: &str| match line.starts_with("server = ") {
        true => format!("{server}\n"),
        false => format!("{line}\n"),
    };
    let profile: String = profile.lines().map(line).collect();
    fs::write(site.path("profiles/here.toml"), profile).unwrap();
    let (profile, mirror) = (site.text("profiles/here.toml"), site.text("mirror"));
    let key = site.text("log.vkey");
    let fetch = |witness: &str, code: i32| {
        let witness = site.text(&format!("{witness}/witness.vkey"));
        let words = ["audit", "fetch", "--out", &mirror, "--vkey-file", &key];
        let words =
            [&words[..], &["--profile", &profile, "--witness-vkey-file", &witness]].concat();
        output(&words, code);
        let words = ["audit", "verify", &mirror, "--vkey-file", &key];
        output(&[&words[..], &["--witness-vkey-file", &witness]].concat(), code)
    };
    let told = fetch("oversight", 0);
    assert!(told.contains("cosigned by oversight.example at 20"), "{told}");
    // Its calls made the log grow, of which the next tick is the first that a witness sees.
    fetch("oversight", 0);
    fetch("partner", 1);
    running.stop().await.unwrap();
}
