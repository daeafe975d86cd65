//! Rows that came in, and why some were refused.

use super::Stepped;
use crate::domain::RecordType;
use prometheus_client::{encoding::EncodeLabelSet, metrics::family::Family, registry::Registry};

/// Of which type rows were, and what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RowLabels {
    record_type: &'static str,
    outcome: &'static str,
}

/// Of which type refused rows were, and which rule they broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RejectLabels {
    record_type: &'static str,
    rule: &'static str,
}

/// Rows of all partners together.
#[derive(Debug, Clone, Default)]
pub struct IntakeMeters {
    rows: Family<RowLabels, Stepped>,
    rejects: Family<RejectLabels, Stepped>,
}

impl IntakeMeters {
    /// A batch was settled: new rows, rows that were sent before, and the rules that refused rows.
    pub fn took(
        &self,
        record_type: RecordType,
        (new, before, refused): (u64, u64, u64),
        rules: impl IntoIterator<Item = &'static str>,
    ) {
        let record_type = record_type.name();
        for (outcome, rows) in [("accepted", new), ("sent_before", before), ("rejected", refused)] {
            self.rows.get_or_create(&RowLabels { record_type, outcome }).add(rows);
        }
        for rule in rules {
            self.rejects.get_or_create(&RejectLabels { record_type, rule }).add(1);
        }
    }

    /// Has them shown.
    pub fn register(&self, registry: &mut Registry) {
        let rows = "Rows of batches that were settled, in steps of ten";
        registry.register("intake_rows", rows, self.rows.clone());
        let rejects = "Rules that rows broke, in steps of ten";
        registry.register("intake_rejects", rejects, self.rejects.clone());
    }
}
