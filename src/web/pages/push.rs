//! A sender's file from the browser, for whoever can install nothing: checked first, then sent, by
//! the very decision, checks and log that the connector's stream meets. Files of other headings are
//! mapped column by column; what is rejected comes back as a file to correct.

use super::{
    Pages,
    answer::{self, Answer, Frame},
    asked::Asked,
    sending::{self, Outcome, Stopped},
    uploads::{self, MOST_BYTES, Upload, boundary, parts},
    visitor::{self, Posted, Visitor},
};
use crate::{
    domain::{RecordType, field::Rule, record::ENVELOPE},
    files::{FilesError, Input, Kept, Mapping, suggest::suggest},
    gateway::{PageRequest, ProtocolFilter},
    protocol::{CallerRole, State as Stands},
};
use askama::Template;
use axum::{
    body::to_bytes,
    extract::{FromRequestParts as _, Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};
use tokio::{sync::OwnedSemaphorePermit, task};

/// Protocols that a sender chooses from.
const MOST_PROTOCOLS: u32 = 200;
/// What a form adds to its file.
const FORM_BYTES: usize = 64 << 10;
/// How the fields of columns are named in the form that maps them.
const COLUMN: &str = "column-";
const TARGET: &str = "tallygate:target";

#[derive(Template)]
#[template(path = "push.html")]
struct PushPage {
    frame: Frame,
    /// What can be sent under what: the form's value, and words.
    feeds: Vec<(String, String)>,
    today: String,
    entry: u64,
}

#[derive(Template)]
#[template(path = "pushed.html")]
struct PushedPage {
    frame: Frame,
    /// The file's name here.
    file: String,
    what: String,
    protocol: String,
    version: u32,
    /// Whether it was sent, and not only checked.
    sent: bool,
    rows: u64,
    well_formed: u64,
    sent_before: u64,
    rejected: u64,
    /// How many, of which field, by which code, and what a good value looks like.
    reasons: Vec<(u64, String, String, String)>,
    warnings: Vec<String>,
    /// The first and last entry of the log that tell of it.
    entries: (u64, u64),
    receipts: usize,
}

#[derive(Template)]
#[template(path = "map_columns.html")]
struct MapPage {
    frame: Frame,
    file: String,
    what: String,
    /// Why there is something to map, where the file could not be used as it is.
    why: String,
    columns: Vec<Column>,
    targets: Vec<&'static str>,
}

/// A column of the file and what it becomes.
struct Column {
    field: String,
    heading: String,
    target: String,
}

#[derive(Template)]
#[template(path = "push_failed.html")]
struct FailedPage {
    frame: Frame,
    sentence: String,
}

/// The form: what may be sent, under which protocol.
pub(super) async fn page(State(pages): State<Arc<Pages>>, visitor: Visitor) -> Answer {
    if !visitor.is(CallerRole::Provider) {
        return Err(answer::not_your_role(&pages, &visitor).await);
    }
    let page = PageRequest { size: MOST_PROTOCOLS, token: String::new() };
    let filter = ProtocolFilter::default();
    let found = pages.gateway().list_protocols(&visitor.actor, &filter, &page).await;
    let found = found.map_err(|denied| answer::denied(&pages, &visitor, denied))?;
    let (found, receipt) = found.into_parts();
    let own = found.entries.iter().filter(|line| {
        line.state == Some(Stands::Active) && line.parties.contains(&visitor.actor.partner)
    });
    let feeds = own.flat_map(|line| {
        line.record_types.iter().map(|record_type| {
            let name = record_type.name();
            let words = format!("{} ({})", name.replace('_', " "), line.protocol);
            (format!("{}/{name}", line.protocol), words)
        })
    });
    Ok(answer::page(&PushPage {
        frame: visitor.frame(&pages, "Send a file", "/push"),
        feeds: feeds.collect(),
        today: today(&pages),
        entry: receipt.leaf_index,
    }))
}

fn today(pages: &Pages) -> String {
    pages.now().to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

/// A file that came, to be checked: nothing of it is stored.
pub(super) async fn receive(State(pages): State<Arc<Pages>>, request: Request) -> Answer {
    let (mut head, body) = request.into_parts();
    let visitor = Visitor::from_request_parts(&mut head, &pages).await?;
    if !visitor.is(CallerRole::Provider) {
        return Err(answer::not_your_role(&pages, &visitor).await);
    }
    let authority = head.uri.authority().map(http::uri::Authority::as_str);
    if !visitor::is_from_here(&head.headers, authority) {
        return Err(visitor::not_yours(&pages, &visitor).await);
    }
    let Some(place) = pages.uploads.place() else {
        let sentence = "Others are sending files now. Try again in a minute.";
        return Err(failed(&pages, &visitor, StatusCode::TOO_MANY_REQUESTS, sentence));
    };
    let Ok(body) = to_bytes(body, MOST_BYTES + FORM_BYTES).await else {
        let sentence = "The file is longer than 8 MB. Cut it in pieces, or send it with the \
                        connector (tallygate push), which has no limit.";
        return Err(failed(&pages, &visitor, StatusCode::PAYLOAD_TOO_LARGE, sentence));
    };
    let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let read = kind.and_then(boundary).and_then(|boundary| parts(&body, boundary));
    let read = read.unwrap_or_default();
    let bytes = |name: &str| read.iter().find(|part| part.name == name).map(|part| part.bytes);
    let text = |name: &str| bytes(name).and_then(|bytes| std::str::from_utf8(bytes).ok());
    if !text("form").is_some_and(|form| visitor.session.form.is(form)) {
        return Err(visitor::not_yours(&pages, &visitor).await);
    }
    let feed = text("feed").and_then(|feed| feed.split_once('/'));
    let feed = feed
        .and_then(|(protocol, name)| Some((protocol.to_owned(), name.parse::<RecordType>().ok()?)));
    let (Some((protocol, record_type)), Some(file)) = (feed, bytes("file")) else {
        let sentence = "Choose what you send, and a file.";
        return Err(failed(&pages, &visitor, StatusCode::BAD_REQUEST, sentence));
    };
    let day = text("extract_day").filter(|day| !day.is_empty());
    let day = day.map_or_else(|| today(&pages), str::to_owned);
    let upload = Upload::new(&visitor.actor, file.to_vec(), (record_type, protocol, day));
    check(&pages, &visitor, upload, place).await
}

/// What is to be done with a file that is kept: mapped anew, checked again, or sent.
pub(super) async fn go_on(
    State(pages): State<Arc<Pages>>,
    Posted { visitor, at: file, form }: Posted<BTreeMap<String, String>, String>,
) -> Answer {
    if !visitor.is(CallerRole::Provider) {
        return Err(answer::not_your_role(&pages, &visitor).await);
    }
    let Some(mut upload) = pages.uploads.find(&file, &visitor.actor, pages.now()) else {
        let sentence = "The file is not kept any more: files are let go after a quarter of an \
                        hour, and once they are sent. Choose it again.";
        return Err(failed(&pages, &visitor, StatusCode::NOT_FOUND, sentence));
    };
    let Some(place) = pages.uploads.place() else {
        let sentence = "Others are sending files now. Try again in a minute.";
        return Err(failed(&pages, &visitor, StatusCode::TOO_MANY_REQUESTS, sentence));
    };
    match form.get("act").map(String::as_str) {
        Some("send") if upload.checked => send(&pages, &visitor, upload, place).await,
        Some("map") => Ok(map_page(&pages, &visitor, upload, String::new()).await),
        _ => {
            upload.mapping = match chosen(&upload, &form).await {
                Ok(mapping) => Some(Arc::new(mapping)),
                Err(error) => {
                    return Ok(map_page(&pages, &visitor, upload, error.to_string()).await);
                }
            };
            check(&pages, &visitor, upload, place).await
        }
    }
}

/// Checks a file without storing anything; one whose columns are others is to be mapped.
async fn check(
    pages: &Arc<Pages>,
    visitor: &Visitor,
    mut upload: Upload,
    place: OwnedSemaphorePermit,
) -> Answer {
    let gateway = Arc::clone(pages.gateway());
    match sending::send(gateway, visitor.actor.clone(), (upload.clone(), true), place).await {
        Ok(outcome) => {
            upload.checked = outcome.summary.well_formed > 0;
            Ok(told(pages, visitor, upload, outcome, false))
        }
        Err(Stopped::File(error @ (FilesError::Layout(_) | FilesError::Mapping(_)))) => {
            Ok(map_page(pages, visitor, upload, error.to_string()).await)
        }
        Err(stopped) => Err(stop(pages, visitor, stopped)),
    }
}

async fn send(
    pages: &Arc<Pages>,
    visitor: &Visitor,
    mut upload: Upload,
    place: OwnedSemaphorePermit,
) -> Answer {
    // It is sent once: a second press of the button finds nothing.
    pages.uploads.forget(&visitor.actor);
    let gateway = Arc::clone(pages.gateway());
    let of_file = (upload.clone(), false);
    let sent = sending::send(gateway, visitor.actor.clone(), of_file, place).await;
    let outcome = sent.map_err(|stopped| stop(pages, visitor, stopped))?;
    upload.bytes = Kept::new(Vec::new());
    upload.checked = false;
    upload.receipts = serde_json::to_string(&outcome.receipts).unwrap_or_default().into();
    Ok(told(pages, visitor, upload, outcome, true))
}

/// What became of it, with its rejects and receipts to download.
fn told(
    pages: &Arc<Pages>,
    visitor: &Visitor,
    mut upload: Upload,
    outcome: Outcome,
    sent: bool,
) -> Response {
    upload.rejects = Kept::new(outcome.rejects);
    let sentence = |code: &str| {
        let rule = Rule::ALL.iter().find(|rule| rule.code() == code);
        rule.map(|rule| rule.sentence().to_owned()).unwrap_or_default()
    };
    let mut reasons: Vec<(u64, String, String, String)> = outcome
        .summary
        .reasons
        .iter()
        .map(|((field, code), count)| (*count, field.to_string(), code.to_string(), sentence(code)))
        .collect();
    reasons.sort_by_key(|(count, ..)| std::cmp::Reverse(*count));
    let indices = || outcome.receipts.iter().map(|receipt| receipt.leaf_index);
    let entries = (indices().min().unwrap_or_default(), indices().max().unwrap_or_default());
    let title = if sent { "Your file was sent" } else { "Your file was checked" };
    answer::page(&PushedPage {
        frame: visitor.frame(pages, title, "/push"),
        what: upload.record_type.name().replace('_', " "),
        protocol: upload.protocol.clone(),
        version: outcome.version,
        sent,
        rows: outcome.summary.rows,
        well_formed: outcome.summary.well_formed,
        sent_before: outcome.sent_before,
        rejected: outcome.summary.rejected,
        reasons,
        warnings: outcome.warnings,
        entries,
        receipts: outcome.receipts.len(),
        file: uploads::keep(pages, upload),
    })
}

/// The page on which each column is given its field; what is likely is chosen already.
async fn map_page(pages: &Arc<Pages>, visitor: &Visitor, upload: Upload, why: String) -> Response {
    let proposed = match proposal(&upload).await {
        Ok(proposed) => proposed,
        Err(error) => return stop(pages, visitor, error.into()),
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let fields = proposed["fields"].as_array().into_iter().flatten().enumerate();
    let columns = fields.map(|(at, field)| Column {
        field: format!("{COLUMN}{at}"),
        heading: text(&field["name"]),
        target: text(&field[TARGET]),
    });
    answer::page(&MapPage {
        frame: visitor.frame(pages, "Which column is what", "/push"),
        what: upload.record_type.name().replace('_', " "),
        why,
        columns: columns.collect(),
        targets: targets(upload.record_type),
        file: uploads::keep(pages, upload),
    })
}

/// What a column can become.
fn targets(record_type: RecordType) -> Vec<&'static str> {
    let fields = record_type.definition().fields().map(|field| field.name);
    let mut all: Vec<&'static str> = ENVELOPE.into_iter().chain(fields).collect();
    let mut seen = BTreeSet::new();
    all.retain(|name| seen.insert(*name));
    all
}

async fn proposal(upload: &Upload) -> Result<Value, FilesError> {
    let (bytes, record_type) = (upload.bytes.clone(), upload.record_type);
    // A workbook may take long: not on a thread that others' connections wait for.
    let proposed = task::spawn_blocking(move || {
        let mut table = Input::in_memory(bytes)?.table()?;
        suggest(&mut table, record_type)
    });
    proposed.await.map_err(|error| FilesError::from(io::Error::from(error)))?
}

/// The mapping that a form chose: what was proposed for a column stays where its field does.
async fn chosen(upload: &Upload, form: &BTreeMap<String, String>) -> Result<Mapping, FilesError> {
    let mut schema = proposal(upload).await?;
    for (at, field) in schema["fields"].as_array_mut().into_iter().flatten().enumerate() {
        let wanted = form.get(&format!("{COLUMN}{at}")).map_or("", String::as_str);
        if field[TARGET].as_str().unwrap_or_default() != wanted {
            *field = json!({ "name": field["name"], "type": "string" });
            if !wanted.is_empty() {
                field[TARGET] = json!(wanted);
            }
        }
    }
    Ok(Mapping::read(&schema.to_string(), upload.record_type)?)
}

/// A file of the sender's own that is to be downloaded.
pub(super) async fn download(
    State(pages): State<Arc<Pages>>,
    Asked { visitor, at: (file, name), .. }: Asked<(String, String)>,
) -> Answer {
    let Some(upload) = pages.uploads.find(&file, &visitor.actor, pages.now()) else {
        return Ok(answer::nothing_here(&pages, &visitor));
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match name.as_str() {
        "rejects.csv" => {
            Ok(answer::download(&name, "text/csv; charset=utf-8", text(upload.rejects.as_ref())))
        }
        "receipts.json" if !upload.receipts.is_empty() => {
            Ok(answer::download(&name, "application/json", upload.receipts.as_ref().to_owned()))
        }
        _ => Ok(answer::nothing_here(&pages, &visitor)),
    }
}

fn stop(pages: &Pages, visitor: &Visitor, stopped: Stopped) -> Response {
    match stopped {
        Stopped::Denied(denied) => answer::denied(pages, visitor, denied),
        Stopped::File(error) => {
            failed(pages, visitor, StatusCode::BAD_REQUEST, &format!("{error}."))
        }
    }
}

/// One clear sentence on why a file was not taken.
fn failed(pages: &Pages, visitor: &Visitor, status: StatusCode, sentence: &str) -> Response {
    let shown = FailedPage {
        frame: visitor.frame(pages, "The file was not taken", "/push"),
        sentence: sentence.to_owned(),
    };
    (status, answer::page(&shown)).into_response()
}
