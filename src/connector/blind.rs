//! What identifies is blinded here, before anything is sent: the gateway never sees it.
//!
//! Rows are checked and normalised by the gateway's own code, and become the very inputs that it
//! would hash. Those that are not known yet are blinded, evaluated by the gateway with a proof
//! under the key that the profile pins, and unblinded; what is sent is the first 128 bits of each
//! value. A match key takes in a number's value, so a batch goes round until nothing is unknown,
//! twice as a rule. Equal values are asked for once; what is known stays in memory for the length
//! of the push, by the digest of the input, and is written nowhere.
//!
//! Invariants:
//! - A column that identifies (`FieldKind::identifies`) leaves this room empty.
//! - Nothing is sent of a batch whose proof does not verify.

use super::{
    batches::Batch,
    order::{Blinding, PushError, failure},
};
use crate::{
    domain::{
        PartnerId, RecordType, Role,
        field::FieldKind,
        record::{About, ENVELOPE, RecordDefinition},
        row::{CheckedRow, Content, Identity, RowLayout},
    },
    keys::{
        IDENTIFIER_RULES, IdentifierKind, KeyError, Pseudonym, Pseudonymiser, RawIdentifier,
        RawText, Unblinded, WholeInput,
        oblivious::{BlindedBatch, MOST_ELEMENTS},
    },
    linkage::{
        BlindedIdentity, FORM_RULES, RULES, RawIdentity, Sender, plurality, postcode_pseudonym,
    },
    wire::v1::{
        self, EvaluateRequest, PushOpen, RecordRow, blinding_service_client::BlindingServiceClient,
    },
};
use jiff::civil::Date;
use rand::{SeedableRng, rngs::StdRng};
use std::sync::Arc;
use tokio::{sync::mpsc, task};
use tonic::{
    body::Body as RpcBody,
    client::GrpcService,
    codegen::{Body, Bytes, StdError},
};
use zeroize::Zeroize;

/// A batch goes round so often at most: values within values within values.
const ROUNDS: usize = 5;
/// Batches that wait to be sent, blinded.
const BLIND_AHEAD: usize = 1;

/// What a stream of blinded rows says of itself.
pub(super) fn stream(blinding: &Blinding) -> v1::BlindedStream {
    v1::BlindedStream {
        public_key: blinding.key.as_bytes().to_vec(),
        rules: RULES.into(),
        identifier_rules: IDENTIFIER_RULES.into(),
        comparison_rules: FORM_RULES.into(),
    }
}

