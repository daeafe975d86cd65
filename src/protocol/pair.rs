//! Filled examples of the three kinds of agreement of UK practice, one for each pair of agencies.
//!
//! `protocol new --template isp|dda|jca` writes these: complete documents that hold every rule, with made-up
//! codes and key ids where no partner file gives the real ones. An ISP is reciprocal: what the authority
//! sends back stands in it. A DDA goes one way. In a JCA both decide on purposes and means together.
//!
//! Jobcentre Plus has no pair: what it would send (`work_status`) is no record type yet.

use super::document::{Output, Protocol, Retention, Source};
use super::fault::Rule;
use super::template::{Particulars, Template};
use super::vocabulary::{PartyRole, ProtocolKind, RetentionStart, closed};
use crate::domain::RecordType;

/// The table that what the authority sends back serves.
const SERVED: &str = "twos";

closed! {
    /// The pairs of agencies, each with the authority.
    pub enum Pair {
        Health = "health", "Health and the authority";
        Dwp = "dwp", "DWP and the authority";
        Learning = "learning", "adult and family learning and the authority";
        Families = "families", "family support and social care and the authority";
        Centres = "centres", "children's centres and the authority";
        Schools = "schools", "schools or early-years providers and the authority";
    }
}

impl Pair {
    const fn template(self) -> Template {
        match self {
            Self::Health => Template::Health,
            Self::Dwp => Template::Dwp,
            Self::Learning | Self::Schools => Template::Learning,
            Self::Families => Template::Families,
            Self::Centres => Template::Centres,
        }
    }

    /// What the authority sends back in a reciprocal agreement: who took up a place; to a provider, who
    /// may take one up (the list comes from DWP through the authority).
    const fn sent_back(self) -> RecordType {
        match self {
            Self::Schools => RecordType::TwoYearOldEligibility,
            Self::Health | Self::Dwp | Self::Learning | Self::Families | Self::Centres => {
                RecordType::FundedPlace
            }
        }
    }

    /// The filled example of a kind.
    ///
    /// # Errors
    /// As [`Template::fill`].
    pub fn fill(self, kind: ProtocolKind, particulars: &Particulars) -> Result<Protocol, Rule> {
        let mut protocol = self.template().fill(particulars)?;
        if self == Self::Schools {
            only(&mut protocol, RecordType::FundedPlace);
        }
        protocol.title = format!("Counting for children's centres: {}", self.words());
        protocol.kind = kind;
        match kind {
            ProtocolKind::Dda => {}
            ProtocolKind::Isp => self.send_back(&mut protocol, particulars)?,
            ProtocolKind::Jca => {
                self.send_back(&mut protocol, particulars)?;
                for party in &mut protocol.parties {
                    party.role = PartyRole::Joint;
                }
            }
        }
        Ok(protocol)
    }

    /// Adds the authority's own flow, which serves the table of the two-year-olds.
    fn send_back(self, protocol: &mut Protocol, particulars: &Particulars) -> Result<(), Rule> {
        let record_type = self.sent_back();
        let template =
            if record_type == RecordType::FundedPlace { Template::Learning } else { Template::Dwp };
        let mut from_authority = particulars.clone();
        std::mem::swap(&mut from_authority.sender, &mut from_authority.authority);
        let filled = template.fill(&from_authority)?;
        let Some(flow) = filled.flows.into_iter().find(|flow| flow.record_type == record_type)
        else {
            return Err(Rule::UnknownFlow);
        };
        let position = u16::try_from(protocol.flows.len()).map_err(|_| Rule::TooLarge)?;
        protocol.flows.push(flow);
        let serves = |output: &&mut Output| output.table.as_str() == SERVED;
        if !protocol.outputs.iter().any(|output| output.table.as_str() == SERVED) {
            let empty = |output: &Output| Output { sources: Vec::new(), ..output.clone() };
            let lists = filled.outputs.iter().filter(|output| output.table.as_str() == SERVED);
            protocol.outputs.extend(lists.map(empty));
        }
        for output in protocol.outputs.iter_mut().filter(serves) {
            let mut purposes: Vec<_> = output.sources.iter().map(|source| source.purpose).collect();
            if purposes.is_empty() {
                purposes.clone_from(&protocol.purposes);
            }
            purposes.sort_unstable();
            purposes.dedup();
            let more = purposes.into_iter().map(|purpose| Source { flow: position, purpose });
            output.sources.extend(more);
        }
        if protocol.retention.iter().all(|retention| retention.record_type != record_type) {
            let from_event = RetentionStart::EventDate;
            protocol.retention.push(Retention { record_type, days: 2_557, from_event });
        }
        Ok(())
    }
}

/// Leaves one record type of the sender's in a protocol.
fn only(protocol: &mut Protocol, record_type: RecordType) {
    let Some(place) = protocol.flows.iter().position(|flow| flow.record_type == record_type) else {
        return;
    };
    protocol.flows = vec![protocol.flows[place].clone()];
    protocol.retention.retain(|retention| retention.record_type == record_type);
    for output in &mut protocol.outputs {
        output.sources.retain(|source| usize::from(source.flow) == place);
        for source in &mut output.sources {
            source.flow = 0;
        }
    }
    protocol.outputs.retain(|output| !output.sources.is_empty());
}
