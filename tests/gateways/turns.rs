//! What turns in a protocol's life bites on every running gateway at the first batch or query after
//! its answer, in mid-stream too: superseded, joined, revoked. On one gateway with an embedded file, and
//! on two with one PostgreSQL, where the turn is made through the one and felt on the other.

use super::{Ground, Service};
use crate::support::{
    gateway::{Copy, assert_refused},
    output,
    postgres::cluster,
    stream::{Stream, rows},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tallygate::{
    domain::RecordType,
    protocol::Digest,
    wire::v1::{
        self, figure_service_client::FigureServiceClient,
        intake_service_client::IntakeServiceClient, protocol_service_client::ProtocolServiceClient,
        push_request,
    },
};
use tonic::Status;

/// Where turns are made, and where they must be felt.
struct Scene<A, B> {
    dir: PathBuf,
    made: A,
    felt: B,
}

impl<A: AsyncFn(&str) -> Service, B: AsyncFn(&str) -> Service> Scene<A, B> {
    fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().unwrap().to_owned()
    }

    async fn protocols(&self, partner: &str) -> ProtocolServiceClient<Service> {
        ProtocolServiceClient::new((self.made)(partner).await)
    }

    /// A protocol of the demo, and its digest.
    fn protocol(&self, name: &str) -> (Value, String) {
        let signed = fs::read(self.dir.join(format!("protocols/{name}.json"))).unwrap();
        let signed: Value = serde_json::from_slice(&signed).unwrap();
        let payload = URL_SAFE_NO_PAD.decode(signed["payload"].as_str().unwrap()).unwrap();
        (serde_json::from_slice(&payload).unwrap(), Digest::of(&payload).to_string())
    }

    /// A document signed with keys of the demo: `health-siro` ...
    fn signed(&self, name: &str, document: &Value, keys: &[&str]) -> String {
        let file = self.path(&format!("turn-{name}.json"));
        fs::write(&file, document.to_string()).unwrap();
        for key in keys {
            let (party, role) = key.split_once('-').unwrap();
            let pem = self.path(&format!("keys/{key}.pem"));
            let sign = ["protocol", "sign", &file, "--key", &pem, "--party", party, "--role", role];
            output(&[&sign[..], &["--out", &file]].concat(), 0);
        }
        // Anybody verifies it without a gateway.
        output(&["protocol", "verify", &file, "--keys", &self.path("jwks.json")], 0);
        fs::read_to_string(file).unwrap()
    }

    /// Whether a partner may send referrals under the centres' protocol, where it must be felt.
    async fn sends_referrals(&self, partner: &str) -> Result<(), Status> {
        let record_type: RecordType = "referral".parse().unwrap();
        let columns = record_type.definition().fields().map(|field| field.name.to_owned());
        let envelope = ["record_id", "extracted_at", "event_date", "consent_ref"];
        let open = v1::PushOpen {
            protocol_id: "isp-centres".to_owned(),
            record_type: "referral".to_owned(),
            columns: envelope.map(str::to_owned).into_iter().chain(columns).collect(),
            extract_day: "2026-05-10".to_owned(),
            dry_run: true,
            ..v1::PushOpen::default()
        };
        let message = Some(push_request::Message::Open(open));
        let mut client = IntakeServiceClient::new((self.felt)(partner).await);
        let answers = client.push(tokio_stream::once(v1::PushRequest { message })).await?;
        answers.into_inner().message().await.map(drop)
    }

    async fn card(&self) -> Result<(), Status> {
        let request = v1::GetCardRequest {
            area: "CC01".to_owned(),
            quarter: String::new(),
            purposes: vec!["childrens_centre_planning".to_owned()],
        };
        let manager = (self.felt)("manager-CC01").await;
        FigureServiceClient::new(manager).get_card(request).await.map(drop)
    }

    async fn superseded(&self) {
        let (mut document, digest) = self.protocol("isp-health");
        document["version"] = json!(2);
        document["supersedes"] = json!(digest);
        document["dpia"] = json!("The second assessment");
        let keys = ["health-siro", "health-caldicott_guardian", "authority-siro"];
        let document = self.signed("amended", &document, &keys);
        let mut stream = Stream::open((self.felt)("health").await).await.unwrap();
        stream.send(1, rows("turn", 0..5)).await;
        assert_eq!(stream.acknowledged().await.well_formed, 5);
        let request = v1::SubmitProtocolRequest { document };
        self.protocols("officer").await.submit_protocol(request).await.unwrap();
        stream.send(2, rows("turn", 5..10)).await;
        assert_refused(stream.answer().await, "protocol_superseded");
        // The register says in words what has changed.
        let request = v1::GetProtocolRequest { protocol_id: "isp-health".to_owned(), version: 2 };
        let found = self.protocols("health").await.get_protocol(request).await.unwrap();
        let said: Vec<String> =
            found.into_inner().changes.into_iter().map(|c| c.sentence).collect();
        assert!(
            said.iter().any(|s| s.contains("\u{201c}The second assessment\u{201d}")),
            "{said:?}"
        );
    }

    async fn joined(&self) {
        assert_refused(self.sends_referrals("families").await, "protocol_unknown");
        let (protocol, digest) = self.protocol("isp-centres");
        let (families, _) = self.protocol("isp-families");
        let flows = protocol["flows"].as_array().unwrap();
        let flow = flows.iter().position(|flow| flow["record_type"] == "referral").unwrap();
        let agreeing = |party: &Value| json!({"partner": party["partner"], "keys": party["keys"]});
        let parties = protocol["parties"].as_array().unwrap();
        let deed = json!({
            "schema": 1,
            "adheres_to": {"protocol": "isp-centres", "version": 1, "digest": digest},
            "party": families["parties"][0],
            "flows": [{"flow": flow, "record_type": "referral"}],
            "audiences": [],
            "agreed_by": parties.iter().map(agreeing).collect::<Vec<_>>(),
            "valid_until": "2099-12-31",
        });
        let keys = ["families-siro", "centres-siro", "authority-siro"];
        let document = self.signed("deed", &deed, &keys);
        let request = v1::AdhereToProtocolRequest { document };
        let joined = self.protocols("families").await.adhere_to_protocol(request).await.unwrap();
        let parties = joined.into_inner().entry.unwrap().parties;
        assert!(parties.contains(&"families".to_owned()), "{parties:?}");
        self.sends_referrals("families").await.unwrap();
    }

    async fn revoked(&self) {
        let mut stream = Stream::open((self.felt)("health").await).await.unwrap();
        stream.send(1, rows("turn", 20..25)).await;
        assert_eq!(stream.acknowledged().await.well_formed, 5);
        self.card().await.unwrap();
        for (party, protocol, office, version) in [
            ("health", "isp-health", "caldicott_guardian", 2),
            ("centres", "isp-centres", "siro", 1),
        ] {
            let request = v1::GetProtocolRequest { protocol_id: protocol.to_owned(), version };
            let found = self.protocols(party).await.get_protocol(request).await.unwrap();
            let digest = hex::encode(found.into_inner().entry.unwrap().digest);
            let paper = json!({
                "schema": 1,
                "revokes": {"protocol": protocol, "version": version, "digest": digest},
                "party": party,
                "handling": "freeze",
                "reason": "basis_lost",
            });
            let document = self.signed(party, &paper, &[&format!("{party}-{office}")]);
            let request = v1::RevokeProtocolRequest { document };
            let answer = self.protocols(party).await.revoke_protocol(request).await.unwrap();
            // Each release of the demo used the data of both.
            assert!(answer.into_inner().releases.len() >= 8, "{party}");
        }
        stream.send(2, rows("turn", 25..30)).await;
        assert_refused(stream.answer().await, "protocol_revoked");
        assert_refused(
            Stream::open((self.felt)("health").await).await.map(drop),
            "protocol_revoked",
        );
        assert_refused(self.card().await, "protocol_revoked");
        // Who joined the centres' protocol goes on: two are left, and it sends.
        self.sends_referrals("families").await.unwrap();
    }

    async fn all(&self) {
        self.superseded().await;
        self.joined().await;
        self.revoked().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_turn_bites_at_once_on_an_embedded_file() {
    let gateway = Copy::start().await;
    let caller = async |name: &str| gateway.connect(gateway.profile(name)).await.unwrap();
    let dir: &Path = &gateway.path("");
    Scene { dir: dir.to_owned(), made: caller, felt: caller }.all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_turn_through_one_gateway_bites_at_once_on_the_other() {
    let Some(cluster) = cluster() else { return };
    let database = cluster.database(None).await;
    let ground =
        tokio::task::spawn_blocking(move || Ground::demo(&database, "0.005")).await.unwrap();
    let (mut one, mut two) = (ground.configure("one"), ground.configure("two"));
    one.start();
    two.start();
    let (made, felt) =
        (async |name: &str| one.caller(name).await, async |name: &str| two.caller(name).await);
    Scene { dir: ground.path(""), made, felt }.all().await;
}
