//! Compiles the protos with protox, so that a Rust toolchain is all a build needs.

use prost::Message;
use std::{env, error::Error, fs, path::PathBuf};

const FILES: [&str; 15] = [
    "tallygate/v1/access_log.proto",
    "tallygate/v1/areas.proto",
    "tallygate/v1/blinding.proto",
    "tallygate/v1/consent.proto",
    "tallygate/v1/figures.proto",
    "tallygate/v1/intake.proto",
    "tallygate/v1/keys.proto",
    "tallygate/v1/partners.proto",
    "tallygate/v1/protocols.proto",
    "tallygate/v1/receipt.proto",
    "tallygate/v1/releases.proto",
    "tallygate/v1/rights.proto",
    "tallygate/v1/subjects.proto",
    "tallygate/v1/table_requests.proto",
    "tallygate/v1/retention.proto",
];

/// Messages that carry identifiers, names, addresses, birth dates or references: no
/// Debug, so that none can reach a log by accident.
const UNPRINTABLE: [&str; 25] = [
    ".tallygate.v1.PushRequest",
    ".tallygate.v1.RecordBatch",
    ".tallygate.v1.RecordRow",
    ".tallygate.v1.BlindedRow",
    ".tallygate.v1.BlindedReference",
    ".tallygate.v1.BlindedPerson",
    ".tallygate.v1.Consent",
    ".tallygate.v1.RecordConsentsRequest",
    ".tallygate.v1.WithdrawConsentRequest",
    ".tallygate.v1.GetConsentRequest",
    ".tallygate.v1.PostcodePlace",
    ".tallygate.v1.LoadPostcodesRequest",
    ".tallygate.v1.EraseRecordsRequest",
    ".tallygate.v1.FindRecordsRequest",
    ".tallygate.v1.OpenDetailRequest",
    ".tallygate.v1.DetailRecord",
    ".tallygate.v1.CaseRecord",
    ".tallygate.v1.CaseIdentity",
    ".tallygate.v1.OpenCaseRequest",
    ".tallygate.v1.EndCaseRequest",
    ".tallygate.v1.GetCaseRequest",
    ".tallygate.v1.ProveCaseRequest",
    ".tallygate.v1.MatchNoticesRequest",
    ".tallygate.v1.ReportSubjectRequest",
    ".tallygate.v1.MarkWithheldRequest",
];

#[expect(clippy::disallowed_methods, reason = "cargo hands a build script its folder this way")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?).join("descriptors.bin");
    fs::write(out, descriptors.encode_to_vec())?;
    tonic_prost_build::configure().skip_debug(UNPRINTABLE).compile_fds(descriptors)?;
    Ok(())
}
