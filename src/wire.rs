//! The generated protobuf code of `proto/tallygate/v1`.

#![expect(
    unused_qualifications,
    clippy::allow_attributes,
    clippy::too_many_lines,
    reason = "generated code"
)]

/// Package `tallygate.v1`.
pub mod v1 {
    tonic::include_proto!("tallygate.v1");
}

/// Every proto file with its comments, for reflection and for tests that read the list
/// of RPCs.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
