//! The access matrix: every RPC, asked by every kind of caller.
//!
//! The list of RPCs is read from the compiled descriptor, so that a new RPC without a row
//! fails. A row says what each caller of the register is told; whoever is not recognised is
//! told the same by every RPC ([`UNRECOGNISED`]), and a token that claims more than the register
//! gives gains nothing ([`pretender`]). Each refusal must have a receipt: it stands in the log.
//!
//! A cell is one of three:
//! - [`OK`]: the call is answered;
//! - [`no`]: refused for who calls. `not_found` is among these where the thing is there and
//!   not the caller's to know;
//! - [`asked`]: the caller may call this, and is refused for what the matrix asks (a quarter
//!   that is closed already): the request is one that changes nothing.

mod requests;

use crate::support::gateway::{Copy, reason};
use hyper_util::rt::TokioIo;
use prost::Message;
use requests::*;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    version::TLS13,
};
use std::{collections::BTreeSet, error::Error, fs, sync::Arc};
use tallygate::{
    connector::{Gateway, Profile, ProfileFile},
    identity::SystemClock,
    protocol::CallerRole::{Auditor, Consumer, DataOfficer, Provider},
    wire::{DESCRIPTORS, v1},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};
use tower::service_fn;

/// What a caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// An answer.
    Answered,
    /// A refusal for who calls.
    Refused(&'static str),
    /// A refusal for what was asked, of a caller who may ask.
    Allowed(&'static str),
}

const OK: Told = Told::Answered;

const fn no(reason: &'static str) -> Told {
    Told::Refused(reason)
}

const fn asked(reason: &'static str) -> Told {
    Told::Allowed(reason)
}

const ROLE: Told = no("wrong_role");
const HIDDEN: Told = no("not_found");

/// Callers of the register, as profiles of the demo: one that sends, a manager who may see
/// CC17, its cluster and the authority, a data officer, and an auditor.
const CALLERS: [&str; 4] = ["health", "manager-CC17", "officer", "auditor"];

/// Makes a request's bytes.
type Form = fn(&Copy) -> Vec<u8>;

/// A row: the RPC, what it is asked about, the request, and a cell for each of [`CALLERS`].
type Row = (&'static str, &'static str, Form, [Told; 4]);

/// The matrix. Rows are asked in this order.
#[rustfmt::skip]
const MATRIX: &[Row] = &[
    // RPC                                   about                    request                 sender                  manager                 officer                    auditor
    ("AccessLogService/GetCheckpoint",       "",                      nothing,               [OK,                     OK,                     OK,                        OK]),
    ("AccessLogService/SearchEntries",       "",                      nothing,               [ROLE,                   ROLE,                   ROLE,                      OK]),
    ("AccessLogService/GetInclusionProof",   "the first entry",       nothing,               [ROLE,                   ROLE,                   ROLE,                      OK]),
    ("AccessLogService/GetConsistencyProof", "from the first entry",  from_one,              [ROLE,                   ROLE,                   ROLE,                      OK]),
    ("AccessLogService/GetTile",             "the first leaf hashes", nothing,               [OK,                     OK,                     OK,                        OK]),
    ("AccessLogService/GetTile",             "beyond the log",        tile_beyond,           [asked("not_found"),     asked("not_found"),     asked("not_found"),        asked("not_found")]),
    ("AccessLogService/ReadEntries",         "all",                   nothing,               [ROLE,                   ROLE,                   ROLE,                      OK]),
    ("AccessLogService/OpenDetail",          "the first entry",       nothing,               [ROLE,                   ROLE,                   ROLE,                      asked("no_detail")]),
    ("AreaService/LoadAreas",                "no areas at all",       load_areas,            [ROLE,                   ROLE,                   asked("invalid_argument"), ROLE]),
    ("AreaService/LoadPostcodes",            "no postcodes",          nothing,               [ROLE,                   ROLE,                   OK,                        ROLE]),
    ("AreaService/ListAreas",                "",                      nothing,               [OK,                     OK,                     OK,                        OK]),
    ("BlindingService/Evaluate",             "where HMAC is used",    evaluate,              [asked("not_a_blinded_deployment"), ROLE,         ROLE,                      ROLE]),
    ("ConsentService/RecordConsents",        "none",                  nothing,               [OK,                     ROLE,                   ROLE,                      ROLE]),
    ("ConsentService/WithdrawConsent",       "a new reference",       consent,               [OK,                     ROLE,                   ROLE,                      ROLE]),
    ("ConsentService/GetConsent",            "a reference",           consent,               [OK,                     ROLE,                   ROLE,                      ROLE]),
    ("ConsentService/RecordPrivacyNotice",   "no notice at all",      nothing,               [asked("invalid_argument"), ROLE,                ROLE,                      ROLE]),
    ("ConsentService/ListPrivacyNotices",    "",                      nothing,               [OK,                     ROLE,                   OK,                        OK]),
    ("FigureService/GetCard",                "the manager's area",    card_of_own_area,      [ROLE,                   OK,                     OK,                        OK]),
    ("FigureService/GetCard",                "another area",          card_of_another,       [ROLE,                   no("area_not_covered"), OK,                        OK]),
    ("FigureService/QueryFigures",           "the manager's area",    query_own_area,        [ROLE,                   OK,                     OK,                        OK]),
    ("FigureService/QueryFigures",           "another area",          query_another,         [ROLE,                   no("area_not_covered"), OK,                        OK]),
    ("FigureService/GetDataBook",            "the manager's area",    book_of_own_area,      [ROLE,                   OK,                     OK,                        OK]),
    ("FigureService/GetDataBook",            "another area",          book_of_another,       [ROLE,                   no("area_not_covered"), OK,                        OK]),
    ("FigureService/FindFigures",            "births",                find_births,           [OK,                     OK,                     OK,                        OK]),
    ("TableRequestService/AskTable",         "a table",               ask_table,             [OK,                     OK,                     OK,                        OK]),
    ("TableRequestService/ListTableRequests", "",                     nothing,               [OK,                     OK,                     OK,                        OK]),
    ("TableRequestService/DecideTableRequest", "no request",          decide_nothing,        [ROLE,                   ROLE,                   asked("not_found"),        ROLE]),
    ("IntakeService/Push",                   "health's protocol",     push_births,           [OK,                     ROLE,                   ROLE,                      ROLE]),
    ("IntakeService/Push",                   "another's protocol",    push_registrations,    [no("protocol_unknown"), ROLE,                   ROLE,                      ROLE]),
    ("IntakeService/UndoStream",             "no stream of its own",  undo_nothing,          [HIDDEN,                 ROLE,                   ROLE,                      ROLE]),
    ("IntakeService/EraseRecords",           "a record never sent",   a_record,              [OK,                     ROLE,                   ROLE,                      ROLE]),
    ("IntakeService/FindRecords",            "a record never sent",   a_record,              [OK,                     ROLE,                   ROLE,                      ROLE]),
    ("KeyService/ListKeys",                  "",                      nothing,               [OK,                     OK,                     OK,                        OK]),
    ("KeyService/RotateKeys",                "no newer version",      nothing,               [ROLE,                   ROLE,                   asked("no_new_key_version"), ROLE]),
    ("KeyService/DestroyKeys",               "a version in use",      destroy_keys,          [ROLE,                   ROLE,                   asked("keys_in_use"),      ROLE]),
    ("PartnerService/PutPartner",            "a newcomer",            newcomer,              [ROLE,                   ROLE,                   OK,                        ROLE]),
    ("PartnerService/GetPartner",            "health",                partner_health,        [OK,                     HIDDEN,                 OK,                        OK]),
    ("PartnerService/GetPartner",            "the newcomer",          partner_newcomer,      [HIDDEN,                 HIDDEN,                 OK,                        OK]),
    ("PartnerService/ListPartners",          "",                      nothing,               [ROLE,                   ROLE,                   OK,                        OK]),
    ("PartnerService/DisablePartner",        "the newcomer",          partner_newcomer,      [ROLE,                   ROLE,                   OK,                        ROLE]),
    ("ProtocolService/SubmitProtocol",       "health's, held",        protocol_of_health,    [OK,                     no("not_a_party"),      OK,                        no("not_a_party")]),
    ("ProtocolService/SubmitProtocol",       "centres', held",        protocol_of_centres,   [no("not_a_party"),      OK,                     OK,                        no("not_a_party")]),
    ("ProtocolService/SubmitRootPolicy",     "the one held",          root_policy,           [ROLE,                   ROLE,                   OK,                        ROLE]),
    ("ProtocolService/GetProtocol",          "health's",              isp_health,            [OK,                     OK,                     OK,                        OK]),
    ("ProtocolService/GetProtocol",          "none",                  isp_none,              [HIDDEN,                 HIDDEN,                 HIDDEN,                    HIDDEN]),
    ("ProtocolService/ListProtocols",        "",                      nothing,               [OK,                     OK,                     OK,                        OK]),
    ("ProtocolService/ExplainDecision",      "one's own",             explain_own,           [OK,                     OK,                     OK,                        OK]),
    ("ProtocolService/ExplainDecision",      "what dwp may",          explain_dwp,           [no("not_your_organisation"), no("not_your_organisation"), OK,            OK]),
    ("ReleaseService/PreviewRelease",        "a closed quarter",      quarter,               [ROLE,                   ROLE,                   asked("already_released"), ROLE]),
    ("ReleaseService/CloseQuarter",          "a closed quarter",      quarter,               [ROLE,                   ROLE,                   asked("already_released"), ROLE]),
    ("ReleaseService/ListReleases",          "",                      nothing,               [OK,                     OK,                     OK,                        OK]),
    ("ReleaseService/GetRelease",            "a closed quarter",      quarter,               [ROLE,                   ROLE,                   OK,                        OK]),
    ("ReleaseService/WithdrawRelease",       "no release",            withdraw_nothing,      [ROLE,                   ROLE,                   asked("not_found"),        ROLE]),
    ("RightsService/OpenCase",               "an unknown person",     open_case,             [OK,                      ROLE,                   OK,                        ROLE]),
    ("RightsService/OpenCase",               "a record never sent",   case_of_record,        [asked("invalid_argument"),ROLE,                   asked("invalid_argument"), ROLE]),
    ("RightsService/GetCase",                "one's own",             own_case,              [OK,                      ROLE,                   OK,                        ROLE]),
    ("RightsService/ListCases",              "",                      nothing,               [OK,                      ROLE,                   OK,                        ROLE]),
    ("RightsService/EndCase",                "no case",               no_case,               [asked("not_found"),      ROLE,                   asked("not_found"),        ROLE]),
    ("RightsService/ListNotices",            "",                      nothing,               [OK,                      ROLE,                   ROLE,                      ROLE]),
    ("RightsService/MatchNotices",           "a record never sent",   a_record,              [OK,                      ROLE,                   ROLE,                      ROLE]),
    ("RightsService/AcknowledgeNotices",     "no acknowledgement",    nothing,               [asked("invalid_argument"),ROLE,                   ROLE,                      ROLE]),
    ("RightsService/ProveCase",              "one's own, not yet due", own_case,             [asked("case_in_progress"), ROLE,                 asked("case_in_progress"), ROLE]),
    ("RightsService/ListOverdueNotices",     "",                      nothing,               [ROLE,                    ROLE,                   OK,                        OK]),
    ("SubjectService/AskReport",             "a wish",                ask_report,            [ROLE,                   ROLE,                   OK,                        ROLE]),
    ("SubjectService/ReportSubject",         "no such request",       nothing,               [ROLE,                   ROLE,                   asked("not_found"),        ROLE]),
    ("SubjectService/ListSubjectRequests",   "",                      nothing,               [ROLE,                   ROLE,                   OK,                        OK]),
    ("SubjectService/RelinkSubjects",        "",                      nothing,               [ROLE,                   ROLE,                   OK,                        ROLE]),
    ("SubjectService/MarkWithheld",          "a record never sent",   withhold,              [OK,                     ROLE,                   ROLE,                      ROLE]),
    ("RetentionService/PreviewRetention",    "until today",           nothing,               [ROLE,                   ROLE,                   OK,                        ROLE]),
    ("RetentionService/ProveRetention",      "",                      nothing,               [ROLE,                   ROLE,                   OK,                        OK]),
    // Last, as they change what the others see.
    ("ProtocolService/SuspendProtocol",      "learning's",            isp_learning,          [HIDDEN,                 ROLE,                   OK,                        ROLE]),
    ("ProtocolService/ResumeProtocol",       "a token alone",         isp_learning,          [asked("malformed_jws"), ROLE,                   asked("malformed_jws"),    ROLE]),
    ("ProtocolService/AdhereToProtocol",     "no deed at all",        no_deed,               [asked("malformed_jws"), ROLE,                   asked("malformed_jws"),    ROLE]),
    ("ProtocolService/RevokeProtocol",       "no paper at all",       no_revocation,         [asked("malformed_jws"), ROLE,                   asked("malformed_jws"),    ROLE]),
    ("ProtocolService/SuspendProtocol",      "health's",              isp_health,            [OK,                     ROLE,                   OK,                        ROLE]),
];

/// Callers who are not recognised, and what every RPC tells them.
const UNRECOGNISED: [(&str, Told); 5] = [
    ("a barred partner", no("certificate_revoked")),
    ("a certificate that is in no register", no("certificate_not_registered")),
    ("no token", no("token_missing")),
    ("a token that is bound to another certificate", no("token_bound_to_another_certificate")),
    ("no certificate", no(HANDSHAKE)),
];

/// What a caller is told whose handshake fails: nothing.
const HANDSHAKE: &str = "";

/// Services that hold nothing of anybody's and answer whoever can connect: every holder of
/// a certificate of the authority, also one whom the register bars or does not know.
#[rustfmt::skip]
const OPEN: &[(&str, Form)] = &[
    ("/grpc.health.v1.Health/Check", nothing),
    ("/grpc.health.v1.Health/Watch", nothing),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", list_services),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", list_services),
];

