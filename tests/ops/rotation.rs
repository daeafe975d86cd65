//! Certificates, authorities and lists of revoked certificates are exchanged under requests, and none
//! of them fails; what was revoked is refused at its next request, on open connections, too.

use crate::support::gateway::{Copy, Service, assert_refused};
use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use tallygate::{
    connector::ProfileFile,
    identity::{CertificateAuthority, Clock, Issued, LOOPBACK_NAMES, SystemClock, Validity},
    wire::v1::{
        GetCheckpointRequest, GetPartnerRequest, PutPartnerRequest,
        access_log_service_client::AccessLogServiceClient,
        partner_service_client::PartnerServiceClient,
    },
};
use tonic::Status;

/// Requests of each caller between one exchange and the next.
const BETWEEN: usize = 30;

fn authority(name: &str) -> CertificateAuthority {
    let now = SystemClock.now();
    let hours = |hours| now.checked_add(jiff::SignedDuration::from_hours(hours)).unwrap();
    let validity = Validity { not_before: hours(-1), not_after: hours(24) };
    CertificateAuthority::new(name, validity).unwrap()
}

fn put(copy: &Copy, name: &str, text: &str) {
    // Renamed into place, as whoever renews certificates should.
    let draft = copy.path(&format!("{name}.part"));
    fs::write(&draft, text).unwrap();
    fs::rename(draft, copy.path(name)).unwrap();
}

fn put_server(copy: &Copy, authority: &CertificateAuthority) {
    let server = authority.issue_server(&LOOPBACK_NAMES).unwrap();
    put(copy, "certificates/gateway.key", server.key_pem());
    put(copy, "certificates/gateway.pem", server.certificate_pem());
}

/// The gateway on authorities of the test's own, with these clients in the register.
async fn ground(own: &CertificateAuthority, clients: &[(&str, &Issued)]) -> Copy {
    let copy = Copy::start().await;
    let mut partners = PartnerServiceClient::new(copy.caller("officer").await);
    let request = GetPartnerRequest { partner_id: "authority".to_owned() };
    let mut entry = partners.get_partner(request).await.unwrap().into_inner().partner.unwrap();
    for (name, client) in clients {
        put(&copy, &format!("certificates/{name}.pem"), client.certificate_pem());
        put(&copy, &format!("certificates/{name}.key"), client.key_pem());
        entry.certificates.push(client.fingerprint().as_bytes().to_vec());
    }
    partners.put_partner(PutPartnerRequest { partner: Some(entry) }).await.unwrap();
    put(&copy, "own.pem", &own.certificate_pem());
    put(&copy, "own.crl", &own.revoke(&[]).unwrap());
    put_server(&copy, own);
    copy.restart_with(|folder: &Path| {
        let path = folder.join("gateway.toml");
        let text = fs::read_to_string(&path).unwrap();
        let line = "client_ca = \"own.pem\"\nclient_crl = \"own.crl\"";
        fs::write(path, text.replacen("client_ca = \"both.pem\"", line, 1)).unwrap();
    })
    .await
}

fn profile(copy: &Copy, name: &str, ca: &str) -> ProfileFile {
    ProfileFile {
        ca: format!("../{ca}").into(),
        certificate: format!("../certificates/{name}.pem").into(),
        key: format!("../certificates/{name}.key").into(),
        ..copy.profile("officer")
    }
}

async fn ask(service: &Service) -> Result<(), Status> {
    let mut log = AccessLogServiceClient::new(service.clone());
    log.get_checkpoint(GetCheckpointRequest {}).await.map(drop)
}

