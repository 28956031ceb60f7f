//! The page and its API over HTTP. Every route reads; none changes anything.

use std::future::Future;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::Sse;
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::net::TcpListener;

use super::assets::{self, INDEX};
use super::guard::guard;
use super::openapi;
use super::store::Store;
use super::stream;
use crate::http::{self, Limits, Protection};

/// Serves the page of what is held until `until` is done.
///
/// # Errors
/// The system's error where the listener fails.
pub async fn serve(
    listener: TcpListener,
    protection: Protection,
    store: Arc<Store>,
    until: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    // Without a token names are all that keeps the scripts of other sites out.
    let is_local = listener.local_addr()?.ip().is_loopback() || !protection.has_token();
    let api = axum::Router::new()
        .route("/about", get(about))
        .route("/alerts", get(alerts))
        .route("/services", get(services))
        .route("/openapi.json", get(description))
        .route("/alerts/{id}", get(alert))
        .route("/alerts/{id}/revisions/{revision}", get(revision))
        .route("/stream/{epoch}/{after}", get(follow))
        .fallback(nothing)
        .with_state(store)
        .layer(middleware::from_fn_with_state(protection.clone(), demand_token));
    let app = axum::Router::new()
        .route("/", get(|| async { Html(INDEX) }))
        .route("/{name}", get(file))
        .nest("/api", api)
        .fallback(nothing)
        .layer(middleware::from_fn_with_state(is_local, guard));
    http::run(listener, &protection, Limits::STREAMS, app, until).await;
    Ok(())
}

/// Files of the page say nothing about alerts; all else asks for the token.
async fn demand_token(State(protection): State<Protection>, request: Request, next: Next) -> Response {
    match protection.deny(request.headers()) {
        Some(denial) => denial,
        None => next.run(request).await,
    }
}

async fn file(Path(name): Path<String>) -> Response {
    match assets::asset(&name) {
        Some(asset) => ([(header::CONTENT_TYPE, asset.content_type())], asset.text).into_response(),
        None => nothing().await,
    }
}

async fn about(State(store): State<Arc<Store>>) -> Response {
    Json(store.about()).into_response()
}

async fn alerts(State(store): State<Arc<Store>>) -> Response {
    Json(store.all()).into_response()
}

async fn services(State(store): State<Arc<Store>>) -> Response {
    Json(store.services()).into_response()
}

async fn description() -> Response {
    Json(openapi::description()).into_response()
}

async fn alert(State(store): State<Arc<Store>>, Path(id): Path<String>) -> Response {
    found(store.held().detail(&id))
}

async fn revision(State(store): State<Arc<Store>>, Path((id, revision)): Path<(String, u64)>) -> Response {
    found(store.held().document(&id, revision))
}

async fn follow(State(store): State<Arc<Store>>, Path((epoch, after)): Path<(String, u64)>) -> Response {
    Sse::new(stream::follow(store, &epoch, after)).into_response()
}

fn found(answer: Option<impl Serialize>) -> Response {
    match answer {
        Some(answer) => Json(answer).into_response(),
        None => (
            StatusCode::NOT_FOUND,
            "not held: forgotten for newer alerts, or never read\n",
        )
            .into_response(),
    }
}

async fn nothing() -> Response {
    (StatusCode::NOT_FOUND, "there is nothing here\n").into_response()
}
