//! What is read, and what a wrong entry is told.

use super::*;

const GOOD: &str = r#"
audience = "gateway.example"
[grpc]
listen = "127.0.0.1:0"
certificate = "server.pem"
key = "server.key"
client_ca = "ca.pem"
[database]
sqlite = "gateway.db"
[keys]
master = "master.keys"
log = "log.key"
release = "release.key"
[log]
origin = "gateway.example/coventry/2026"
tiles = "tiles"
"#;

fn read(text: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    fs::write(&path, text).unwrap();
    Config::read(&path)
}

#[test]
fn a_good_file_is_read_and_a_wrong_word_is_named() {
    let config = read(GOOD).unwrap();
    assert!(config.tiles.ends_with("tiles") && config.tiles.is_absolute());
    let wrong = read(&GOOD.replace("tiles =", "tilse =")).unwrap_err().to_string();
    assert!(wrong.contains("tilse"), "{wrong}");
    let wrong = read(&GOOD.replace("gateway.example/coventry", "https://x")).unwrap_err();
    assert!(wrong.to_string().starts_with("log.origin"), "{wrong}");
    assert!(matches!(read(&GOOD.replace("sqlite", "sqlit")), Err(ConfigError::Invalid { .. })));
}

#[test]
fn the_web_is_as_grpc_where_it_does_not_say() {
    assert!(read(GOOD).unwrap().web.is_none());
    let with = |lines: &str| read(&GOOD.replace("[database]", &format!("{lines}\n[database]")));
    let web = with("[web]\nlisten = \"127.0.0.1:8444\"").unwrap().web.unwrap();
    assert_eq!(web.listen.port(), 8444);
    assert!(web.certificate.ends_with("server.pem") && web.key.ends_with("server.key"));
    assert!(web.client_ca.ends_with("ca.pem"));
    assert!(web.client_crl.is_none());
    let listed = read(&GOOD.replace(
        "[database]",
        "client_crl = \"r.crl\"\n[web]\nlisten = \
        \"127.0.0.1:0\"\n[database]",
    ));
    let listed = listed.unwrap();
    assert!(listed.client_crl.unwrap().ends_with("r.crl"));
    assert!(listed.web.unwrap().client_crl.unwrap().ends_with("r.crl"));
    let own = "[web]\nlisten = \"127.0.0.1:0\"\ncertificate = \"w.pem\"\nkey = \"w.key\"";
    assert!(with(own).unwrap().web.unwrap().key.ends_with("w.key"));
    let half = with("[web]\nlisten = \"127.0.0.1:0\"\nkey = \"w.key\"").unwrap_err();
    assert!(half.to_string().starts_with("web.certificate"), "{half}");
    assert!(with("[web]\nlisten = \"here\"").is_err());
}

#[test]
fn each_organisation_signs_in_by_one_provider_and_one_client() {
    let sign_in = |partner: &str, client: &str| {
        format!(
            "[[pages.sign_in]]\nname = \"x\"\npartner = \"{partner}\"\nissuer = \"https://l.example\"\n\
             client_id = \"{client}\"\nauthorization_endpoint = \"https://l.example/a\"\n\
             token_endpoint = \"http://127.0.0.1:1/t\"\njwks_uri = \"http://127.0.0.1:1/k\"\n"
        )
    };
    let pages = |lines: &str, providers: &[String]| {
        let pages = format!(
            "[pages]\nlisten = \"127.0.0.1:0\"\ncontact = \"us\"\norigin = \"https://g.example\"\n\
             {lines}\n{}[database]",
            providers.concat()
        );
        read(&GOOD.replace("[database]", &pages))
    };
    let [one, other] = [sign_in("centres", "a"), sign_in("health", "b")];
    let config = pages("", &[one.clone(), other.clone()]).unwrap().pages.unwrap();
    let back = config.sign_in.iter().map(|one| &*one.redirect_uri);
    let expected = ["https://g.example/sign-in/back/0", "https://g.example/sign-in/back/1"];
    assert_eq!(back.collect::<Vec<_>>(), expected);
    let wrong =
        |lines: &str, providers: &[String]| pages(lines, providers).unwrap_err().to_string();
    let twice = wrong("", &[one.clone(), sign_in("centres", "b")]);
    assert!(twice.starts_with("pages.sign_in.partner"), "{twice}");
    let shared = wrong("", &[one, sign_in("health", "a")]);
    assert!(shared.starts_with("pages.sign_in.client_id"), "{shared}");
    for hours in [0, 13] {
        let wrong = wrong(&format!("session_hours = {hours}"), std::slice::from_ref(&other));
        assert!(wrong.starts_with("pages.session_hours"), "{wrong}");
    }
}

