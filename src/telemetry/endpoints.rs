//! `/metrics`, `/healthz`, `/readyz`, `/status`, and who may ask for which.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;

use super::{Metrics, Status};
use crate::http::{self, Limits, Protection};

#[derive(Clone)]
struct Shared {
    metrics: Arc<Metrics>,
    status: Arc<Status>,
    protection: Protection,
    /// Nobody but this machine can ask.
    is_loopback: bool,
}

/// Answers until `until` is done.
///
/// # Errors
/// The system's error where the listener fails.
pub async fn serve(
    listener: TcpListener,
    protection: Protection,
    metrics: Arc<Metrics>,
    status: Arc<Status>,
    until: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/metrics", get(show_metrics))
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .route("/status", get(show_status))
        .with_state(Shared {
            metrics,
            status,
            protection: protection.clone(),
            is_loopback: listener.local_addr()?.ip().is_loopback(),
        });
    http::run(listener, &protection, Limits::SHORT, app, until).await;
    Ok(())
}

async fn show_metrics(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    if let Some(denial) = shared.protection.deny(&headers) {
        return denial;
    }
    shared.metrics.status(&shared.status);
    let content_type = [(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)];
    (content_type, shared.metrics.render()).into_response()
}

async fn show_status(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    if let Some(denial) = shared.protection.deny(&headers) {
        return denial;
    }
    if !shared.protection.has_token() && !shared.is_loopback {
        let reason = "/status names hosts, addresses and accounts, so it is off where others than this machine may ask and \
                      there is no http.token_file\n";
        return (StatusCode::FORBIDDEN, reason).into_response();
    }
    Json(shared.status.to_value()).into_response()
}

async fn health(State(shared): State<Shared>) -> Response {
    answer(&shared.status.unhealthy(), &shared.status)
}

async fn readiness(State(shared): State<Shared>) -> Response {
    answer(&shared.status.unready(), &shared.status)
}

fn answer(reasons: &[String], status: &Status) -> Response {
    let code = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        code,
        Json(json!({ "ok": reasons.is_empty(), "reasons": reasons, "workers": status.workers() })),
    )
        .into_response()
}
