//! `tallygate.v1.BlindingService`, and blinded rows as the wire has them.

use super::{Frame, intake::opening, receipt};
use crate::{
    domain::Role,
    gateway::{BlindedIdentity, BlindedPerson, BlindedRow, Comparison, Lookup, Refused, Rung},
    wire::v1::{self, EvaluateRequest, EvaluateResponse, blinding_service_server},
};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The blinding service.
#[derive(Debug, Clone)]
pub struct BlindingService(pub Arc<Frame>);

#[tonic::async_trait]
impl blinding_service_server::BlindingService for BlindingService {
    async fn evaluate(
        &self,
        request: Request<EvaluateRequest>,
    ) -> Result<Response<EvaluateResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let EvaluateRequest { opening: open, elements } = request.into_inner();
        let Some(open) = open else {
            let refused = Refused::invalid("opening", "the stream that the evaluations are for");
            return Err(frame.status(frame.gateway().refuse_malformed(&actor, refused).await));
        };
        let evaluated = frame.gateway().evaluate(&actor, opening(open), elements).await;
        let (evaluated, proof) = evaluated.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(EvaluateResponse {
            elements: evaluated.batch.elements.iter().map(|element| element.to_vec()).collect(),
            proof: evaluated.batch.proof.to_vec(),
            left_today: evaluated.left_today,
            receipt: Some(receipt(&proof)),
        }))
    }
}

/// What stands for a row's values; nothing where it is malformed.
pub(super) fn blinded_row(row: v1::BlindedRow) -> Option<BlindedRow> {
    let reference =
        |reference: v1::BlindedReference| Some((reference.field, value(&reference.value)?));
    Some(BlindedRow {
        record: value(&row.record)?,
        consent: optional(&row.consent)?,
        supersedes: optional(&row.supersedes)?,
        references: row.references.into_iter().map(reference).collect::<Option<_>>()?,
        persons: row.persons.iter().map(person).collect::<Option<_>>()?,
    })
}

fn person(person: &v1::BlindedPerson) -> Option<BlindedPerson> {
    let key = |key: &v1::BlindedMatchKey| {
        let rung = u8::try_from(key.rung).ok().and_then(Rung::from_number)?;
        Some((rung, value(&key.key)?))
    };
    let match_keys: Vec<_> = person.match_keys.iter().map(key).collect::<Option<_>>()?;
    let lookup = |key: &v1::BlindedMatchKey| {
        let by = u8::try_from(key.rung).ok().and_then(Lookup::from_number)?;
        Some((by, value(&key.key)?))
    };
    let lookups: Vec<_> = person.lookups.iter().map(lookup).collect::<Option<_>>()?;
    // A value stands for one thing alone, and the first rung's for a number that is there.
    let values = match_keys.iter().map(|(_, value)| value).chain(lookups.iter().map(|(_, v)| v));
    let values: Vec<&[u8; 16]> = values.collect();
    let distinct = (1..values.len()).all(|at| !values[..at].contains(&values[at]));
    let numbered =
        match_keys.iter().all(|(rung, _)| *rung != Rung::NhsBirth) || !person.nhs.is_empty();
    if !(once(&match_keys) && once(&lookups) && distinct && numbered) {
        return None;
    }
    let identity = BlindedIdentity {
        fingerprint: value(&person.fingerprint)?,
        nhs: optional(&person.nhs)?,
        uln: optional(&person.uln)?,
        upn: optional(&person.upn)?,
        nino: optional(&person.nino)?,
        local_id: optional(&person.local_id)?,
        match_keys,
        lookups,
        comparison: Comparison::from_bytes(&person.comparison)?,
    };
    let role = u8::try_from(person.role).ok().and_then(Role::from_number)?;
    Some(BlindedPerson { role, identity, postcode: optional(&person.postcode)? })
}

fn once<K: PartialEq>(keys: &[(K, [u8; 16])]) -> bool {
    keys.iter().enumerate().all(|(at, (by, _))| keys[..at].iter().all(|(other, _)| other != by))
}

fn value(bytes: &[u8]) -> Option<[u8; 16]> {
    bytes.try_into().ok()
}

/// A value or its absence; nothing where it is neither.
#[expect(clippy::option_option, reason = "malformed and absent are two things")]
fn optional(bytes: &[u8]) -> Option<Option<[u8; 16]>> {
    if bytes.is_empty() { Some(None) } else { value(bytes).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of somebody of whom nothing is known: form, sex, marks, no tags.
    fn comparison() -> Vec<u8> {
        [&[1, b'X', 0][..], &[0; 8]].concat()
    }

    fn row() -> v1::BlindedRow {
        let key = v1::BlindedMatchKey { rung: 1, key: vec![3; 16] };
        let person = v1::BlindedPerson {
            fingerprint: vec![2; 16],
            nhs: vec![4; 16],
            match_keys: vec![key],
            comparison: comparison(),
            ..v1::BlindedPerson::default()
        };
        v1::BlindedRow { record: vec![1; 16], persons: vec![person], ..v1::BlindedRow::default() }
    }

    #[test]
    fn what_has_another_length_or_comes_twice_is_malformed() {
        let good = blinded_row(row()).unwrap();
        assert_eq!((good.record, good.consent), ([1; 16], None));
        assert_eq!(good.persons[0].role, Role::Principal);
        let spoil: [fn(&mut v1::BlindedRow); 13] = [
            |row| row.record = Vec::new(),
            |row| row.record.push(0),
            |row| row.consent = vec![1; 15],
            |row| row.persons[0].fingerprint.clear(),
            |row| row.persons[0].nhs = vec![1; 17],
            |row| row.persons[0].role = 77,
            |row| row.persons[0].comparison.clear(),
            |row| row.persons[0].lookups = vec![v1::BlindedMatchKey { rung: 1, key: vec![3; 16] }],
            |row| row.persons[0].match_keys[0].rung = 99,
            |row| row.persons[0].nhs.clear(),
            |row| row.persons[0].lookups = vec![v1::BlindedMatchKey { rung: 16, key: vec![3; 16] }],
            |row| {
                let again = row.persons[0].match_keys[0].clone();
                row.persons[0].match_keys.push(again);
            },
            |row| row.references = vec![v1::BlindedReference::default()],
        ];
        for (case, spoil) in spoil.into_iter().enumerate() {
            let mut row = row();
            spoil(&mut row);
            assert!(blinded_row(row).is_none(), "{case}");
        }
    }
}
