//! Proving a case: that it was opened, that what it wanted erased is gone, and what its opener's
//! own organisation acknowledged, as a document that anybody checks offline with the log's key.
//!
//! The gateway looks live, by everything that the subject is known by, and states what it found
//! under a leaf of its own. Where something that is due is still there, or its bytes are, it
//! states nothing. Nothing of other parties is in it: who else holds a record of the subject, or
//! has acknowledged, is not the opener's to know. The days' erasures are not in it either: their
//! size class would count what others erased.

use super::{
    answer::Progress,
    journal::stored_forms,
    notices::public_id,
    open::{digest, statement},
    subject::Known,
};
use crate::{
    audit::{
        Hash, Leaf, LeafKind,
        tree::{inclusion_proof, tiles_for_inclusion},
    },
    gateway::{Actor, Denied, Gateway, GatewayError, RefusalKind, Refused},
    keys::PseudonymDomain,
    protocol::{Choice, Envelope, KeyRegister},
    store::{
        Effect, Logged, Rights, StoreError, Tx,
        cases::{self, Case, Notice},
        erasures, log, records,
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
        if self.store.owes_scrub().await? {
            let sentence = "what was erased is not yet scrubbed from the database's files; ask \
                            again when it is";
            let refused = Refused::new(RefusalKind::Conflict, "not_scrubbed", sentence);
            return Err(self.refuse_malformed(actor, refused).await);
        }
        if !self.is_erased(&case).await? {
            let sentence = "what the case wants erased is not all gone; ask again tomorrow";
            let refused = Refused::new(RefusalKind::Conflict, "not_erased", sentence);
            return Err(self.refuse_malformed(actor, refused).await);
        }
        let mut nonce = [0; 16];
        self.rng().fill_bytes(&mut nonce);
        let (own, keys) = (self.own_notices_of(&case).await?, self.keys());
        let ids = |acknowledged: bool| {
            let of = own.iter().filter(|notice| (notice.acknowledged_at != 0) == acknowledged);
            of.map(|notice| public_id(&keys, notice.id)).collect::<BTreeSet<String>>()
        };
        let stated = serde_json_canonicalizer::to_string(&json!({
            "acknowledged": ids(true),
            "case": hex::encode(case.key),
            "looked_on": self.today().to_string(),
            "nonce": hex::encode(nonce),
            "not_acknowledged": ids(false),
            "to_be_erased": "none is in the stores or their files",
        }))
        .unwrap_or_default();
        let mut leaf = actor.leaf(LeafKind::CaseProved, self);
        leaf.notes.document = Some(digest(&stated));
        let logged = self.commit_for(actor, leaf, || Effect::None).await?;
        let text = self.proof_of(&case, &stated, logged.place()).await?;
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
        // Whatever is stored of the subject now, by everything that it is known by.
        let tokens = cases::suppressions(&mut tx, case.id).await?.into_iter().collect();
        let persons = self.persons_known_by(&mut tx, &keys, &tokens).await?;
        let records = cases::records_of(&mut tx, &persons).await?;
        let known = Known { tokens, records, ..Known::default() };
        let corrupt = StoreError::Corrupt { table: "rights_case", column: "kind", row: case.id };
        let choice = Choice::from_number(case.choice).ok_or(corrupt)?;
        let (snapshot, about) = (self.snapshot(), (choice, &case.partner));
        let left = self.stopped(&mut tx, &keys, &snapshot, about, 0, &known).await?;
        Ok(left.iter().all(|stopped| stopped.effect != cases::ERASE))
    }

    async fn proof_of(
        &self,
        case: &Case,
        stated: &str,
        proved: u64,
    ) -> Result<String, GatewayError> {
        let own = self.own_notices_of(case).await?;
        let mut tx = self.store.read(Rights::Figures).await?;
        let opening = statement(case).ok_or(GatewayError::Conflict)?;
        let opened = find(&mut tx, case.opened_at, LeafKind::CaseOpened, Some(&opening)).await?;
        let mut leaves = vec![entry(&mut tx, "opened", opened, Some(&opening)).await?];
        let given = own.into_iter().filter(|notice| notice.acknowledged_at != 0);
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
