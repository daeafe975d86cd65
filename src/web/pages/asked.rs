//! What an address asks, read in one place for every page.
//!
//! An address that can't be read (a part of its question twice, bytes that are no text) is refused
//! as a form that can't be: in the caller's name, with a leaf and the page that says so. Of somebody
//! who is not signed in it is counted. No page answers in the words of a library.

use super::{Pages, answer, visitor::Visitor};
use crate::gateway::Refused;
use axum::{
    extract::{FromRequestParts, Path, Query},
    response::Response,
};
use http::request::Parts;
use serde::{Deserialize, de::DeserializeOwned};
use std::sync::Arc;

/// A question, or a form, with nothing in it that a page reads.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Nothing {}

/// An address that somebody who is signed in asks.
#[derive(Debug)]
pub(super) struct Asked<P, Q = Nothing> {
    pub(super) visitor: Visitor,
    /// What its path names.
    pub(super) at: P,
    /// What stands behind its question mark.
    pub(super) query: Q,
}

/// An address that anybody may ask.
#[derive(Debug)]
pub(super) struct Anyone<P, Q = Nothing> {
    pub(super) at: P,
    pub(super) query: Q,
}

impl<P, Q> FromRequestParts<Arc<Pages>> for Asked<P, Q>
where
    P: DeserializeOwned + Send,
    Q: DeserializeOwned + Send,
{
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        pages: &Arc<Pages>,
    ) -> Result<Self, Self::Rejection> {
        let visitor = Visitor::from_request_parts(parts, pages).await?;
        match (path(parts, pages).await, query(parts)) {
            (Some(at), Some(query)) => Ok(Self { visitor, at, query }),
            _ => Err(malformed(pages, &visitor).await),
        }
    }
}

impl<P, Q> FromRequestParts<Arc<Pages>> for Anyone<P, Q>
where
    P: DeserializeOwned + Send,
    Q: DeserializeOwned + Send,
{
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        pages: &Arc<Pages>,
    ) -> Result<Self, Self::Rejection> {
        match (path(parts, pages).await, query(parts)) {
            (Some(at), Some(query)) => Ok(Self { at, query }),
            _ => {
                (pages.unknown)();
                Err(answer::unreadable_of_nobody(pages))
            }
        }
    }
}

/// What an address's path names.
pub(super) async fn path<P: DeserializeOwned + Send>(
    parts: &mut Parts,
    pages: &Arc<Pages>,
) -> Option<P> {
    Path::<P>::from_request_parts(parts, pages).await.ok().map(|Path(at)| at)
}

fn query<Q: DeserializeOwned>(parts: &Parts) -> Option<Q> {
    Query::<Q>::try_from_uri(&parts.uri).ok().map(|Query(query)| query)
}

/// The no to an address that can't be read.
pub(super) async fn malformed(pages: &Pages, visitor: &Visitor) -> Response {
    let rule = "one that a page here leads to, with each part of its question once";
    let refused = Refused::invalid("address", rule);
    let denied = pages.gateway().refuse_malformed(&visitor.actor, refused).await;
    answer::denied(pages, visitor, denied)
}
