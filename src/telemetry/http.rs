//! `/metrics`, `/healthz`, `/readyz`, `/status`, and who may ask for which.

mod server;
mod tls;
mod token;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use self::token::Token;
use super::{Metrics, Status};
use crate::config::Http;

/// What protects the endpoints, as the settings ask for it.
#[derive(Clone, Default)]
pub struct Protection {
    tls: Option<TlsAcceptor>,
    token: Option<Arc<Token>>,
}

impl Protection {
    /// Reads certificate, key and token.
    ///
    /// # Errors
    /// The setting, its file, and what is wrong with it.
    pub fn read(settings: &Http) -> anyhow::Result<Self> {
        let tls = match (&settings.certificate_file, &settings.key_file) {
            (Some(certificate), Some(key)) => Some(tls::acceptor(certificate, key)?),
            _ => None,
        };
        let read = |file: &Path| Token::read(file).map(Arc::new);
        Ok(Self {
            tls,
            token: settings.token_file.as_deref().map(read).transpose()?,
        })
    }

    /// Whether the endpoints speak TLS.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether some of the endpoints ask for a token.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }
}

#[derive(Clone)]
struct Shared {
    metrics: Arc<Metrics>,
    status: Arc<Status>,
    token: Option<Arc<Token>>,
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
    let Protection { tls, token } = protection;
    let app = Router::new()
        .route("/metrics", get(show_metrics))
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .route("/status", get(show_status))
        .with_state(Shared {
            metrics,
            status,
            token,
            is_loopback: listener.local_addr()?.ip().is_loopback(),
        });
    server::run(listener, tls, app, until).await;
    Ok(())
}

async fn show_metrics(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    if let Some(denial) = shared.deny(&headers) {
        return denial;
    }
    shared.metrics.status(&shared.status);
    let content_type = [(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)];
    (content_type, shared.metrics.render()).into_response()
}

async fn show_status(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    if let Some(denial) = shared.deny(&headers) {
        return denial;
    }
    if shared.token.is_none() && !shared.is_loopback {
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

impl Shared {
    /// The answer to whoever has no right to what a token protects.
    fn deny(&self, headers: &HeaderMap) -> Option<Response> {
        let token = self.token.as_ref()?;
        let own = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
        if own.is_some_and(|own| token.is_in(own)) {
            return None;
        }
        let asks = [(header::WWW_AUTHENTICATE, "Bearer")];
        Some((StatusCode::UNAUTHORIZED, asks, "a bearer token is needed\n").into_response())
    }
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