/// Blinds batches on their way from the file to the gateway; the queue ends after an error.
pub(super) fn blind_batches<T>(
    mut batches: mpsc::Receiver<Result<Batch, PushError>>,
    mut desk: Desk<T>,
) -> mpsc::Receiver<Result<Batch, PushError>>
where
    T: GrpcService<RpcBody> + Send + 'static,
    T::Error: Into<StdError>,
    T::Future: Send,
    T::ResponseBody: Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as Body>::Error: Into<StdError> + Send,
{
    let (queue, blinded) = mpsc::channel(BLIND_AHEAD);
    task::spawn(async move {
        while let Some(next) = batches.recv().await {
            let done = match next {
                Ok(mut batch) => match desk.blind(std::mem::take(&mut batch.send)).await {
                    Ok(rows) => Ok(Batch { send: rows, ..batch }),
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            };
            let failed = done.is_err();
            // Nobody listens any more when the stream broke.
            if queue.send(done).await.is_err() || failed {
                return;
            }
        }
    });
    blinded
}

/// What blinding needs to know of the stream. Shared with the threads that do the work.
struct Form {
    layout: RowLayout,
    /// Columns that identify.
    hidden: Vec<usize>,
    record_type: RecordType,
    partner: PartnerId,
    today: Date,
    with: Pseudonymiser,
}

/// Where a stream's rows are blinded.
pub(super) struct Desk<T> {
    client: BlindingServiceClient<T>,
    open: PushOpen,
    blinding: Blinding,
    form: Arc<Form>,
    rng: StdRng,
}

impl<T> Desk<T>
where
    T: GrpcService<RpcBody>,
    T::Error: Into<StdError>,
    T::ResponseBody: Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as Body>::Error: Into<StdError> + Send,
{
    /// For the stream that `open` opens; its columns were checked.
    pub(super) fn new(
        service: T,
        open: PushOpen,
        record_type: RecordType,
        blinding: Blinding,
        today: Date,
    ) -> Result<Self, PushError> {
        let layout = RowLayout::new(record_type, &open.columns)
            .map_err(|_| PushError::Unexpected("columns that were checked before"))?;
        let definition = record_type.definition();
        let hidden = (0..).zip(&open.columns).filter(|(_, name)| identifies(definition, name));
        let form = Form {
            layout,
            hidden: hidden.map(|(at, _)| at).collect(),
            record_type,
            partner: blinding.partner.clone(),
            today,
            with: Pseudonymiser::unblinding(Unblinded::default()),
        };
        let rng = (blinding.rng)();
        let client = BlindingServiceClient::new(service);
        Ok(Self { client, open, blinding, form: Arc::new(form), rng })
    }

    /// The same rows with nothing in them that identifies, and what stands for it.
    async fn blind(&mut self, mut rows: Vec<RecordRow>) -> Result<Vec<RecordRow>, PushError> {
        if rows.is_empty() {
            return Ok(rows);
        }
        for _ in 0..ROUNDS {
            let form = Arc::clone(&self.form);
            let looked = task::spawn_blocking(move || {
                let (done, wanted) = form.look(&mut rows);
                done.map(|()| (rows, wanted))
            });
            let looked = looked.await.map_err(|_| BROKEN)?;
            let (back, wanted) = looked?;
            rows = back;
            if wanted.is_empty() {
                return Ok(rows);
            }
            let mut wanted = wanted.into_iter();
            loop {
                let inputs: Vec<WholeInput> = wanted.by_ref().take(MOST_ELEMENTS).collect();
                if inputs.is_empty() {
                    break;
                }
                self.evaluate(inputs).await?;
            }
        }
        Err(PushError::Unexpected("values that stay unknown"))
    }

    async fn evaluate(&mut self, inputs: Vec<WholeInput>) -> Result<(), PushError> {
        let mut rng = StdRng::from_rng(&mut self.rng);
        let blinded = task::spawn_blocking(move || BlindedBatch::new(inputs, &mut rng));
        let batch = blinded.await.map_err(|_| BROKEN)??;
        let elements = batch.elements().iter().map(|element| element.to_vec()).collect();
        let request = EvaluateRequest { opening: Some(self.open.clone()), elements };
        let answer = self.client.evaluate(request).await.map_err(|status| failure(status, 0))?;
        let answer = answer.into_inner();
        let (form, key) = (Arc::clone(&self.form), self.blinding.key);
        let known = task::spawn_blocking(move || {
            let known = batch.finish(&answer.elements, &answer.proof, &key)?;
            if let Some(values) = form.with.unblinded() {
                values.learn(known);
            }
            Ok::<_, KeyError>(())
        });
        Ok(known.await.map_err(|_| BROKEN)??)
    }
}

const BROKEN: PushError = PushError::Unexpected("its values could not be read");

/// Whether a column of a blinded stream must be empty.
fn identifies(definition: &RecordDefinition, column: &str) -> bool {
    let [record_id, _, _, _, consent_ref, supersedes] = ENVELOPE;
    [record_id, consent_ref, supersedes].contains(&column)
        || definition.field(column).is_some_and(|field| field.kind.identifies())
}

impl Form {
    /// Blinds the rows if everything is known; else tells what is to be evaluated first.
    fn look(&self, rows: &mut [RecordRow]) -> (Result<(), PushError>, Vec<WholeInput>) {
        let mut made = Vec::with_capacity(rows.len());
        for row in rows.iter() {
            match self.row(&row.values) {
                Ok(blinded) => made.push(blinded),
                Err(error) => return (Err(error), Vec::new()),
            }
        }
        let wanted = self.with.unblinded().map(Unblinded::take_wanted).unwrap_or_default();
        if wanted.is_empty() {
            for (row, blinded) in rows.iter_mut().zip(made) {
                self.hidden.iter().for_each(|at| row.values[*at].zeroize());
                row.blinded = Some(blinded);
            }
        }
        (Ok(()), wanted)
    }

    fn row(&self, values: &[String]) -> Result<v1::BlindedRow, PushError> {
        // Only rows that were found well-formed come here.
        let checked = self.layout.check(values, self.today);
        let CheckedRow { record_id, consent_ref, supersedes, content, .. } =
            checked.map_err(|_| PushError::Unexpected("a row that was well-formed before"))?;
        let partner = &self.partner;
        let record_type = self.record_type.name();
        let record = |id: &str| self.of(id, IdentifierKind::Record { partner, record_type });
        let consent = |id: &str| self.of(id, IdentifierKind::Consent { partner });
        let key = record(record_id);
        let (references, persons) = match content {
            Some(content) => self.content(content, &key)?,
            None => (Vec::new(), Vec::new()),
        };
        Ok(v1::BlindedRow {
            record: sent(&key),
            consent: consent_ref.map(|id| sent(&consent(id))).unwrap_or_default(),
            supersedes: supersedes.map(|id| sent(&record(id))).unwrap_or_default(),
            references,
            persons,
        })
    }

    fn of(&self, text: &str, kind: IdentifierKind<'_>) -> Pseudonym {
        RawIdentifier::new(text.to_owned()).pseudonymise(kind, &self.with)
    }

    /// References, and persons in the order in which the gateway numbers them.
    fn content(
        &self,
        content: Content<'_>,
        record: &Pseudonym,
    ) -> Result<(Vec<v1::BlindedReference>, Vec<v1::BlindedPerson>), KeyError> {
        let Content { principal, others, values, references, .. } = content;
        let definition = self.record_type.definition();
        let reference = |(number, text): (u8, &str)| {
            let field = definition.payload.get(usize::from(number))?;
            let kind = match field.kind {
                FieldKind::ProviderReference => IdentifierKind::Provider,
                _ => IdentifierKind::Case { partner: &self.partner },
            };
            let value = sent(&self.of(text, kind));
            Some(v1::BlindedReference { field: field.name.to_owned(), value })
        };
        let references = references.into_iter().filter_map(reference).collect();
        let mut persons = Vec::with_capacity(1);
        if definition.about != About::Nobody {
            let born = plurality(definition, &values);
            persons.push(self.person(Role::Principal, principal, born, record, 0)?);
        }
        for (position, (role, identity)) in (1u8..).zip(others) {
            if identity.tells_who() {
                persons.push(self.person(role, identity, None, record, position)?);
            }
        }
        Ok((references, persons))
    }

    fn person(
        &self,
        role: Role,
        identity: Identity<'_>,
        born: Option<u8>,
        record: &Pseudonym,
        position: u8,
    ) -> Result<v1::BlindedPerson, KeyError> {
        let postcode = identity.postcode.clone().map(RawText::new);
        let postcode = postcode.and_then(|text| postcode_pseudonym(text, &self.with));
        let sender = Sender { partner: &self.partner, record, position };
        let keyed = RawIdentity::of(identity, born).pseudonymise(sender, &self.with)?;
        let made = BlindedIdentity::of(&keyed);
        let optional = |value: Option<[u8; 16]>| value.map(Vec::from).unwrap_or_default();
        let key = |(rung, key): &(crate::linkage::Rung, [u8; 16])| v1::BlindedMatchKey {
            rung: rung.number().into(),
            key: key.to_vec(),
        };
        Ok(v1::BlindedPerson {
            role: role.number().into(),
            fingerprint: made.fingerprint.to_vec(),
            nhs: optional(made.nhs),
            uln: optional(made.uln),
            upn: optional(made.upn),
            nino: optional(made.nino),
            local_id: optional(made.local_id),
            postcode: postcode.as_ref().map(sent).unwrap_or_default(),
            match_keys: made.match_keys.iter().map(key).collect(),
            lookups: made
                .lookups
                .iter()
                .map(|(by, key)| v1::BlindedMatchKey {
                    rung: by.number().into(),
                    key: key.to_vec(),
                })
                .collect(),
            comparison: made.comparison.to_bytes().to_vec(),
        })
    }
}

fn sent(value: &Pseudonym) -> Vec<u8> {
    value.as_bytes().to_vec()
}
