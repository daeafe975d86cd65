//! The watch: whatever a gateway received on the wire, holds in its memory, stored or wrote, looked
//! through for everybody in a blinded push. The same look finds them where they came in clear.

use super::{connected, names, reviews};
use crate::support::{blinded_demo, copy, files, stream::nhs_number};
use aho_corasick::AhoCorasick;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use http_body_util::BodyExt;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::ErrorKind,
    net::TcpListener,
    ops::Range,
    os::unix::fs::FileExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};
use tallygate::{
    connector::{ProfileFile, PushOrder, Silent, push},
    domain::RecordType,
    server::system_rng,
};
use tonic::body::Body;
use tower::Service;

/// Children of each push: enough that some of them lie about in a gateway's memory.
const CHILDREN: usize = 400;

/// What tells who the children of a push are, in the forms in which it could be left.
fn needles(prefix: &str, range: Range<usize>) -> Vec<Vec<u8>> {
    let mut needles = Vec::new();
    for n in range {
        let (forename, surname) = names(n);
        let whole = [nhs_number(n), forename, surname, format!("{prefix}-{n}")];
        let folded = whole[1..].iter().map(|text| text.to_lowercase()).collect::<Vec<_>>();
        for text in whole.iter().chain(&folded) {
            needles.push(text.as_bytes().to_vec());
            needles.push(hex::encode(text).into_bytes());
            needles.push(hex::encode_upper(text).into_bytes());
            for shift in 0..3 {
                let code = STANDARD_NO_PAD.encode([&vec![0; shift][..], text.as_bytes()].concat());
                // The characters that depend on this text alone.
                let (first, last) = ((shift * 8usize).div_ceil(6), (shift + text.len()) * 8 / 6);
                needles.push(code.as_bytes()[first..last].to_vec());
            }
        }
    }
    needles
}

/// How many different needles there are in some bytes.
fn found(search: &AhoCorasick, bytes: &[u8]) -> BTreeSet<usize> {
    search.find_overlapping_iter(bytes).map(|hit| hit.pattern().as_usize()).collect()
}

