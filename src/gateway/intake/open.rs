//! Opening a stream: the decision, and what its rows will look like.

use super::{Intake, OpenStream, RowReader, StreamTotals, permit_leaf};
use crate::{
    audit::LeafKind,
    domain::{
        ProtocolId, RecordType, field,
        row::{LayoutError, RowLayout},
    },
    gateway::{Actor, DECISIONS, Denied, Gateway, GatewayError, RefusalKind, Refused},
    protocol::{CallerRole, IntakePermit, IntakeQuestion, ProtocolVersion, Purpose},
    store::{ActError, Effect, Logged, Rights, feeds},
};
use jiff::civil::Date;
use std::sync::Arc;

impl Gateway {
    /// Opens a stream of records.
    ///
    /// # Errors
    /// The clause that refused, or what is malformed in the opening.
    pub async fn open_stream(
        self: &Arc<Self>,
        actor: Actor,
        open: OpenStream,
    ) -> Result<Logged<Intake>, Denied> {
        self.require(&actor, &[CallerRole::Provider]).await?;
        if let Some(blinding) = &open.blinding {
            self.fits_here(&actor, blinding, &open.record_type).await?;
        }
        for _ in 0..DECISIONS {
            let permit = self.permit(&actor, &open).await?;
            let decided_on = self.today();
            let (layout, extract_day) = self.read_opening(&actor, &open).await?;
            let record_type = permit.record_type();
            let mut tx = self.store.transact(Rights::Intake).await?;
            let feed = feeds::feed(&mut tx, &actor.partner, record_type).await?;
            tx.commit().await?;
            let mut leaf = permit_leaf(LeafKind::IntakeStreamOpened, &actor, &permit, self);
            leaf.notes.record_type = Some(record_type);
            match self.commit(leaf, Effect::None, Some(permit.epoch())).await {
                Ok(logged) => {
                    let (opened, stream) = (logged.receipt().leaf_index, logged.place());
                    let reader = RowReader {
                        gateway: Arc::clone(self),
                        partner: actor.partner.clone(),
                        layout,
                        record_type,
                        blinded: open.blinding.is_some(),
                    };
                    return Ok(logged.map(|_| Intake {
                        gateway: Arc::clone(self),
                        actor,
                        permit,
                        reader: Arc::new(reader),
                        record_type,
                        feed,
                        extract_day,
                        dry_run: open.dry_run,
                        opened,
                        stream,
                        decided_on,
                        totals: StreamTotals::default(),
                    }));
                }
                Err(ActError::PolicyChanged) => self.policy_moved(&actor).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(GatewayError::Unsettled.into())
    }

    /// Decides whether the stream may be opened.
    pub(in crate::gateway) async fn permit(
        &self,
        actor: &Actor,
        open: &OpenStream,
    ) -> Result<IntakePermit, Denied> {
        let snapshot = self.snapshot();
        let mut leaf = actor.leaf(LeafKind::Refused, self);
        leaf.notes.record_type = open.record_type.parse().ok();
        leaf.notes.policy_epoch = Some(snapshot.epoch());
        let unknown = Refused::new(
            RefusalKind::Forbidden,
            "protocol_unknown",
            "there is no such protocol or version, or you are not a party of it",
        );
        let record = match open.protocol.parse::<ProtocolId>() {
            Ok(id) => snapshot.protocol(&id, open.version),
            Err(_) => None,
        };
        let Some(record) = record else { return Err(self.refuse(leaf, unknown).await) };
        let Some(version) = ProtocolVersion::new(record.stored.version) else {
            return Err(self.refuse(leaf, unknown).await);
        };
        let columns: Vec<&str> = open.columns.iter().map(String::as_str).collect();
        let question = IntakeQuestion {
            partner: &actor.partner,
            role: CallerRole::Provider,
            protocol: &record.stored.protocol,
            version,
            record_type: &open.record_type,
            columns: &columns,
            today: self.today(),
        };
        let permit = match snapshot.policy().authorise_intake(&question) {
            Ok(permit) => permit,
            Err(refusal) => {
                let mut refused = Refused::by(&refusal);
                if let Some(column) = refusal.column() {
                    refused =
                        refused.with_field(format!("columns[{column}]"), refused_rule(&refusal));
                }
                leaf.clause = refusal.clause().and_then(|clause| clause.pointer().parse().ok());
                return Err(self.refuse(leaf, refused).await);
            }
        };
        let listed = record.verified.as_ref().map_or(&[][..], |(v, _)| &v.document().purposes);
        let claimed = Purpose::from_code(&open.purpose);
        if open.purpose.is_empty() || claimed.is_some_and(|purpose| listed.contains(&purpose)) {
            return Ok(permit);
        }
        let refused = Refused::new(
            RefusalKind::Forbidden,
            "purpose_not_listed",
            "the protocol does not list this purpose for this use",
        );
        Err(self.refuse(leaf, refused).await)
    }

    async fn read_opening(
        &self,
        actor: &Actor,
        open: &OpenStream,
    ) -> Result<(RowLayout, Date), Denied> {
        let read = || -> Result<(RowLayout, Date), Refused> {
            let record_type: RecordType = open
                .record_type
                .parse()
                .map_err(|_| Refused::invalid("record_type", "no such record type"))?;
            let layout = RowLayout::new(record_type, &open.columns).map_err(|error| {
                let field = match error {
                    LayoutError::UnknownColumn { position, .. } => {
                        format!("columns[{}]", position - 1)
                    }
                    LayoutError::DuplicateColumn { .. } | LayoutError::MissingColumn { .. } => {
                        "columns".to_owned()
                    }
                };
                Refused::invalid(field, error.to_string())
            })?;
            let day = field::parse_date(&open.extract_day)
                .map_err(|rule| Refused::invalid("extract_day", rule.sentence()))?;
            if day > self.today() {
                let rule = field::Rule::DateInFuture.sentence();
                return Err(Refused::invalid("extract_day", rule));
            }
            Ok((layout, day))
        };
        match read() {
            Ok(opening) => Ok(opening),
            Err(refused) => Err(self.refuse(actor.leaf(LeafKind::Refused, self), refused).await),
        }
    }
}

fn refused_rule(refusal: &crate::protocol::Refusal) -> &'static str {
    refusal.reason().words()
}
