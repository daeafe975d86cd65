//! Which entries an auditor looks for: the same filters as the gateway's search, on a mirror.
//!
//! The gateway filters by code of its own (this room shares none with what it checks); a test
//! puts both to the same log and compares.

use super::leaf::Leaf;
use jiff::Timestamp;

/// What to look for; what is `None` is no filter.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The partner that acted.
    pub partner: Option<String>,
    /// The pseudonym of the person who acted, 32 hexadecimal digits.
    pub user: Option<String>,
    /// The kind of act.
    pub kind: Option<String>,
    /// The area asked about.
    pub area: Option<String>,
    /// The purpose claimed.
    pub purpose: Option<String>,
    /// The protocol relied on.
    pub protocol: Option<String>,
    /// `granted` or `refused`.
    pub decision: Option<String>,
    /// From this moment on.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

impl Wanted {
    /// Whether an entry is looked for.
    #[must_use]
    pub fn matches(&self, leaf: &Leaf<'_>) -> bool {
        let holds = |wanted: &Option<String>, field: Option<&str>| {
            wanted.is_none() || wanted.as_deref() == field
        };
        let protocol = leaf.protocol.as_ref().map(|protocol| protocol.id);
        [
            (&self.partner, leaf.partner),
            (&self.user, leaf.user),
            (&self.kind, leaf.kind),
            (&self.area, leaf.area),
            (&self.purpose, leaf.purpose),
            (&self.protocol, protocol),
            (&self.decision, leaf.decision),
        ]
        .into_iter()
        .all(|(wanted, field)| holds(wanted, field))
            && self.is_in_time(leaf)
    }

    /// Times are compared by the microsecond, as they are logged.
    fn is_in_time(&self, leaf: &Leaf<'_>) -> bool {
        if self.from.is_none() && self.until.is_none() {
            return true;
        }
        let Some(at) = leaf.at.and_then(|at| at.parse::<Timestamp>().ok()) else { return false };
        let micros = |moment: &Timestamp| moment.as_microsecond();
        self.from.as_ref().is_none_or(|from| micros(&at) >= micros(from))
            && self.until.as_ref().is_none_or(|until| micros(&at) < micros(until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::leaf::Protocol;

    #[test]
    fn every_filter_that_is_given_must_hold() {
        let leaf = Leaf {
            at: Some("2026-03-31T09:30:00.000001Z"),
            kind: Some("query_answered"),
            partner: Some("centres"),
            user: Some("00112233445566778899aabbccddeeff"),
            area: Some("CC01"),
            purpose: Some("inspection"),
            protocol: Some(Protocol { digest: "d", id: "isp-centres", version: 2 }),
            decision: Some("granted"),
            ..Leaf::default()
        };
        let text = |text: &str| Some(text.to_owned());
        let moment = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let all = Wanted {
            partner: text("centres"),
            user: text("00112233445566778899aabbccddeeff"),
            kind: text("query_answered"),
            area: text("CC01"),
            purpose: text("inspection"),
            protocol: text("isp-centres"),
            decision: text("granted"),
            from: moment("2026-03-31T09:30:00.000001Z"),
            until: moment("2026-03-31T09:30:00.000002Z"),
        };
        assert!(all.matches(&leaf) && Wanted::default().matches(&leaf));
        for other in [
            Wanted { partner: text("health"), ..all.clone() },
            Wanted { user: text("ff112233445566778899aabbccddeeff"), ..all.clone() },
            Wanted { kind: text("card_answered"), ..all.clone() },
            Wanted { area: text("CC02"), ..all.clone() },
            Wanted { purpose: text("audit"), ..all.clone() },
            Wanted { protocol: text("isp-health"), ..all.clone() },
            Wanted { decision: text("refused"), ..all.clone() },
            Wanted { from: moment("2026-03-31T09:30:00.000002Z"), ..all.clone() },
            Wanted { until: moment("2026-03-31T09:30:00.000001Z"), ..all.clone() },
        ] {
            assert!(!other.matches(&leaf), "{other:?}");
        }
        assert!(!all.matches(&Leaf::default()), "what a leaf does not say is not wanted");
    }
}
