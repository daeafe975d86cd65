//! A file's rows against their record type, by the same check that the gateway makes.

use super::{CsvTable, FilesError, Mapping, RejectsWriter, Row, RowFault, mapping::mended};
use crate::domain::{RecordType, RowLayout, field::FieldKind, identifier::Scheme, row::Violation};
use jiff::civil::Date;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{Read, Seek, Write},
    sync::Arc,
};

/// One thing that is wrong with a row, ours or the gateway's. Never holds the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The column, or empty when the row as a whole is at fault.
    pub field: Cow<'static, str>,
    /// A stable code for programs.
    pub code: Cow<'static, str>,
    /// What a good value looks like.
    pub message: Cow<'static, str>,
}

impl From<Violation> for Complaint {
    fn from(violation: Violation) -> Self {
        Self {
            field: violation.field.into(),
            code: violation.rule.code().into(),
            message: violation.rule.sentence().into(),
        }
    }
}

impl From<RowFault> for Complaint {
    fn from(fault: RowFault) -> Self {
        Self { field: "".into(), code: fault.code().into(), message: fault.to_string().into() }
    }
}

/// What became of a row. No Debug: it borrows values.
pub enum Verdict<'a> {
    /// Well-formed: its values, in the order of the columns.
    Good(Vec<Cow<'a, str>>),
    /// Refused, with at least one reason.
    Bad(Vec<Complaint>),
}

/// The check of one file's rows. No Debug: its mapping may hold a partner's codes.
pub struct FileCheck {
    layout: RowLayout,
    columns: Vec<String>,
    order: Vec<usize>,
    mapping: Option<Arc<Mapping>>,
    /// The kinds of the columns that may have to be mended.
    mends: Vec<(usize, FieldKind)>,
    today: Date,
}

impl FileCheck {
    /// The check of rows with these columns, on the day `today`.
    ///
    /// # Errors
    /// When the columns don't fit the record type.
    pub fn new(
        record_type: RecordType,
        columns: &[String],
        today: Date,
    ) -> Result<Self, FilesError> {
        Self::mapped(record_type, columns, None, today)
    }

    /// The same of rows that a mapping makes from the file's.
    ///
    /// # Errors
    /// When the mapping does not fit the file, or its targets the record type.
    pub fn mapped(
        record_type: RecordType,
        headings: &[String],
        mapping: Option<Arc<Mapping>>,
        today: Date,
    ) -> Result<Self, FilesError> {
        let (columns, order) = match &mapping {
            Some(mapping) => {
                let targets = mapping.targets().into_iter().map(str::to_owned).collect();
                (targets, mapping.places(headings)?)
            }
            None => (headings.to_vec(), (0..headings.len()).collect()),
        };
        let layout = RowLayout::new(record_type, &columns)?;
        let kinds = columns.iter().map(|name| record_type.definition().field(name));
        let nhs = FieldKind::Identifier(Scheme::Nhs);
        let mends = kinds.enumerate().filter_map(|(at, field)| Some((at, field?.kind)));
        let mends = mends.filter(|(_, kind)| *kind == nhs).collect();
        Ok(Self { layout, columns, order, mapping, mends, today })
    }

    /// The columns that are sent.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Checks all that can be checked without the gateway.
    #[must_use]
    pub fn judge<'a>(&'a self, row: &Row<'a>) -> Verdict<'a> {
        match self.judge_shape(row) {
            Verdict::Good(values) => {
                let found = self.layout.check(&values, self.today).err();
                match found {
                    None => Verdict::Good(values),
                    Some(found) => Verdict::Bad(found.into_iter().map(Complaint::from).collect()),
                }
            }
            bad @ Verdict::Bad(_) => bad,
        }
    }

    /// Checks only what would keep the row from being sent at all.
    #[must_use]
    pub fn judge_shape<'a>(&'a self, row: &Row<'a>) -> Verdict<'a> {
        let values = match row.values(&self.order) {
            Ok(values) => values,
            Err(fault) => return Verdict::Bad(vec![fault.into()]),
        };
        let mut values: Vec<Cow<'a, str>> = match &self.mapping {
            Some(mapping) => mapping.mapped(values),
            None => values.into_iter().map(Cow::Borrowed).collect(),
        };
        for (at, kind) in &self.mends {
            if let Some(mended) = values.get(*at).and_then(|value| mended(*kind, value)) {
                values[*at] = Cow::Owned(mended);
            }
        }
        Verdict::Good(values)
    }
}

/// What a check of a whole file found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct FileSummary {
    /// Rows, the headings not counted.
    pub rows: u64,
    /// Rows that kept every rule.
    pub well_formed: u64,
    /// Rows that did not.
    pub rejected: u64,
    /// How often each field broke each rule, by field and code: what to mend first.
    pub reasons: BTreeMap<(Cow<'static, str>, Cow<'static, str>), u64>,
}

impl FileSummary {
    /// Counts a row's complaints.
    pub fn count(&mut self, complaints: &[Complaint]) {
        for complaint in complaints {
            let reason = (complaint.field.clone(), complaint.code.clone());
            *self.reasons.entry(reason).or_default() += 1;
        }
    }
}

/// Checks a whole file without a gateway; refused rows go to `rejects`.
///
/// # Errors
/// When the file can't be used, or the rejects can't be written.
pub fn check_file<R: Read + Seek, W: Write>(
    from: R,
    record_type: RecordType,
    today: Date,
    rejects: Option<W>,
) -> Result<FileSummary, FilesError> {
    let mut table = CsvTable::open(from)?;
    let check = FileCheck::new(record_type, table.columns(), today)?;
    let mut rejects = rejects.map(|to| RejectsWriter::begin(to, table.columns())).transpose()?;
    let mut summary = FileSummary::default();
    while let Some(row) = table.next_row()? {
        summary.rows += 1;
        match check.judge(&row) {
            Verdict::Good(_) => summary.well_formed += 1,
            Verdict::Bad(complaints) => {
                summary.rejected += 1;
                summary.count(&complaints);
                if let Some(rejects) = &mut rejects {
                    rejects.write(row.number(), &row.original(), &complaints)?;
                }
            }
        }
    }
    if let Some(rejects) = &mut rejects {
        rejects.flush()?;
    }
    Ok(summary)
}

#[cfg(test)]
mod tests;
