//! What is to be done because somebody objected, withdrew or is to be erased: a sender's own
//! notices; for data officers and auditors who is late, in size classes.
//!
//! A notice names the sender's own record by an id that only it can resolve, so that nobody learns
//! of a subject that it did not know.

use super::{
    Pages,
    answer::{self, Answer, Frame},
    visitor::Visitor,
};
use crate::{gateway::PageRequest, protocol::CallerRole};
use askama::Template;
use axum::extract::State;
use std::sync::Arc;

/// Notices of one page; the connector reads further ones.
const MOST_LINES: u32 = 200;

#[derive(Template)]
#[template(path = "notices.html")]
struct NoticesPage {
    frame: Frame,
    /// Of the visitor's own organisation.
    own: Vec<Notice>,
    /// Whether there are more.
    more: bool,
    /// Party, quarter and how many.
    late: Vec<(String, String, String)>,
    /// Which of the two is shown.
    is_sender: bool,
    entry: u64,
}

struct Notice {
    id: String,
    record_type: String,
    choice: String,
    action: &'static str,
    due: String,
    overdue: bool,
}

pub(super) async fn page(State(pages): State<Arc<Pages>>, visitor: Visitor) -> Answer {
    let gateway = pages.gateway();
    let frame = visitor.frame(&pages, "Objections and withdrawals", "/notices");
    let no = |denied| answer::denied(&pages, &visitor, denied);
    let mut shown = NoticesPage {
        frame,
        own: Vec::new(),
        more: false,
        late: Vec::new(),
        is_sender: visitor.is(CallerRole::Provider),
        entry: 0,
    };
    if shown.is_sender {
        let page = PageRequest { size: MOST_LINES, token: String::new() };
        let found = gateway.notices(&visitor.actor, false, &page).await.map_err(no)?;
        let (found, receipt) = found.into_parts();
        shown.more = !found.next.is_empty();
        shown.own = found
            .entries
            .into_iter()
            .map(|line| Notice {
                record_type: line.record_type.name().replace('_', " "),
                choice: line.choice.to_string(),
                due: line.due.to_string(),
                id: line.id,
                action: line.action,
                overdue: line.overdue,
            })
            .collect();
        shown.entry = receipt.leaf_index;
    } else {
        let found = gateway.overdue_notices(&visitor.actor).await.map_err(no)?;
        let (found, receipt) = found.into_parts();
        let class = |class| {
            let text = serde_json::to_value(class).ok();
            text.and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
        };
        let line = |late: crate::gateway::Overdue| {
            (late.partner.to_string(), late.quarter.to_string(), class(late.size_class))
        };
        shown.late = found.into_iter().map(line).collect();
        shown.entry = receipt.leaf_index;
    }
    Ok(answer::page(&shown))
}