/// Callers that ask without a pause, one on an open connection and one on ever new ones.
struct Callers {
    over: Arc<AtomicBool>,
    asked: Arc<[AtomicUsize; 2]>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Callers {
    async fn begin(copy: &Arc<Copy>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let asked: Arc<[AtomicUsize; 2]> = Arc::default();
        let mut tasks = Vec::new();
        for number in 0..2 {
            let (over, asked, copy) = (Arc::clone(&over), Arc::clone(&asked), Arc::clone(copy));
            let mut service = copy.connect(profile(&copy, "first", "roots.pem")).await.unwrap();
            tasks.push(tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    if number == 1 {
                        service = copy.connect(profile(&copy, "first", "roots.pem")).await.unwrap();
                    }
                    ask(&service).await.unwrap();
                    asked[number].fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        Self { over, asked, tasks }
    }

    /// Waits until each has asked some more, or has failed.
    async fn go_on(&self) {
        let now = || self.asked.each_ref().map(|asked| asked.load(Ordering::Relaxed));
        let before = now();
        while now().iter().zip(before).any(|(now, before)| *now < before + BETWEEN) {
            assert!(self.tasks.iter().all(|task| !task.is_finished()), "a request failed");
            tokio::task::yield_now().await;
        }
    }

    async fn end(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.asked.iter().map(|asked| asked.load(Ordering::Relaxed)).sum()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_files_are_exchanged_and_what_is_revoked_is_refused() {
    let (own, next) = (authority("one"), authority("two"));
    let first = own.issue_client("first").unwrap();
    let second = own.issue_client("second").unwrap();
    let third = next.issue_client("third").unwrap();
    let clients = [("first", &first), ("second", &second), ("third", &third)];
    let copy = Arc::new(ground(&own, &clients).await);
    put(&copy, "roots.pem", &(own.certificate_pem() + &next.certificate_pem()));
    let revoked = copy.connect(profile(&copy, "second", "roots.pem")).await.unwrap();
    ask(&revoked).await.unwrap();
    let callers = Callers::begin(&copy).await;
    callers.go_on().await;

    // The server's certificate, of another authority; half of it is refused.
    let server = next.issue_server(&LOOPBACK_NAMES).unwrap();
    put(&copy, "certificates/gateway.pem", server.certificate_pem());
    assert!(!copy.running.reload());
    callers.go_on().await;
    put(&copy, "certificates/gateway.key", server.key_pem());
    assert!(copy.running.reload());
    callers.go_on().await;
    put(&copy, "next.pem", &next.certificate_pem());
    let seen = copy.connect(profile(&copy, "first", "next.pem")).await.unwrap();
    ask(&seen).await.unwrap();

    // One more authority of clients, with its list.
    let refused = copy.connect(profile(&copy, "third", "roots.pem")).await;
    assert!(refused.is_err(), "an authority that is not named was trusted");
    put(&copy, "own.crl", &(own.revoke(&[]).unwrap() + &next.revoke(&[]).unwrap()));
    put(&copy, "own.pem", &(own.certificate_pem() + &next.certificate_pem()));
    assert!(copy.running.reload());
    callers.go_on().await;
    let third = copy.connect(profile(&copy, "third", "roots.pem")).await.unwrap();
    ask(&third).await.unwrap();

    // A revoked certificate, on the connection that it has open.
    let lists = own.revoke(&[&second]).unwrap() + &next.revoke(&[]).unwrap();
    put(&copy, "own.crl", &lists);
    assert!(copy.running.reload());
    assert_refused(ask(&revoked).await, "certificate_not_trusted");
    assert!(copy.connect(profile(&copy, "second", "roots.pem")).await.is_err());
    callers.go_on().await;

    // A list that is none changes nothing.
    for wrong in ["", "nonsense", own.certificate_pem().as_str()] {
        put(&copy, "own.crl", wrong);
        assert!(!copy.running.reload());
    }
    fs::remove_file(copy.path("own.crl")).unwrap();
    assert!(!copy.running.reload());
    assert_refused(ask(&revoked).await, "certificate_not_trusted");
    callers.go_on().await;
    let asked = callers.end().await;
    assert!(asked >= 2 * 6 * BETWEEN, "{asked}");

    // An authority that is trusted no more, on an open connection.
    ask(&third).await.unwrap();
    put(&copy, "own.crl", &lists);
    put(&copy, "own.pem", &own.certificate_pem());
    assert!(copy.running.reload());
    assert_refused(ask(&third).await, "certificate_not_trusted");
    ask(&seen).await.unwrap();
    Arc::into_inner(copy).unwrap().running.stop().await.unwrap();
}
