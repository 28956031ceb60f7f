//! TLS before the endpoints.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use tracing::warn;

/// How soon a renewed certificate is used.
const READ_AGAIN: Duration = Duration::from_secs(60);

/// Speaks TLS 1.2 and 1.3 with a certificate and its key, PEM both.
///
/// # Errors
/// The setting, its file, and what is wrong with it.
pub(super) fn acceptor(certificate: &Path, key: &Path) -> anyhow::Result<TlsAcceptor> {
    let current = Current {
        key: read(certificate, key)?,
        read: Instant::now(),
    };
    let resolver = Renewed {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        current: Mutex::new(current),
    };
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read(certificate: &Path, key: &Path) -> anyhow::Result<Arc<CertifiedKey>> {
    let about = |setting: &str, file: &Path| format!("http.{setting} {}", file.display());
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| about("certificate_file", certificate))?;
    anyhow::ensure!(
        !chain.is_empty(),
        "{}: there is no certificate in it",
        about("certificate_file", certificate)
    );
    let key_of = || about("key_file", key);
    let private = PrivateKeyDer::from_pem_file(key).with_context(key_of)?;
    let signing = ring::sign::any_supported_type(&private).with_context(key_of)?;
    let certified = CertifiedKey::new(chain, signing);
    certified
        .keys_match()
        .with_context(|| format!("{} is not the key of the certificate", key_of()))?;
    Ok(Arc::new(certified))
}

/// The certificate as its files have it: whoever renews it replaces them.
#[derive(Debug)]
struct Renewed {
    certificate: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    /// When the files were last looked at.
    read: Instant,
}

impl ResolvesServerCert for Renewed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.read.elapsed() >= READ_AGAIN {
            current.read = Instant::now();
            match read(&self.certificate, &self.key) {
                Ok(key) => current.key = key,
                Err(problem) => warn!("the certificate of the endpoints stays as it was: {problem:#}"),
            }
        }
        Some(Arc::clone(&current.key))
    }
}
