//! `/metrics`, `/healthz`, `/readyz`, `/status`.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;

use super::{Metrics, Status};

#[derive(Clone)]
struct Shared {
    metrics: Arc<Metrics>,
    status: Arc<Status>,
}

/// Answers until `until` is done.
///
/// # Errors
/// The system's error where the listener fails.
pub async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    status: Arc<Status>,
    until: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/metrics", get(show_metrics))
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .route("/status", get(show_status))
        .with_state(Shared { metrics, status });
    axum::serve(listener, app).with_graceful_shutdown(until).await
}

async fn show_metrics(State(shared): State<Shared>) -> Response {
    shared.metrics.status(&shared.status);
    let content_type = [(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)];
    (content_type, shared.metrics.render()).into_response()
}

async fn show_status(State(shared): State<Shared>) -> Response {
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
