//! The gRPC services: thin. They recognise the caller, translate between wire and domain,
//! and answer only with what is logged. No rule lives here.

mod access_log;
mod admission;
mod areas;
mod blinding;
mod book;
mod consents;
mod crowd;
mod entry_stream;
mod figures;
mod frame;
mod intake;
mod keys;
mod observe;
mod partners;
mod protocols;
mod reading;
mod releases;
mod retention;
mod rights;
mod router;
mod status;
mod subjects;
mod table_requests;

pub use access_log::AccessLogService;
pub use areas::AreaService;
pub(crate) use areas::area_set;
pub use blinding::BlindingService;
pub use consents::ConsentService;
pub use crowd::{Crowd, NoPlace, Place, Places};
pub use figures::FigureService;
pub use frame::Frame;
pub use intake::IntakeService;
pub use keys::KeyService;
pub use observe::Observer;
pub use partners::PartnerService;
pub use protocols::ProtocolService;
pub use releases::ReleaseService;
pub use retention::RetentionService;
pub use rights::RightsService;
pub use router::{Services, server, services};
pub use subjects::SubjectService;
pub use table_requests::TableRequestService;

use crate::{audit, wire::v1};

/// A receipt on the wire.
pub(crate) fn receipt(receipt: &audit::Receipt) -> v1::Receipt {
    v1::Receipt {
        leaf_index: receipt.leaf_index,
        leaf_hash: receipt.leaf_hash.as_bytes().to_vec(),
        checkpoint: receipt.checkpoint.clone(),
        inclusion_proof: receipt.proof.iter().map(|hash| hash.as_bytes().to_vec()).collect(),
        leaf: receipt.leaf.clone(),
    }
}
