//! What all HTTP servers of the program share: connections and their limits, TLS, a bearer token.

mod server;
mod tls;
mod token;

use std::path::Path;
use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
pub(crate) use server::{Limits, run};
use tokio_rustls::TlsAcceptor;

use self::token::Token;
use crate::config::Http;

/// What the files are called where they were named, for errors.
#[derive(Clone, Copy, Debug)]
struct Names {
    certificate: &'static str,
    key: &'static str,
    token: &'static str,
}

const SETTINGS: Names = Names {
    certificate: "http.certificate_file",
    key: "http.key_file",
    token: "http.token_file",
};

const FLAGS: Names = Names {
    certificate: "--certificate-file",
    key: "--key-file",
    token: "--token-file",
};

/// What protects a server.
#[derive(Clone, Default)]
pub struct Protection {
    tls: Option<TlsAcceptor>,
    token: Option<Arc<Token>>,
}

impl Protection {
    /// Reads certificate, key and token as the settings name them.
    ///
    /// # Errors
    /// The setting, its file, and what is wrong with it.
    pub fn read(settings: &Http) -> anyhow::Result<Self> {
        let certificate = settings
            .certificate_file
            .as_deref()
            .zip(settings.key_file.as_deref());
        Self::of(certificate, settings.token_file.as_deref(), SETTINGS)
    }

    /// Reads certificate with key, and token, as flags name them.
    ///
    /// # Errors
    /// The flag, its file, and what is wrong with it.
    pub(crate) fn of_flags(
        certificate: Option<(&Path, &Path)>,
        token: Option<&Path>,
    ) -> anyhow::Result<Self> {
        Self::of(certificate, token, FLAGS)
    }

    fn of(certificate: Option<(&Path, &Path)>, token: Option<&Path>, names: Names) -> anyhow::Result<Self> {
        let acceptor = |(certificate, key)| tls::acceptor((names.certificate, certificate), (names.key, key));
        let read = |file: &Path| Token::read(names.token, file).map(Arc::new);
        Ok(Self {
            tls: certificate.map(acceptor).transpose()?,
            token: token.map(read).transpose()?,
        })
    }

    /// Whether the server speaks TLS.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether some of what it serves asks for a token.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// The answer to whoever has no right to what a token protects.
    pub(crate) fn deny(&self, headers: &HeaderMap) -> Option<Response> {
        let token = self.token.as_ref()?;
        let own = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
        if own.is_some_and(|own| token.is_in(own)) {
            return None;
        }
        let asks = [(header::WWW_AUTHENTICATE, "Bearer")];
        Some((StatusCode::UNAUTHORIZED, asks, "a bearer token is needed\n").into_response())
    }
}
