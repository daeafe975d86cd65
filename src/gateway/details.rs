//! What the private detail of each kind of act is, and how it is kept.
//!
//! A leaf is for ever and read by auditors without asking; what it does not say is committed to
//! in it ([`crate::audit::detail`]) and kept beside the log, sealed, to be opened one item at a
//! time ([`super::open_detail`]), each opening being a leaf itself.
//!
//! | Act | Items | Why off the log |
//! |---|---|---|
//! | a batch | one a record that it brought or withdrew: the sender's id of it, keyed; whether it came or went; a salted hash of what is kept of it. Rows sent before or rejected changed nothing and are none. | so that "was this record part of that batch" has a proof, and erasing a record leaves its neighbours theirs |
//! | a card, a query, a data book, and the refusal of one | one: the caller as its partner calls it, what was asked in words, and every table, release and protocol version that the answer came from | a name of a member of staff; words that the leaf has no place for. The leaf names the leading table and the last release alone |
//! | consents | one a consent: its reference, keyed; state; day | as records. An erased record does not take its consent along: that it was refused must go on being honoured |
//! | a look at one's own records, or wanting them erased | one: the caller's words, and which of the two it was; not which records | a leaf of an erasure would time it ([`super::erase`]) |
//! | the day's erasures | one an erased item: its batch's commitment and number | the leaf says a class of sizes alone |
//! | the day's retention | one a record type, in the same order every day: the class of sizes of what was let go | the leaf says the class of all together |
//! | a check of retention | one: as of which day, of how many feeds | as a query |
//! | an opening | one: who opened which item of which entry | as a query |
//!
//! Everything else that a leaf is about it says itself, or names by a digest of a document that
//! the gateway keeps and shows.
//!
//! Words are those of the log's alphabet ([`Token`]: short, without a run of nine digits) or
//! are left out, so that no identifier gets in by a caller's mistake. Kept forms are sealed
//! (AES-256-GCM, bound to table, column and row): a batch's to its number; another act's to
//! the first bytes of its commitment, since its leaf has no index yet. What is unsealed is
//! compared with the leaf's commitment before anything of it is shown.
//!
//! What this does not show: that a keyed id stands for the record that was asked for. Only who
//! holds the pseudonym key can say that, and it must: an unkeyed hash of a record's id could be
//! tried by whoever holds the database.

use super::{Gateway, GatewayError};
use crate::{
    audit::{Hash, Item, KeptDetail, Leaf, Slot, Token, detail},
    domain::BatchId,
    keys::Cell,
    store::{
        Rights,
        details::{self, Kept},
        subjects,
    },
};
use rand::Rng;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// Details that are sealed anew in one transaction.
const AT_ONCE: i64 = 64;

const fn batch_cell(batch: BatchId) -> Cell {
    Cell { table: "batch_detail", column: "sealed", row: batch.number() }
}

const fn act_cell(mark: i64) -> Cell {
    Cell { table: "act_detail", column: "sealed", row: mark }
}

/// The part of a commitment that a sealed detail is bound to.
fn mark(commitment: &Hash) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&commitment.as_bytes()[..8]);
    i64::from_be_bytes(first)
}

/// A word that a detail may hold: one of the log's alphabet, or nothing.
pub(super) fn word(text: &str) -> Value {
    match text.parse::<Token>() {
        Ok(word) => Value::String(word.as_str().to_owned()),
        Err(_) if text.is_empty() => Value::String(String::new()),
        Err(_) => Value::Null,
    }
}