#[test]
fn every_rpc_has_a_row() {
    let files = prost_types::FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
    let mut rpcs = BTreeSet::new();
    for file in &files {
        for service in &file.service {
            assert_eq!(file.package(), "tallygate.v1", "{}", service.name());
            let methods = service.method.iter();
            rpcs.extend(methods.map(|method| format!("{}/{}", service.name(), method.name())));
        }
    }
    let rows: BTreeSet<String> = MATRIX.iter().map(|(rpc, ..)| (*rpc).to_owned()).collect();
    let missing: Vec<_> = rpcs.difference(&rows).collect();
    let unknown: Vec<_> = rows.difference(&rpcs).collect();
    assert!(missing.is_empty(), "give these RPCs a row in the access matrix: {missing:?}");
    assert!(unknown.is_empty(), "these rows are of no RPC: {unknown:?}");
    assert!(rpcs.len() >= 28, "the descriptor lost RPCs: {rpcs:?}");
}

#[tokio::test]
async fn every_caller_is_told_what_the_matrix_says() {
    let gateway = Copy::start().await;
    let (callers, strangers) = (recognised(&gateway).await, unrecognised(&gateway).await);
    let pretender = pretender(&gateway).await;
    let mut wrong = Vec::new();
    for (rpc, about, request, cells) in MATRIX {
        let (path, request) = (format!("/tallygate.v1.{rpc}"), request(&gateway));
        if let Told::Refused(_) = cells[0]
            && let Err(fault) = compare(cells[0], &pretender.call(&path, request.clone()).await)
        {
            wrong.push(format!("{rpc} ({about}) by {}: {fault}", pretender.name));
        }
        let cells = cells.iter().copied();
        let strange = UNRECOGNISED.iter().map(|(_, told)| *told);
        for (caller, expected) in callers.iter().chain(&strangers).zip(cells.chain(strange)) {
            let answer = caller.call(&path, request.clone()).await;
            if let Err(fault) = compare(expected, &answer) {
                wrong.push(format!("{rpc} ({about}) by {}: {fault}", caller.name));
            }
        }
    }
    for (path, request) in OPEN {
        for caller in callers.iter().chain(&strangers) {
            let answer = caller.call(path, request(&gateway)).await;
            let expected = if caller.name == "no certificate" { no(HANDSHAKE) } else { OK };
            if let Err(fault) = compare(expected, &answer) {
                wrong.push(format!("{path} by {}: {fault}", caller.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether an answer is the one expected; a refusal needs its receipt, but for a handshake
/// that failed, which never became a call.
fn compare(expected: Told, answer: &Result<(), Status>) -> Result<(), String> {
    match (expected, answer) {
        (Told::Answered, Ok(())) => Ok(()),
        (Told::Refused(HANDSHAKE), Err(status)) => {
            let transport = status.source().is_some() && status.details().is_empty();
            let code = matches!(status.code(), Code::Unavailable | Code::Unknown);
            if transport && code { Ok(()) } else { Err(format!("{status:?}")) }
        }
        (Told::Refused(word) | Told::Allowed(word), Err(status)) => match reason(status) {
            (told, true) if told == word => Ok(()),
            (told, logged) => Err(format!("{told:?} (logged: {logged}), not {word:?}")),
        },
        (expected, Ok(())) => Err(format!("answered, not {expected:?}")),
        (Told::Answered, Err(status)) => Err(format!("{:?}, not answered", reason(status))),
    }
}

type Token = MetadataValue<Ascii>;

/// Somebody with a connection, and perhaps a token.
struct Caller {
    name: &'static str,
    channel: Channel,
    token: Option<Token>,
}

impl Caller {
    /// Calls an RPC of any kind with one message and hears the answers out, or as many as a
    /// watch would ever give.
    async fn call(&self, path: &str, message: Vec<u8>) -> Result<(), Status> {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let mut request = Request::new(tokio_stream::once(message));
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        let endless = path.ends_with("/Watch");
        let mut answers = grpc.streaming(request, path.parse().unwrap(), Raw).await?.into_inner();
        let mut heard = 0;
        while let Some(_answer) = answers.message().await? {
            heard += 1;
            if endless {
                break;
            }
        }
        if heard == 0 { Err(Status::internal("no answer at all")) } else { Ok(()) }
    }
}

async fn recognised(gateway: &Copy) -> Vec<Caller> {
    let mut callers = Vec::new();
    for name in CALLERS {
        let (channel, token) = with_token(gateway, gateway.profile(name)).await;
        callers.push(Caller { name, channel, token });
    }
    callers
}

/// The sender with a token that claims every role and area: whatever the sender is refused
/// for who it is, it must be refused as well, in the same words.
async fn pretender(gateway: &Copy) -> Caller {
    let roles = [Provider, Consumer, DataOfficer, Auditor].to_vec();
    let areas = vec!["CC17".parse().unwrap(), "CC01".parse().unwrap()];
    let file = ProfileFile { roles, areas, ..gateway.profile("health") };
    let (channel, token) = with_token(gateway, file).await;
    Caller { name: "health, claiming every role", channel, token }
}

/// In the order of [`UNRECOGNISED`].
async fn unrecognised(gateway: &Copy) -> Vec<Caller> {
    let (officer, officers_token) = with_token(gateway, gateway.profile("officer")).await;
    let barred = with_token(gateway, gateway.profile("families")).await;
    let request = v1::DisablePartnerRequest { partner_id: "families".to_owned() };
    let bar = Caller { name: "officer", channel: officer.clone(), token: officers_token };
    bar.call("/tallygate.v1.PartnerService/DisablePartner", request.encode_to_vec()).await.unwrap();
    let issued = gateway.stranger.issue_client("stranger").unwrap();
    fs::write(gateway.path("stranger.pem"), issued.certificate_pem()).unwrap();
    fs::write(gateway.path("stranger.key"), issued.key_pem()).unwrap();
    let stranger = ProfileFile {
        certificate: "../stranger.pem".into(),
        key: "../stranger.key".into(),
        ..gateway.profile("officer")
    };
    let stranger = with_token(gateway, stranger).await;
    // An officer's token on the officer's connection, but made for another certificate.
    let other = stranger.1.clone();
    let nobody = (without_certificate(gateway), other.clone());
    let kinds = [barred, stranger, (officer.clone(), None), (officer, other), nobody];
    let names = UNRECOGNISED.iter().map(|(name, _)| *name);
    names.zip(kinds).map(|(name, (channel, token))| Caller { name, channel, token }).collect()
}

/// A connection and a token as a profile says.
async fn with_token(gateway: &Copy, file: ProfileFile) -> (Channel, Option<Token>) {
    use rand::{SeedableRng, rngs::StdRng};
    let profile = Profile::load(file, gateway.path("profiles")).unwrap();
    let clock = Arc::new(SystemClock);
    let rng = Box::new(StdRng::seed_from_u64(23));
    let connection = Gateway::connect(&profile, clock, rng).await.unwrap();
    (connection.channel(), Some(connection.tokens().authorization().unwrap()))
}

/// A connection that trusts the gateway and shows no certificate.
fn without_certificate(gateway: &Copy) -> Channel {
    let pem = fs::read(gateway.path("ca.pem")).unwrap();
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(&pem) {
        roots.add(authority.unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (tls, address) = (TlsConnector::from(Arc::new(config)), gateway.running.address());
    let connect = service_fn(move |_| {
        let tls = tls.clone();
        async move {
            let stream = TcpStream::connect(address).await?;
            let name = ServerName::try_from("localhost").unwrap();
            tls.connect(name, stream).await.map(TokioIo::new)
        }
    });
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect_with_connector_lazy(connect)
}

/// Messages as the bytes that they are.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut message = vec![0; bytes::Buf::remaining(buffer)];
        bytes::Buf::copy_to_slice(buffer, &mut message);
        Ok(Some(message))
    }
}
