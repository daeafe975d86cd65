//! `tallygate.v1.RetentionService`.

use super::{Frame, receipt};
use crate::{
    domain::{PartnerId, RecordType, field::parse_date},
    gateway::{Refused, RetentionDay, RetentionLine, RetentionProof, Verdict},
    wire::v1::{
        self, PreviewRetentionRequest, PreviewRetentionResponse, ProveRetentionRequest,
        ProveRetentionResponse, retention_service_server,
    },
};
use jiff::civil::Date;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The retention service.
#[derive(Debug, Clone)]
pub struct RetentionService(pub Arc<Frame>);

#[tonic::async_trait]
impl retention_service_server::RetentionService for RetentionService {
    async fn preview_retention(
        &self,
        request: Request<PreviewRetentionRequest>,
    ) -> Result<Response<PreviewRetentionResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let on = frame.read(&actor, day(&request.into_inner().day, "day")).await?;
        let lines = frame.gateway().preview_retention(&actor, on).await;
        let (lines, proof) = lines.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(PreviewRetentionResponse {
            lines: lines.into_iter().map(v1::RetentionLine::from).collect(),
            receipt: Some(receipt(&proof)),
        }))
    }

    async fn prove_retention(
        &self,
        request: Request<ProveRetentionRequest>,
    ) -> Result<Response<ProveRetentionResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let ProveRetentionRequest { from_day, until_day } = request.into_inner();
        let from = frame.read(&actor, day(&from_day, "from_day")).await?;
        let until = frame.read(&actor, day(&until_day, "until_day")).await?;
        let found = frame.gateway().prove_retention(&actor, from, until).await;
        let (found, proof) = found.map_err(|denied| frame.status(denied))?.into_parts();
        let found = ProveRetentionResponse::from(found);
        Ok(Response::new(ProveRetentionResponse { receipt: Some(receipt(&proof)), ..found }))
    }
}

fn day(text: &str, field: &'static str) -> Result<Option<Date>, Refused> {
    match text {
        "" => Ok(None),
        text => match parse_date(text) {
            Ok(day) => Ok(Some(day)),
            Err(rule) => Err(Refused::invalid(field, rule.sentence())),
        },
    }
}

/// A class of sizes by its bound, in the log's words.
fn size_class(below: u64) -> String {
    match below {
        0 => ">=10000000".to_owned(),
        below => format!("<{below}"),
    }
}

fn feed((partner, record_type): (PartnerId, RecordType), below: Option<u64>) -> v1::RetentionFeed {
    v1::RetentionFeed {
        partner_id: partner.to_string(),
        record_type: record_type.name().to_owned(),
        size_class: below.map(size_class).unwrap_or_default(),
    }
}

impl From<RetentionLine> for v1::RetentionLine {
    fn from(line: RetentionLine) -> Self {
        Self {
            partner_id: line.partner.to_string(),
            record_type: line.record_type.name().to_owned(),
            clause: line.clause.unwrap_or_default(),
            counted_from: line.counted_from.to_owned(),
            days: line.days.into(),
            in_force: line.in_force,
            size_class: size_class(line.below),
        }
    }
}

impl From<RetentionDay> for v1::RetentionDay {
    fn from(day: RetentionDay) -> Self {
        let record_type = day.record_type.map(|record_type| record_type.name().to_owned());
        Self {
            day: day.day.to_string(),
            record_type: record_type.unwrap_or_default(),
            size_class: size_class(day.below),
        }
    }
}

impl From<RetentionProof> for ProveRetentionResponse {
    fn from(found: RetentionProof) -> Self {
        let overdue = found.overdue.into_iter();
        let verdict = match found.verdict {
            Verdict::NoneOverdue => v1::RetentionVerdict::NoneOverdue,
            Verdict::Overdue => v1::RetentionVerdict::Overdue,
            Verdict::Stalled => v1::RetentionVerdict::Stalled,
            Verdict::Incomplete => v1::RetentionVerdict::Incomplete,
        };
        Self {
            verdict: verdict.into(),
            last_applied: found.last_applied.map(|day| day.to_string()).unwrap_or_default(),
            as_of: found.as_of.to_string(),
            none_overdue: overdue.len() == 0,
            judged: found.judged,
            overdue: overdue.map(|(p, r, below)| feed((p, r), Some(below))).collect(),
            pending: found.pending.into_iter().map(|named| feed(named, None)).collect(),
            unlimited: found.unlimited.into_iter().map(|(p, r, b)| feed((p, r), Some(b))).collect(),
            days: found.days.into_iter().map(v1::RetentionDay::from).collect(),
            receipt: None,
        }
    }
}