#[test]
fn a_postgres_database_is_read_with_its_owner() {
    let postgres = |lines: &str| read(&GOOD.replace("sqlite = \"gateway.db\"", lines));
    let url = "postgres = \"postgres://gateway@localhost,127.0.0.1:5433/tallygate\"";
    let config = postgres(&format!("{url}\nowner = \"owner\"")).unwrap();
    let user = |location: &Location| match location {
        Location::Postgres(location) => (location.user().to_owned(), location.servers()),
        Location::Sqlite(_) => panic!("not PostgreSQL"),
    };
    assert_eq!(user(&config.database), ("gateway".to_owned(), 2));
    assert_eq!(user(&config.owner), ("owner".to_owned(), 2));
    for (lines, says) in [
        ("", "either sqlite or postgres"),
        (&*format!("{url}\nsqlite = \"gateway.db\""), "either sqlite or postgres"),
        (&*format!("{url}\npassword_file = \"nowhere\""), "nowhere"),
        ("postgres = \"postgres://gateway:secret@localhost/t\"", "password_file"),
        ("postgres = \"postgres://gateway@db.example/t\"", "verify-full"),
    ] {
        let error = postgres(lines).unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains("secret"), "{error}");
    }
}

#[test]
fn witnesses_are_read_and_their_mistakes_named() {
    let vkey = "oversight.example/witness+c86bf9ec+BD1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYM";
    let with = |lines: &str| read(&format!("{GOOD}{lines}"));
    assert_eq!(read(GOOD).unwrap().outage, Duration::from_secs(900));
    let one = format!("[[log.witness]]\nvkey = \"{vkey}\"\n");
    let here = format!("{one}url = \"http://127.0.0.1:7380\"\noversight = true\n");
    let config = with(&format!("outage_minutes = 5\n{here}")).unwrap();
    assert_eq!(config.outage, Duration::from_secs(300));
    assert!(config.witnesses[0].oversight && config.witnesses[0].ca.is_none());
    let there = format!("{one}url = \"https://w.example/log\"\nca = \"w.pem\"\n");
    assert!(with(&there).unwrap().witnesses[0].ca.as_ref().unwrap().is_absolute());
    for (lines, says) in [
        (format!("{here}{there}"), "twice"),
        (format!("{one}url = \"https://w.example\"\n"), "log.witness.ca"),
        (format!("{one}url = \"http://w.example\"\n"), "https://..."),
        (format!("{one}url = \"http://10.0.0.1\"\n"), "https://..."),
        (format!("{one}url = \"ftp://127.0.0.1\"\n"), "https://..."),
        (format!("{one}url = \"127.0.0.1\"\n"), "https://..."),
        (here.replace("c86bf9ec", "c86bf9ed"), "log.witness.vkey"),
        (here.replace("vkey =", "vkey_file = \"x\"\nvkey ="), "either vkey or vkey_file"),
        (here.replace("oversight", "oversigth"), "oversigth"),
    ] {
        let error = with(&lines).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn the_examples_are_configurations() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    for name in ["gateway.example.toml", "region.example.toml", "blinded.example.toml"] {
        Config::read(&folder.join(name)).unwrap();
    }
}

#[test]
fn a_passphrase_has_one_place_and_a_credential_a_service() {
    let with = |lines: &str| read(&GOOD.replace("log = \"log.key\"", lines));
    let log = "log = \"log.key\"";
    with(&format!("{log}\npassphrase_file = \"master.pass\"")).unwrap();
    for (lines, says) in [
        ("passphrase_file = \"p\"\npassphrase_credential = \"c\"", "one place"),
        ("passphrase_credential = \"c\"", "LoadCredential"),
        ("passphrase = \"correct horse battery\"", "unknown field"),
    ] {
        let error = with(&format!("{log}\n{lines}")).unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains("horse battery staple"), "{error}");
    }
    let folder = Path::new("/run/credentials/tallygate.service");
    let expected = PassphraseSource::Credential(folder.join("master"));
    assert_eq!(credential("master", Some(folder)), Some(expected));
    for name in ["", "../master", "..", "a/b"] {
        assert_eq!(credential(name, Some(folder)), None, "{name}");
    }
}

