//! Officers' signed words about protocols, with the keys of the demo.

use super::output;
use serde_json::json;
use std::{fs, path::Path};
use tallygate::wire::v1::ProtocolEntry;

/// Signs that what stands suspended in a line of the register resumes. `key`: `health-siro`, ...
pub(crate) fn reinstating(dir: &Path, entry: &ProtocolEntry, key: &str) -> String {
    let (party, role) = key.split_once('-').unwrap();
    let paper = json!({
        "schema": 1,
        "reinstates": {
            "protocol": entry.protocol_id,
            "version": entry.version,
            "digest": hex::encode(&entry.digest),
        },
        "suspension": entry.suspension,
        "suspended": entry.suspended,
        "party": party,
        "office": role,
    });
    let file = dir.join(format!("word-{}-{key}.json", entry.protocol_id));
    fs::write(&file, paper.to_string()).unwrap();
    let (file, pem) = (file.to_str().unwrap(), dir.join(format!("keys/{key}.pem")));
    let sign = ["protocol", "sign", file, "--key", pem.to_str().unwrap(), "--party", party];
    output(&[&sign[..], &["--role", role, "--out", file]].concat(), 0);
    // Anybody verifies it without a gateway, whom the keys are at hand.
    let keys = dir.join("jwks.json");
    if keys.exists() {
        output(&["protocol", "verify", file, "--keys", keys.to_str().unwrap()], 0);
    }
    fs::read_to_string(file).unwrap()
}
