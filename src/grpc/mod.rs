//! The gRPC services: thin. They recognise the caller, translate between wire and domain,
//! and answer only with what is logged. No rule lives here.

mod access_log;
mod areas;
mod consents;
mod figures;
mod frame;
mod intake;
mod keys;
mod partners;
mod protocols;
mod reading;
mod releases;
mod router;
mod status;

pub use access_log::AccessLogService;
pub use areas::AreaService;
pub use consents::ConsentService;
pub use figures::FigureService;
pub use frame::Frame;
pub use intake::IntakeService;
pub use keys::KeyService;
pub use partners::PartnerService;
pub use protocols::ProtocolService;
pub use releases::ReleaseService;
pub use router::{Services, server, services};

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
