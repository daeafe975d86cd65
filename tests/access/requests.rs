//! The requests of the matrix, each well-formed.

use super::*;

/// Every field left out.
pub(super) fn nothing(_: &Copy) -> Vec<u8> {
    Vec::new()
}

pub(super) fn from_one(_: &Copy) -> Vec<u8> {
    v1::GetConsistencyProofRequest { from_size: 1, to_size: 0 }.encode_to_vec()
}

pub(super) fn tile_beyond(_: &Copy) -> Vec<u8> {
    v1::GetTileRequest { level: 0, index: u64::MAX, width: 256 }.encode_to_vec()
}

pub(super) fn load_areas(_: &Copy) -> Vec<u8> {
    v1::LoadAreasRequest { areas: Vec::new(), valid_from: "2026-01-01".to_owned() }.encode_to_vec()
}

pub(super) fn book(area: &str) -> Vec<u8> {
    v1::GetDataBookRequest {
        area: area.to_owned(),
        purposes: vec!["childrens_centre_planning".to_owned()],
        ..v1::GetDataBookRequest::default()
    }
    .encode_to_vec()
}

pub(super) fn book_of_own_area(_: &Copy) -> Vec<u8> {
    book("CC17")
}

pub(super) fn book_of_another(_: &Copy) -> Vec<u8> {
    book("CC01")
}

pub(super) fn find_births(_: &Copy) -> Vec<u8> {
    v1::FindFiguresRequest { question: "births".to_owned() }.encode_to_vec()
}

pub(super) fn ask_table(_: &Copy) -> Vec<u8> {
    let wanted = v1::WantedTable {
        title: "Fathers at centres".to_owned(),
        purpose: "childrens_centre_planning".to_owned(),
        reason: "A course is planned".to_owned(),
        cells: vec!["came".to_owned(), "none came".to_owned()],
        base: "reach_area".to_owned(),
        rhythm: "yearly".to_owned(),
        ..v1::WantedTable::default()
    };
    v1::AskTableRequest { wanted: Some(wanted) }.encode_to_vec()
}

pub(super) fn decide_nothing(_: &Copy) -> Vec<u8> {
    let reason = "Not now".to_owned();
    v1::DecideTableRequestRequest { number: 999, granted: false, reason }.encode_to_vec()
}

pub(super) fn consent(_: &Copy) -> Vec<u8> {
    v1::GetConsentRequest { consent_ref: "access-1".to_owned(), ..Default::default() }
        .encode_to_vec()
}

pub(super) fn ask_report(_: &Copy) -> Vec<u8> {
    let proof = v1::IdentityProof::Passport.into();
    v1::AskReportRequest { proof, received_on: String::new() }.encode_to_vec()
}

pub(super) fn withhold(_: &Copy) -> Vec<u8> {
    v1::MarkWithheldRequest {
        record_type: "health_review".to_owned(),
        record_ids: vec!["access-1".to_owned()],
        shown: false,
        reason: v1::WithholdReason::SeriousHarmHealth.into(),
    }
    .encode_to_vec()
}

pub(super) fn card(area: &str) -> Vec<u8> {
    let purposes = ["childrens_centre_planning", "inspection", "audit"].map(str::to_owned).to_vec();
    v1::GetCardRequest { area: area.to_owned(), quarter: String::new(), purposes }.encode_to_vec()
}

pub(super) fn card_of_own_area(_: &Copy) -> Vec<u8> {
    card("CC17")
}

pub(super) fn card_of_another(_: &Copy) -> Vec<u8> {
    card("CC01")
}

pub(super) fn query(area: &str) -> Vec<u8> {
    v1::QueryFiguresRequest {
        indicator: "registered".to_owned(),
        area: area.to_owned(),
        purpose: "childrens_centre_planning".to_owned(),
        ..v1::QueryFiguresRequest::default()
    }
    .encode_to_vec()
}

pub(super) fn query_own_area(_: &Copy) -> Vec<u8> {
    query("CC17")
}

pub(super) fn query_another(_: &Copy) -> Vec<u8> {
    query("CC01")
}