/// What a caller asked, in its own words, beside the name by which its partner calls it.
pub(super) fn words(
    caller: Option<&str>,
    said: impl IntoIterator<Item = (&'static str, Value)>,
) -> Item {
    let mut all = Map::new();
    all.extend(said.into_iter().map(|(name, value)| (name.to_owned(), value)));
    if let Some(caller) = caller {
        all.insert("user".to_owned(), Value::String(caller.to_owned()));
    }
    Item::Words(canonical(&Value::Object(all)))
}

/// JSON in RFC 8785 form: names in order, no spaces. There are no numbers but small integers.
fn canonical(value: &Value) -> String {
    serde_json_canonicalizer::to_string(value).unwrap_or_default()
}

impl Gateway {
    /// Commits a leaf to items, and hands over what is to be kept with it. `alone`: the act
    /// never has more than one.
    pub(super) fn keep(
        &self,
        leaf: &mut Leaf,
        items: Vec<Item>,
        alone: bool,
    ) -> Result<Kept, GatewayError> {
        let mut rng = self.rng();
        let size = u32::try_from(detail::filled(items.len(), alone)).unwrap_or(u32::MAX);
        let mut salt = || {
            let mut salt = [0; 16];
            rng.fill_bytes(&mut salt);
            salt
        };
        let filling = salt();
        let slots = items.into_iter().map(|item| Slot::Open(salt(), item)).collect();
        let kept = KeptDetail { filling, size, slots };
        let commitment = kept.detail().commitment()?;
        let mark = mark(&commitment);
        let plain = Zeroizing::new(kept.encode());
        let sealed = self.keys().sealer.seal(act_cell(mark), &plain, &mut rng)?;
        leaf.detail = Some(commitment);
        Ok(Kept { mark, sealed })
    }

    /// An act's detail, unsealed; `None` when it is not what was sealed.
    pub(super) fn unseal_act(&self, kept: &Kept) -> Result<Option<KeptDetail>, GatewayError> {
        let plain = self.keys().sealer.open(act_cell(kept.mark), &kept.sealed)?;
        Ok(KeptDetail::decode(&plain))
    }

    /// A batch's detail, sealed.
    pub(super) fn seal_batch(
        &self,
        batch: BatchId,
        detail: &KeptDetail,
    ) -> Result<Vec<u8>, GatewayError> {
        let plain = Zeroizing::new(detail.encode());
        Ok(self.keys().sealer.seal(batch_cell(batch), &plain, &mut self.rng())?)
    }

    /// A batch's detail, unsealed; `None` when it is not what was sealed.
    pub(super) fn unseal_batch(
        &self,
        batch: BatchId,
        sealed: &[u8],
    ) -> Result<Option<KeptDetail>, GatewayError> {
        let plain = self.keys().sealer.open(batch_cell(batch), sealed)?;
        Ok(KeptDetail::decode(&plain))
    }

    /// Seals every kept detail anew that is not under the current sealing key, and tells how
    /// many there were. Before a sealing key is destroyed this must have run: what it alone
    /// opens is gone with it.
    ///
    /// # Errors
    /// When the store can't be written, or one does not open.
    pub async fn reseal_details(&self) -> Result<u64, GatewayError> {
        let mut renewed = 0;
        let mut after = BatchId::new(i64::MIN);
        loop {
            // Erasing writes these rows, too: each transaction takes them as they are.
            let mut tx = self.store.transact(Rights::Intake).await?;
            subjects::link_alone(&mut tx).await?;
            let rows = details::batches_after(&mut tx, after, AT_ONCE).await?;
            let Some((last, _)) = rows.last() else { break };
            after = *last;
            for (batch, old) in rows {
                if let Some(new) = self.renewed(batch_cell(batch), &old)? {
                    details::replace(&mut tx, batch, &old, &new).await?;
                    renewed += 1;
                }
            }
            tx.commit().await?;
        }
        let mut after = (i64::MIN, i64::MIN);
        loop {
            let mut tx = self.store.transact(Rights::Sequencer).await?;
            let rows = details::acts_after(&mut tx, after, AT_ONCE).await?;
            let Some((last, _)) = rows.last() else { return Ok(renewed) };
            after = *last;
            for (place, kept) in rows {
                if let Some(new) = self.renewed(act_cell(kept.mark), &kept.sealed)? {
                    details::replace_act(&mut tx, place, &new).await?;
                    renewed += 1;
                }
            }
            tx.commit().await?;
        }
    }

    /// The same under the current sealing key; `None` where it is.
    fn renewed(&self, cell: Cell, sealed: &[u8]) -> Result<Option<Vec<u8>>, GatewayError> {
        let new = self.keys().sealer.reseal(cell, sealed, &mut self.rng())?;
        // A sealed form begins with its key's version.
        Ok((new.get(..2) != sealed.get(..2)).then_some(new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_take_in_no_identifier_and_are_canonical() {
        let said = [("b", word("CC01")), ("a", word("9990000018")), ("c", word(""))];
        let item = words(Some("Åsa \"the\" officer"), said);
        let text = r#"{"a":null,"b":"CC01","c":"","user":"Åsa \"the\" officer"}"#;
        assert_eq!(item, Item::Words(text.to_owned()));
        assert_eq!(words(None, []), Item::Words("{}".to_owned()));
    }
}
