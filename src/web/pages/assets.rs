//! Styles and the one script, as files under addresses that change with them.
//!
//! They are the program's own, the same for everybody, so they may be kept for ever and come
//! packed (zlib, which HTTP calls deflate: RFC 9110 §8.4.1.2).

use super::{Pages, asked::Anyone};
use crate::book;
use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use miniz_oxide::deflate::compress_to_vec_zlib;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

const GOVUK: &str = include_str!("assets/govuk-frontend-6.6.0.css");
const OWN: &str = include_str!("assets/pages.css");
/// The check of the log in the browser.
pub(super) const VERIFY: &str = include_str!("assets/verify.js");
/// What connects it to its page.
const VERIFY_PAGE: &str = include_str!("assets/verify-page.js");

/// As hard as zlib packs: it is done once.
const LEVEL: u8 = 9;
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

#[derive(Debug)]
struct Asset {
    name: String,
    kind: &'static str,
    plain: Bytes,
    packed: Bytes,
}

/// Every file, under names with their digests.
#[derive(Debug)]
pub(super) struct Assets([Asset; 3]);

impl Assets {
    pub(super) fn new() -> Self {
        let css = "text/css; charset=utf-8";
        Self([
            asset("pages", "css", css, format!("{GOVUK}\n{OWN}")),
            asset("book", "css", css, book::STYLE.to_owned()),
            asset(
                "verify",
                "js",
                "text/javascript; charset=utf-8",
                format!("{VERIFY}\n{VERIFY_PAGE}"),
            ),
        ])
    }

    /// The style sheet's name.
    pub(super) fn style(&self) -> &str {
        &self.0[0].name
    }

    /// The data book's.
    pub(super) fn book_style(&self) -> &str {
        &self.0[1].name
    }

    /// The script's.
    pub(super) fn script(&self) -> &str {
        &self.0[2].name
    }
}

fn asset(base: &str, ending: &str, kind: &'static str, text: String) -> Asset {
    let digest = hex::encode(&Sha256::digest(text.as_bytes())[..6]);
    let packed = compress_to_vec_zlib(text.as_bytes(), LEVEL).into();
    Asset { name: format!("{base}-{digest}.{ending}"), kind, plain: text.into(), packed }
}

/// Whether a browser reads what is packed so.
pub(super) fn accepts_packed(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|all| all.split(',').any(|one| one.trim() == "deflate"))
}

/// A file, for anybody: none says anything of anybody.
pub(super) async fn file(
    State(pages): State<Arc<Pages>>,
    Anyone { at: name, .. }: Anyone<String>,
    headers: HeaderMap,
) -> Response {
    let Some(asset) = pages.assets.0.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let packed = accepts_packed(&headers);
    let mut answer =
        Response::new(Body::from(if packed { &asset.packed } else { &asset.plain }.clone()));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(header::CACHE_CONTROL, FOR_EVER);
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("deflate"));
    }
    answer
}
