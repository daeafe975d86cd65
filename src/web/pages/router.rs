//! Which page is where.

use super::{
    Pages, answer, areas, assets, cards, closing, figures, found, log, map, notices, partners,
    push, register, review, sign_in, trace, visitor::Visitor,
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    middleware::map_response,
    response::Response,
    routing::{get, post},
};
use std::sync::Arc;

/// The longest form, bytes.
const FORM_BYTES: usize = 64 << 10;

/// Every page.
pub fn router(pages: Arc<Pages>) -> Router {
    Router::new()
        .route("/", get(areas::home))
        .route("/sign-in", get(sign_in::page))
        .route("/sign-in/with/{provider}", get(sign_in::set_out))
        .route("/sign-in/back/{provider}", get(sign_in::back))
        .route("/sign-in/{link}", get(sign_in::link).post(sign_in::redeem))
        .route("/sign-out", post(sign_in::out))
        .route("/assets/{file}", get(assets::file))
        .route("/areas/{area}", get(cards::wall))
        .route("/areas/{area}/indicators/{indicator}", get(figures::indicator))
        .route("/areas/{area}/compare", get(figures::compare))
        .route("/areas/{area}/map", get(map::page))
        .route("/areas/{area}/book", get(figures::book))
        .route("/areas/{area}/book/{file}", get(figures::book_file))
        .route("/figures", get(found::page))
        .route("/log", get(log::state))
        .route("/log/entries", get(log::entries))
        .route("/log/trace", get(trace::page))
        .route("/log/review", get(review::page).post(review::sign_off))
        .route("/log/check", get(log::check))
        .route("/log/verifier.html", get(log::stand_alone))
        .route("/log/checkpoint", get(log::checkpoint))
        .route("/log/tile/{*path}", get(log::tile))
        .route("/protocols", get(register::protocols))
        .route("/protocols/{protocol}/{version}", get(register::protocol))
        .route("/explain", get(register::explain))
        .route("/notices", get(notices::page))
        .route("/push", get(push::page).post(push::receive))
        .route("/push/{file}", post(push::go_on))
        .route("/push/{file}/{name}", get(push::download))
        .route("/partners", get(partners::page))
        .route("/releases", get(register::releases))
        .route("/releases/next", get(closing::preview).post(closing::close))
        .method_not_allowed_fallback(not_so)
        .fallback(absent)
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .layer(map_response(answer::headed))
        .with_state(pages)
}

/// An address that nothing lies at.
async fn absent(State(pages): State<Arc<Pages>>, visitor: Visitor) -> Response {
    answer::nothing_here(&pages, &visitor)
}

/// An address that is a page, but not in the way it was asked.
async fn not_so(State(pages): State<Arc<Pages>>, visitor: Visitor) -> Response {
    answer::not_so(&pages, &visitor)
}
