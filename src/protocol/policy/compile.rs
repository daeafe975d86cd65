//! From documents to what the decision reads.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::super::choice::Choices;
use super::super::consent::ConsentTerms;
use super::super::document::{Digest, Flow, Output, Protocol, ProtocolVersion};
use super::super::fault::{Fault, Rule};
use super::super::geography::Geography;
use super::super::life::Life;
use super::super::vocabulary::{AreaLevel, ConsentRule, Purpose};
use super::{Compiled, CompiledAudience, CompiledFlow, CompiledOutput, ListedField};
use crate::domain::time::epoch_day;
use crate::domain::{AreaCode, Lsoa, ProtocolId};

/// Compiles documents one by one; equal lists of fields and of areas are made once.
pub(super) struct Compiler<'a, G> {
    geography: &'a G,
    fields: HashMap<Vec<ListedField>, Arc<[ListedField]>>,
    lsoas: HashMap<Vec<AreaCode>, Arc<[Lsoa]>>,
    published: HashMap<(Vec<AreaCode>, AreaLevel), Arc<BTreeSet<AreaCode>>>,
}

impl<'a, G: Geography> Compiler<'a, G> {
    pub(super) fn new(geography: &'a G) -> Self {
        Self { geography, fields: HashMap::new(), lsoas: HashMap::new(), published: HashMap::new() }
    }

    pub(super) fn entry(
        &mut self,
        protocol: &Protocol,
        digest: Digest,
        life: Option<Life>,
    ) -> (ProtocolId, ProtocolVersion, Result<Arc<Compiled>, Fault>) {
        let compiled = self.compile(protocol, digest, life).map(Arc::new);
        (protocol.id.clone(), protocol.version, compiled)
    }

    fn compile(
        &mut self,
        protocol: &Protocol,
        digest: Digest,
        life: Option<Life>,
    ) -> Result<Compiled, Fault> {
        protocol.check_places(self.geography)?;
        if life.as_ref().is_some_and(|life| !life.belongs_to(protocol)) {
            return Err(Fault::at("/parties", Rule::NotAParty));
        }
        let flows = protocol.flows.iter().enumerate();
        let flows = flows.map(|(place, flow)| self.flow(protocol, flow, place));
        let flows = flows.collect::<Result<_, Fault>>()?;
        let outputs = protocol.outputs.iter().map(|output| self.output(output)).collect();
        Ok(Compiled {
            id: protocol.id.clone(),
            version: protocol.version,
            digest,
            purposes: protocol.purposes.clone(),
            effective: protocol.effective,
            expires: protocol.expires,
            parties: protocol.parties.iter().map(|party| party.partner.clone()).collect(),
            life,
            flows,
            outputs,
            retention: protocol.retention.clone(),
        })
    }

    fn flow(
        &mut self,
        protocol: &Protocol,
        flow: &Flow,
        place: usize,
    ) -> Result<CompiledFlow, Fault> {
        let definition = flow.record_type.definition();
        let mut fields = Vec::with_capacity(flow.fields.len());
        for (n, field) in flow.fields.iter().enumerate() {
            let known = definition.field(&field.name).ok_or_else(|| {
                Fault::at(&format!("/flows/{place}/fields/{n}/name"), Rule::UnknownField)
            })?;
            let (action, required) = (field.action, field.required);
            fields.push(ListedField { name: known.name, action, required });
        }
        let basis = flow.basis.first().cloned();
        let basis =
            basis.ok_or_else(|| Fault::at(&format!("/flows/{place}/basis"), Rule::Empty))?;
        let max_backdate_days = i32::from(flow.max_backdate_days);
        Ok(CompiledFlow {
            from: flow.from.clone(),
            record_type: flow.record_type,
            fields: self
                .fields
                .entry(fields)
                .or_insert_with_key(|fields| Arc::from(fields.as_slice()))
                .clone(),
            areas: self.lsoas_of(&flow.areas),
            basis,
            first_event_day: epoch_day(protocol.effective).saturating_sub(max_backdate_days),
            last_event_day: epoch_day(protocol.expires),
            max_lag_days: i32::from(flow.max_lag_days),
            max_backdate_days,
            consent: ConsentTerms {
                // What is said of a consent is taken whether or not there is one.
                rule: if definition.statement { ConsentRule::Nothing } else { flow.consent },
                max_age_days: flow.consent_max_age_days.map(i32::from),
                record_type: flow.record_type,
                purposes: uses_of(protocol, place),
            },
            choices: Choices::binding(flow),
        })
    }

    /// The LSOAs of a list of areas, ascending: searched by halving, one allocation a distinct list.
    fn lsoas_of(&mut self, areas: &[AreaCode]) -> Arc<[Lsoa]> {
        let geography = self.geography;
        let set = self.lsoas.entry(areas.to_vec()).or_insert_with(|| {
            let all: BTreeSet<Lsoa> =
                areas.iter().filter_map(|a| geography.lsoas(a)).flatten().collect();
            all.into_iter().collect()
        });
        Arc::clone(set)
    }

    fn output(&mut self, output: &Output) -> CompiledOutput {
        let mut sources: BTreeMap<usize, BTreeSet<Purpose>> = BTreeMap::new();
        for source in &output.sources {
            sources.entry(usize::from(source.flow)).or_default().insert(source.purpose);
        }
        let audiences = output.audiences.iter().map(|audience| CompiledAudience {
            partner: audience.partner.clone(),
            role: audience.role,
            areas: self.published_in(&audience.areas, output.finest_area),
        });
        CompiledOutput { table: output.table.clone(), audiences: audiences.collect(), sources }
    }

    /// The published areas within a list of areas, none finer than a level; one allocation a
    /// distinct list.
    fn published_in(&mut self, areas: &[AreaCode], finest: AreaLevel) -> Arc<BTreeSet<AreaCode>> {
        let geography = self.geography;
        let set = self.published.entry((areas.to_vec(), finest)).or_insert_with(|| {
            let nested = areas.iter().filter_map(|area| geography.nested(area)).flatten();
            let coarse = nested.filter(|(_, level)| *level >= finest);
            Arc::new(coarse.map(|(area, _)| area).collect())
        });
        Arc::clone(set)
    }
}

/// The purposes that a protocol's outputs use a flow for; the principal one where none does.
fn uses_of(protocol: &Protocol, place: usize) -> Vec<Purpose> {
    let sources = protocol.outputs.iter().flat_map(|output| &output.sources);
    let uses: BTreeSet<Purpose> = sources
        .filter(|source| usize::from(source.flow) == place)
        .map(|source| source.purpose)
        .collect();
    match uses.is_empty() {
        true => protocol.purposes.first().copied().into_iter().collect(),
        false => uses.into_iter().collect(),
    }
}
