//! Receipts as people keep them: single files, folders of them, the reports of pushes, and
//! answers that other clients wrote down as JSON.

use super::{CliError, partner_file::read_text};
use crate::verify::Receipt;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A receipt, or a file that should hold one and does not.
pub(super) struct Kept {
    /// The file.
    pub(super) path: PathBuf,
    /// The receipt; `None` where it can't be read as one.
    pub(super) receipt: Option<Receipt>,
}

/// The receipts of files and folders, in order. A folder is searched for `*.json`, also below.
///
/// # Errors
/// When a file or folder can't be read.
pub(super) fn read_receipts(paths: &[PathBuf]) -> Result<Vec<Kept>, CliError> {
    let mut kept = Vec::new();
    for path in paths {
        let files = if path.is_dir() { receipt_files(path)? } else { vec![path.clone()] };
        for path in files {
            let mut found = Vec::new();
            if let Ok(value) = serde_json::from_str(&read_text(&path)?) {
                receipts_of(value, &mut found);
            }
            if found.is_empty() {
                found.push(None);
            }
            let one = |receipt| Kept { path: path.clone(), receipt };
            kept.extend(found.into_iter().map(one));
        }
    }
    Ok(kept)
}

/// Every receipt that a file holds: it may be one itself, or a push's report with many, or an
/// answer with one.
fn receipts_of(value: Value, found: &mut Vec<Option<Receipt>>) {
    match value {
        Value::Object(ref fields) if fields.contains_key("leaf_hash") => {
            found.push(serde_json::from_value(value).ok());
        }
        Value::Object(fields) if fields.contains_key("leafHash") => {
            found.push(from_wire_json(&Value::Object(fields)));
        }
        Value::Object(fields) => fields.into_iter().for_each(|(_, v)| receipts_of(v, found)),
        Value::Array(items) => items.into_iter().for_each(|v| receipts_of(v, found)),
        _ => {}
    }
}

/// A receipt in the JSON that protobuf's tools write: camel case, numbers as text, and what is
/// zero or empty left out.
fn from_wire_json(value: &Value) -> Option<Receipt> {
    let index = match value.get("leafIndex") {
        None => 0,
        Some(Value::String(text)) => text.parse::<u64>().ok()?,
        Some(number) => number.as_u64()?,
    };
    let leaf = match value.get("leaf") {
        None => None,
        Some(leaf) => Some(String::from_utf8(STANDARD.decode(leaf.as_str()?).ok()?).ok()?),
    };
    let ours = json!({
        "leaf": leaf,
        "leaf_index": index,
        "leaf_hash": value.get("leafHash")?,
        "checkpoint": value.get("checkpoint")?,
        "proof": value.get("inclusionProof").cloned().unwrap_or(json!([])),
    });
    serde_json::from_value(ours).ok()
}

/// Every `*.json` in the folder and below, in order.
fn receipt_files(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let unreadable = |source| CliError::Unreadable { path: folder.clone(), source };
        for item in fs::read_dir(&folder).map_err(unreadable)? {
            let item = item.map_err(unreadable)?;
            let path = item.path();
            if item.file_type().map_err(unreadable)?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "json") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_found_wherever_clients_put_them() {
        let hash = STANDARD.encode([7; 32]);
        let ours =
            json!({ "leaf_index": 3, "leaf_hash": hash, "checkpoint": "c", "proof": [hash] });
        let wire = json!({ "leafHash": hash, "checkpoint": "c", "leaf": STANDARD.encode("{}") });
        let wire_later = json!({
            "leafIndex": "9", "leafHash": hash, "checkpoint": "c", "inclusionProof": [hash],
        });
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, value: Value| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, value.to_string()).unwrap();
        };
        write("a.json", json!({ "sessions": [{ "opened": ours }, { "batches": [ours] }] }));
        write("b/c.json", json!({ "receipt": wire, "other": [wire_later] }));
        write("b/none.json", json!({ "leaf_hash": "short" }));
        write("b/passed-over.txt", ours);
        let kept = read_receipts(&[folder.path().to_owned()]).unwrap();
        let index = |kept: &Kept| kept.receipt.as_ref().map(|r| (r.leaf_index, r.proof.len()));
        let found: Vec<_> = kept.iter().map(index).collect();
        assert_eq!(found, [Some((3, 1)), Some((3, 1)), Some((9, 1)), Some((0, 0)), None]);
        let leaf = |kept: &Kept| kept.receipt.as_ref().and_then(|receipt| receipt.leaf.clone());
        let leaves: Vec<_> = kept.iter().map(leaf).collect();
        assert_eq!(leaves, [None, None, None, Some("{}".to_owned()), None]);
        assert!(read_receipts(&[folder.path().join("absent.json")]).is_err());
    }
}
