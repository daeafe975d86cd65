//! Proving a case: that it was opened, that what it wanted erased is gone, and what its opener's
//! own organisation acknowledged, as a document that anybody checks offline with the log's key.
//!
//! The gateway looks live, and states what it found under a leaf of its own. Where something
//! that is due is still there it states nothing. Other parties' acknowledgements are not in
//! it: who else holds a record of the subject is not the opener's to know; that all have
//! acknowledged in time, or not, is (from the day on by which they had to).

use super::{
    answer::Progress,
    journal::stored_forms,
    open::{digest, statement},
};
use crate::{
    audit::{
        Hash, Leaf, LeafKind,
        tree::{inclusion_proof, tiles_for_inclusion},
    },
    domain::FeedId,
    gateway::{Actor, Denied, Gateway, GatewayError, RefusalKind, Refused},
    keys::PseudonymDomain,
    protocol::{Envelope, KeyRegister},
    store::{
        Effect, Logged, Rights, StoreError, Tx,
        cases::{self, Case, Notice},
        erasures, feeds, log, records,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rand::Rng;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fmt::Write};

/// The version of the document's form.
const SCHEMA: u32 = 1;

impl Gateway {
    /// Proves a case of the caller's own; the answer is the document's text, JSON.
    ///
    /// # Errors
    /// `wrong_role`; `not_found`; `case_in_progress` before the day is over by which every party
    /// has to have acknowledged; `not_erased` while something due is still there.
    pub async fn prove_case(
        &self,
        actor: &Actor,
        case_ref: String,
    ) -> Result<Logged<String>, Denied> {
        let case = self.own_case(actor, case_ref).await?;
        let told = self.tell(actor, &self.snapshot(), &case).await?;
        if told.progress == Progress::InProgress {
            let sentence =
                "the parties have until the day that the case is due; ask again after it";
            let refused = Refused::new(RefusalKind::Conflict, "case_in_progress", sentence);
            return Err(self.refuse_malformed(actor, refused).await);
        }
        if !self.is_erased(&case).await? {
            let sentence = "what the case wants erased is not all gone; ask again tomorrow";
            let refused = Refused::new(RefusalKind::Conflict, "not_erased", sentence);
            return Err(self.refuse_malformed(actor, refused).await);
        }
        let mut nonce = [0; 16];
        self.rng().fill_bytes(&mut nonce);
        let stated = serde_json_canonicalizer::to_string(&json!({
            "acknowledgements": told.progress.code(),
            "case": hex::encode(case.key),
            "looked_on": self.today().to_string(),
            "nonce": hex::encode(nonce),
            "to_be_erased": "none is in the stores",
        }))
        .unwrap_or_default();
        let mut leaf = actor.leaf(LeafKind::CaseProved, self);
        leaf.notes.document = Some(digest(&stated));
        let logged = self.commit_for(actor, leaf, || Effect::None).await?;
        let text = self.proof_of(actor, &case, &stated, logged.place()).await?;
        Ok(logged.map(|_| text))
    }

    /// Whether nothing that the case wants erased is stored any more.
    async fn is_erased(&self, case: &Case) -> Result<bool, GatewayError> {
        let keys = self.keys();
        let mut tx = self.store.read(Rights::Intake).await?;
        if cases::erasing(&mut tx, case.id).await? > 0 {
            return Ok(false);
        }
        let notices = cases::notices_of(&mut tx, case.id).await?;
        for notice in notices.iter().filter(|notice| notice.effect == cases::ERASE) {
            let forms = stored_forms(&keys, &notice.token, PseudonymDomain::Record)?;
            if !records::sent(&mut tx, notice.feed, &forms).await?.is_empty()
                || !erasures::waiting(&mut tx, notice.feed, &forms).await?.is_empty()
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn proof_of(
        &self,
        actor: &Actor,
        case: &Case,
        stated: &str,
        proved: u64,
    ) -> Result<String, GatewayError> {
        let mut tx = self.store.read(Rights::Figures).await?;
        let opening = statement(case).ok_or(GatewayError::Conflict)?;
        let opened = find(&mut tx, case.opened_at, LeafKind::CaseOpened, Some(&opening)).await?;
        let mut leaves = vec![entry(&mut tx, "opened", opened, Some(&opening)).await?];
        // What was asked by then was erased by the end of that day at the latest.
        if let Some(day) = next(&mut tx, case.opened_at, LeafKind::Erasures).await? {
            leaves.push(entry(&mut tx, "day_of_erasures", day, None).await?);
        }
        let own: BTreeSet<FeedId> = feeds::all(&mut tx)
            .await?
            .into_iter()
            .filter(|(_, partner, _)| *partner == actor.partner)
            .map(|(feed, ..)| feed)
            .collect();
        let notices = cases::notices_of(&mut tx, case.id).await?;
        let given = notices.into_iter().filter(|n| own.contains(&n.feed) && n.acknowledged_at != 0);
        let given: BTreeSet<(i64, String)> =
            given.map(|n: Notice| (n.acknowledged_at, n.acknowledgement)).collect();
        for (at, document) in given {
            let place = find(&mut tx, at, LeafKind::NoticesAcknowledged, Some(&document)).await?;
            let mut shown = entry(&mut tx, "acknowledged", place, Some(&document)).await?;
            shown["key"] = json!(self.key_of(&document));
            leaves.push(shown);
        }
        let place = place_of(&mut tx, proved).await?;
        leaves.push(entry(&mut tx, "stated", place, Some(stated)).await?);
        drop(tx);
        let proof = json!({ "schema": SCHEMA, "kind": "tallygate-case-proof", "leaves": leaves });
        serde_json::to_string_pretty(&proof).map_err(|_| GatewayError::Conflict)
    }
}

impl Gateway {
    /// The public key that an acknowledgement is signed with, base64url.
    fn key_of(&self, document: &str) -> Option<String> {
        let envelope = Envelope::parse(document.as_bytes()).ok()?;
        let kid = &envelope.headers().next()?.kid;
        let snapshot = self.snapshot();
        let key = snapshot.register().key(kid)?;
        Some(URL_SAFE_NO_PAD.encode(key.public_key))
    }
}

/// Where an entry is: its log's base, and its index there.
type Place = (u64, u64);

/// The logs of all years: base and size of each, oldest first.
async fn logs(tx: &mut Tx) -> Result<Vec<log::Head>, StoreError> {
    let mut all = log::past(tx).await?;
    all.extend(log::head(tx).await?);
    all.sort_by_key(|head| head.base);
    Ok(all)
}

async fn place_of(tx: &mut Tx, place: u64) -> Result<Place, StoreError> {
    let of = logs(tx).await?.into_iter().rfind(|head| head.base <= place);
    of.map(|head| (head.base, place - head.base)).ok_or(StoreError::LogDamaged)
}

async fn leaf_at(tx: &mut Tx, (base, index): Place) -> Result<Leaf, StoreError> {
    let bytes = log::entries_of(tx, base, index, index + 1).await?.pop();
    let bytes = bytes.ok_or(StoreError::LogDamaged)?;
    Leaf::decode(&bytes).map_err(|_| StoreError::LogDamaged)
}

/// The first entry of a time or later: the log's times never go back.
async fn first_at(tx: &mut Tx, at: i64) -> Result<Vec<(u64, u64, u64)>, StoreError> {
    let mut found = Vec::new();
    for head in logs(tx).await? {
        let (mut low, mut high) = (0, head.size);
        while low < high {
            let middle = low + (high - low) / 2;
            if leaf_at(tx, (head.base, middle)).await?.at.as_microsecond() < at {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        found.push((head.base, low, head.size));
    }
    Ok(found)
}

/// The entry of a kind and time, that names a document.
async fn find(
    tx: &mut Tx,
    at: i64,
    kind: LeafKind,
    document: Option<&str>,
) -> Result<Place, StoreError> {
    let document: Option<Hash> = document.map(digest);
    for (base, first, size) in first_at(tx, at).await? {
        for index in first..size {
            let leaf = leaf_at(tx, (base, index)).await?;
            if leaf.at.as_microsecond() > at {
                break;
            }
            if leaf.kind == kind && leaf.notes.document == document {
                return Ok((base, index));
            }
        }
    }
    Err(StoreError::LogDamaged)
}

/// The first entry of a kind from a time on.
async fn next(tx: &mut Tx, at: i64, kind: LeafKind) -> Result<Option<Place>, StoreError> {
    const AT_ONCE: u64 = 1_000;
    for (base, first, size) in first_at(tx, at).await? {
        let mut index = first;
        while index < size {
            let until = size.min(index + AT_ONCE);
            for bytes in log::entries_of(tx, base, index, until).await? {
                let leaf = Leaf::decode(&bytes).map_err(|_| StoreError::LogDamaged)?;
                if leaf.kind == kind {
                    return Ok(Some((base, index)));
                }
                index += 1;
            }
        }
    }
    Ok(None)
}

/// An entry with its proof (C2SP tlog-proof) and the document that it names.
async fn entry(
    tx: &mut Tx,
    what: &'static str,
    (base, index): Place,
    document: Option<&str>,
) -> Result<Value, GatewayError> {
    let head = logs(tx).await?.into_iter().find(|head| head.base == base);
    let head = head.ok_or(StoreError::LogDamaged)?;
    let bytes = log::entries_of(tx, base, index, index + 1).await?.pop();
    let bytes = bytes.ok_or(StoreError::LogDamaged)?;
    let needed = tiles_for_inclusion(head.size, index)?;
    let tiles = log::tiles_of(tx, base, head.size, &needed).await?;
    let mut proof = format!("c2sp.org/tlog-proof@v1\nindex {index}\n");
    for hash in inclusion_proof(&tiles, head.size, index)? {
        // Writing to a String can't fail.
        let _ = writeln!(proof, "{}", STANDARD.encode(hash.as_bytes()));
    }
    proof.push('\n');
    proof.push_str(&head.checkpoint);
    let text = String::from_utf8(bytes).map_err(|_| StoreError::LogDamaged)?;
    Ok(json!({ "what": what, "entry": text, "proof": proof, "document": document }))
}