/// Everything that a process holds in memory.
fn in_memory(search: &AhoCorasick, process: u32) -> (BTreeSet<usize>, u64) {
    const PIECE: usize = 4 << 20;
    const OVERLAP: usize = 128;
    let memory = File::open(format!("/proc/{process}/mem")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let (mut hits, mut searched) = (BTreeSet::new(), 0);
    let mut piece = vec![0; PIECE];
    for line in maps.lines() {
        let mut parts = line.split_whitespace();
        let (range, rights) = (parts.next().unwrap(), parts.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [mut at, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
        while at < end {
            let length = usize::try_from(end - at).unwrap().min(PIECE);
            // A page that was given back meanwhile has nothing to tell.
            let Ok(read) = memory.read_at(&mut piece[..length], at) else { break };
            if read == 0 {
                break;
            }
            hits.extend(found(search, &piece[..read]));
            searched += read as u64;
            at += if read > OVERLAP && at + (read as u64) < end { read - OVERLAP } else { read }
                as u64;
        }
    }
    (hits, searched)
}

/// Writes down every byte of every request's body: the plaintext that TLS carries.
#[derive(Clone)]
struct Recorder<S>(S, Arc<Mutex<Vec<u8>>>);

impl<S: Service<http::Request<Body>>> Service<http::Request<Body>> for Recorder<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> S::Future {
        let record = Arc::clone(&self.1);
        for value in request.headers().values() {
            record.lock().unwrap().extend_from_slice(value.as_bytes());
        }
        self.0.call(request.map(|body| {
            Body::new(body.map_frame(move |frame| {
                if let Some(data) = frame.data_ref() {
                    record.lock().unwrap().extend_from_slice(data);
                }
                frame
            }))
        }))
    }
}

/// The gateway of a copy of the blinded demo, as a process of its own.
struct Watched {
    folder: tempfile::TempDir,
    address: String,
    process: Child,
}

impl Watched {
    fn start() -> Self {
        let demo = blinded_demo();
        assert_eq!(demo.code, Some(0), "{}", demo.stderr);
        let folder = tempfile::tempdir().unwrap();
        copy(&demo.dir, folder.path());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let config = folder.path().join("gateway.toml");
        let text = fs::read_to_string(&config).unwrap();
        let others = std::iter::repeat("127.0.0.1:0".to_owned());
        let mut listeners = std::iter::once(address.clone()).chain(others);
        let lines = text.lines().map(|line| match line.starts_with("listen") {
            true => format!("listen = \"{}\"\n", listeners.next().unwrap()),
            false => format!("{line}\n"),
        });
        let text: String = lines.collect();
        fs::write(&config, text).unwrap();
        drop(listener);
        let said = File::create(folder.path().join("serve.log")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_tallygate"))
            .args(["serve", "--config"])
            .arg(&config)
            .env("TALLYGATE_LOG", "debug")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .unwrap();
        let watched = Self { folder, address, process };
        for _ in 0..600 {
            if watched.said().contains("listening on") {
                return watched;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the gateway did not start:\n{}", watched.said());
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("serve.log")).unwrap_or_default()
    }

    /// Pushes children, blinded or in clear; gives what went to the gateway.
    async fn push(&self, prefix: &str, range: Range<usize>, blind: bool) -> Vec<u8> {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("reviews.csv");
        fs::write(&file, reviews(prefix, range)).unwrap();
        let profile = self.folder.path().join("profiles/health.toml");
        let profile: ProfileFile = toml::from_str(&fs::read_to_string(profile).unwrap()).unwrap();
        let profile = ProfileFile {
            server: self.address.clone(),
            blinding_key: profile.blinding_key.clone().filter(|_| blind),
            ..profile
        };
        let connection = connected(profile, self.folder.path()).await;
        let today = jiff::civil::date(2026, 5, 10);
        let order = PushOrder {
            blinding: connection.blinding(system_rng),
            ..PushOrder::new(
                file,
                RecordType::HealthReview,
                "isp-health".parse().unwrap(),
                String::new(),
                today,
            )
        };
        let record = Arc::new(Mutex::new(Vec::new()));
        let line = Recorder(connection.service(), Arc::clone(&record));
        let report = push(line, &order, &mut Silent).await.unwrap();
        assert_eq!((report.rows, report.well_formed), (CHILDREN as u64, CHILDREN as u64));
        std::mem::take(&mut record.lock().unwrap())
    }

    /// Every file that the gateway has, but what the demo's partners sent from.
    fn in_files(&self, search: &AhoCorasick) -> (BTreeSet<usize>, u64) {
        let (mut hits, mut searched) = (BTreeSet::new(), 0);
        let folder: &Path = self.folder.path();
        for file in files(folder) {
            if !file.starts_with(folder.join("files")) {
                let bytes = match fs::read(&file) {
                    Ok(bytes) => bytes,
                    // The engine's own journals come and go while the gateway runs.
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(error) => panic!("{}: {error}", file.display()),
                };
                searched += bytes.len() as u64;
                hits.extend(found(search, &bytes));
            }
        }
        (hits, searched)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn no_identifier_reaches_the_gateways_wire_memory_files_or_log() {
    let watched = tokio::task::spawn_blocking(Watched::start).await.unwrap();
    let (hidden, shown) = (2_000..2_000 + CHILDREN, 3_000..3_000 + CHILDREN);
    let search = AhoCorasick::new(needles("hidden", hidden.clone())).unwrap();
    let wire = watched.push("hidden", hidden, true).await;
    assert!(wire.len() > CHILDREN * 100, "only {} bytes were sent", wire.len());
    assert_eq!(found(&search, &wire), BTreeSet::new(), "on the wire");
    let (hits, searched) = in_memory(&search, watched.process.id());
    assert!(searched > 10 << 20, "only {searched} bytes of memory");
    assert_eq!(hits, BTreeSet::new(), "in memory");
    let (hits, searched) = watched.in_files(&search);
    assert!(searched > 1 << 20 && watched.said().contains("DEBUG"), "{searched}");
    assert_eq!(hits, BTreeSet::new(), "in files or the log");
    // The same look, at what came in clear.
    let search = AhoCorasick::new(needles("shown", shown.clone())).unwrap();
    let wire = watched.push("shown", shown, false).await;
    assert!(found(&search, &wire).len() > CHILDREN, "the look at the wire finds nothing");
    let (hits, _) = in_memory(&search, watched.process.id());
    assert!(!hits.is_empty(), "the look at the memory finds nothing");
    // And then, too, nothing is stored or written.
    assert_eq!(watched.in_files(&search).0, BTreeSet::new(), "in files or the log");
}