#[test]
fn a_missing_file_says_what_to_do() {
    let error = Config::read(Path::new("nowhere/gateway.toml")).unwrap_err().to_string();
    assert!(error.contains("check that it exists"), "{error}");
}

#[test]
fn the_prf_and_declared_feeds_are_read_and_their_mistakes_named() {
    let with = |lines: &str| read(&format!("{GOOD}{lines}"));
    let prf = |name: &str| {
        read(&GOOD.replace("log = \"log.key\"", &format!("log = \"log.key\"\n{name}")))
    };
    assert_eq!(prf("pseudonym_prf = \"oprf\"").unwrap().pseudonym_prf, Some(Prf::Oprf));
    assert_eq!(read(GOOD).unwrap().pseudonym_prf, None);
    let error = prf("pseudonym_prf = \"sha1\"").unwrap_err().to_string();
    assert!(error.contains("keys.pseudonym_prf") && error.contains("\"oprf\""), "{error}");
    let feed = "[[blinding.feed]]\npartner = \"health\"\nrecords_a_day = 20\n";
    let config = with(feed).unwrap();
    assert_eq!(
        config.feeds.into_iter().map(|(id, n)| (id.to_string(), n)).collect::<Vec<_>>(),
        [("health".to_owned(), 20)]
    );
    for (lines, says) in [
        (feed.repeat(2), "each partner once"),
        (feed.replace("20", "0"), "at least 1"),
        (feed.replace("20", "-1"), "records_a_day"),
        (feed.replace("partner", "partners"), "partners"),
    ] {
        let error = with(&lines).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn operations_stay_on_this_machine_unless_it_is_said() {
    assert!(read(GOOD).unwrap().ops.is_none());
    let with = |lines: &str| read(&format!("{GOOD}{lines}"));
    let ops = with("[ops]\n").unwrap().ops.unwrap();
    assert_eq!((ops.listen.to_string(), ops.notice), ("127.0.0.1:9464".to_owned(), Duration::ZERO));
    let elsewhere = "[ops]\nlisten = \"0.0.0.0:9464\"\n";
    let wrong = with(elsewhere).unwrap_err().to_string();
    assert!(wrong.starts_with("ops.listen"), "{wrong}");
    assert!(with(&format!("{elsewhere}beyond_loopback = true")).is_ok());

    let telemetry = read(GOOD).unwrap().telemetry;
    assert!(telemetry.otlp.is_none() && telemetry.log.is_none());
    let otlp = |url: &str| with(&format!("[telemetry]\notlp = \"{url}\"\n"));
    assert!(otlp("http://127.0.0.1:4317").unwrap().telemetry.otlp.is_some());
    for url in ["http://collector:4317", "https://127.0.0.1:4317", "127.0.0.1:4317", "?"] {
        let wrong = otlp(url).unwrap_err().to_string();
        assert!(wrong.starts_with("telemetry.otlp"), "{wrong}");
    }
    assert!(with("[telemetry]\nsample_percent = 101\n").is_err());
}