/// Opens a stream for a dry run, and sends nothing.
pub(super) fn push(protocol: &str, record_type: &str, columns: &[&str]) -> Vec<u8> {
    let open = v1::PushOpen {
        protocol_id: protocol.to_owned(),
        record_type: record_type.to_owned(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        extract_day: "2026-05-10".to_owned(),
        dry_run: true,
        ..v1::PushOpen::default()
    };
    let message = Some(v1::push_request::Message::Open(open));
    v1::PushRequest { message }.encode_to_vec()
}

pub(super) fn push_births(_: &Copy) -> Vec<u8> {
    let columns =
        ["record_id", "extracted_at", "event_date", "nhs_number", "date_of_birth", "plurality"];
    push("isp-health", "live_birth", &columns)
}

pub(super) fn push_registrations(_: &Copy) -> Vec<u8> {
    let columns = ["record_id", "extracted_at", "event_date", "date_of_birth", "local_id"];
    push("isp-centres", "registration", &columns)
}

pub(super) fn newcomer(_: &Copy) -> Vec<u8> {
    let partner = v1::Partner {
        partner_id: "newcomer".to_owned(),
        name: "A newcomer".to_owned(),
        org_code: "NEW01".to_owned(),
        ico_registration: "Z7654321".to_owned(),
        roles: vec![v1::CallerRole::Provider.into()],
        ..v1::Partner::default()
    };
    v1::PutPartnerRequest { partner: Some(partner) }.encode_to_vec()
}

pub(super) fn partner_health(_: &Copy) -> Vec<u8> {
    v1::GetPartnerRequest { partner_id: "health".to_owned() }.encode_to_vec()
}

pub(super) fn partner_newcomer(_: &Copy) -> Vec<u8> {
    v1::GetPartnerRequest { partner_id: "newcomer".to_owned() }.encode_to_vec()
}

pub(super) fn document(gateway: &Copy, name: &str) -> Vec<u8> {
    let document = fs::read_to_string(gateway.path(&format!("protocols/{name}.json"))).unwrap();
    v1::SubmitProtocolRequest { document }.encode_to_vec()
}

pub(super) fn protocol_of_health(gateway: &Copy) -> Vec<u8> {
    document(gateway, "isp-health")
}

pub(super) fn protocol_of_centres(gateway: &Copy) -> Vec<u8> {
    document(gateway, "isp-centres")
}

pub(super) fn root_policy(gateway: &Copy) -> Vec<u8> {
    document(gateway, "root-policy")
}

pub(super) fn isp_health(_: &Copy) -> Vec<u8> {
    v1::SuspendProtocolRequest { protocol_id: "isp-health".to_owned() }.encode_to_vec()
}

pub(super) fn isp_none(_: &Copy) -> Vec<u8> {
    v1::SuspendProtocolRequest { protocol_id: "isp-none".to_owned() }.encode_to_vec()
}

pub(super) fn isp_learning(_: &Copy) -> Vec<u8> {
    v1::SuspendProtocolRequest { protocol_id: "isp-learning".to_owned() }.encode_to_vec()
}

pub(super) fn no_deed(_: &Copy) -> Vec<u8> {
    v1::AdhereToProtocolRequest { document: "{}".to_owned() }.encode_to_vec()
}

pub(super) fn no_revocation(_: &Copy) -> Vec<u8> {
    v1::RevokeProtocolRequest { document: "{}".to_owned() }.encode_to_vec()
}

pub(super) fn explain(partner: &str) -> Vec<u8> {
    v1::ExplainDecisionRequest {
        partner_id: partner.to_owned(),
        purpose: "childrens_centre_planning".to_owned(),
        table: "engagement".to_owned(),
        area: "CC17".to_owned(),
        ..v1::ExplainDecisionRequest::default()
    }
    .encode_to_vec()
}

pub(super) fn explain_own(_: &Copy) -> Vec<u8> {
    explain("")
}

pub(super) fn explain_dwp(_: &Copy) -> Vec<u8> {
    explain("dwp")
}

pub(super) fn quarter(_: &Copy) -> Vec<u8> {
    v1::CloseQuarterRequest { quarter: "2026Q1".to_owned(), accepted_warnings: vec![] }
        .encode_to_vec()
}

pub(super) fn undo_nothing(_: &Copy) -> Vec<u8> {
    v1::UndoStreamRequest {
        opened_leaf_index: 0,
        opened_leaf_hash: vec![0; 32],
        reason: v1::UndoReason::WrongFile.into(),
    }
    .encode_to_vec()
}

pub(super) fn evaluate(_: &Copy) -> Vec<u8> {
    let opening = v1::PushOpen {
        protocol_id: "isp-health".to_owned(),
        record_type: "live_birth".to_owned(),
        extract_day: "2026-05-10".to_owned(),
        blinded: Some(v1::BlindedStream::default()),
        ..v1::PushOpen::default()
    };
    v1::EvaluateRequest { opening: Some(opening), elements: vec![vec![1; 32]] }.encode_to_vec()
}

pub(super) fn a_record(_: &Copy) -> Vec<u8> {
    let (record_type, record_ids) = ("health_review".to_owned(), vec!["access-1".to_owned()]);
    v1::EraseRecordsRequest { record_type, record_ids }.encode_to_vec()
}

pub(super) fn open_case(_: &Copy) -> Vec<u8> {
    let identity = v1::CaseIdentity {
        nhs_number: crate::support::stream::nhs_number(89_000),
        date_of_birth: "2024-02-28".to_owned(),
        ..v1::CaseIdentity::default()
    };
    case(v1::open_case_request::Subject::Identity(identity), "access-1")
}

pub(super) fn case_of_record(_: &Copy) -> Vec<u8> {
    let (record_type, record_id) = ("health_review".to_owned(), "access-1".to_owned());
    let record = v1::CaseRecord { record_type, record_id };
    case(v1::open_case_request::Subject::Record(record), "access-2")
}

pub(super) fn case(subject: v1::open_case_request::Subject, case_ref: &str) -> Vec<u8> {
    let request = v1::OpenCaseRequest {
        case_ref: case_ref.to_owned(),
        kind: v1::CaseKind::Restriction.into(),
        given_by: v1::ConsentGiver::Parent.into(),
        requested_on: "2026-05-01".to_owned(),
        subject: Some(subject),
    };
    request.encode_to_vec()
}

pub(super) fn own_case(_: &Copy) -> Vec<u8> {
    v1::GetCaseRequest { case_ref: "access-1".to_owned() }.encode_to_vec()
}

pub(super) fn no_case(_: &Copy) -> Vec<u8> {
    v1::EndCaseRequest { case_ref: "access-9".to_owned() }.encode_to_vec()
}

pub(super) fn withdraw_nothing(_: &Copy) -> Vec<u8> {
    let notice = "Counted from a wrong file.".to_owned();
    v1::WithdrawReleaseRequest { quarter: "2020Q1".to_owned(), notice }.encode_to_vec()
}

pub(super) fn destroy_keys(_: &Copy) -> Vec<u8> {
    let reason = v1::DestroyKeysReason::Replaced.into();
    v1::DestroyKeysRequest { version: 1, reason }.encode_to_vec()
}

pub(super) fn list_services(_: &Copy) -> Vec<u8> {
    use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_request};
    let list = server_reflection_request::MessageRequest::ListServices("*".to_owned());
    ServerReflectionRequest { host: String::new(), message_request: Some(list) }.encode_to_vec()
}
