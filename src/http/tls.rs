//! TLS before a server.

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

/// Where a file was named, and the file.
type Named<'a> = (&'static str, &'a Path);

/// Speaks TLS 1.2 and 1.3 with a certificate and its key, PEM both.
///
/// # Errors
/// Where it was named, the file, and what is wrong with it.
pub(super) fn acceptor(certificate: Named<'_>, key: Named<'_>) -> anyhow::Result<TlsAcceptor> {
    let current = Current {
        key: read(certificate, key)?,
        read: Instant::now(),
    };
    let resolver = Renewed {
        certificate: (certificate.0, certificate.1.to_owned()),
        key: (key.0, key.1.to_owned()),
        current: Mutex::new(current),
    };
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read(certificate: Named<'_>, key: Named<'_>) -> anyhow::Result<Arc<CertifiedKey>> {
    let about = |(name, file): Named<'_>| format!("{name} {}", file.display());
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate.1)
        .and_then(Iterator::collect)
        .with_context(|| about(certificate))?;
    anyhow::ensure!(
        !chain.is_empty(),
        "{}: there is no certificate in it",
        about(certificate)
    );
    let key_of = || about(key);
    let private = PrivateKeyDer::from_pem_file(key.1).with_context(key_of)?;
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
    certificate: (&'static str, PathBuf),
    key: (&'static str, PathBuf),
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    /// When the files were last looked at.
    read: Instant,
}

impl Renewed {
    /// Reads the files first, if that is long ago.
    fn current(&self, now: Instant) -> Arc<CertifiedKey> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(current.read) >= READ_AGAIN {
            current.read = now;
            match read(
                (self.certificate.0, &self.certificate.1),
                (self.key.0, &self.key.1),
            ) {
                Ok(key) => current.key = key,
                Err(problem) => warn!("the certificate stays as it was: {problem:#}"),
            }
        }
        Arc::clone(&current.key)
    }
}

impl ResolvesServerCert for Renewed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewed_certificate_is_used_a_minute_later_and_one_that_is_wrong_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let renew = || {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            std::fs::write(&certificate, made.cert.pem()).unwrap();
            std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
            made.cert.der().clone()
        };
        let (first, began) = (renew(), Instant::now());
        let resolver = Renewed {
            certificate: ("certificate", certificate.clone()),
            key: ("key", key.clone()),
            current: Mutex::new(Current {
                key: read(("certificate", &certificate), ("key", &key)).unwrap(),
                read: began,
            }),
        };
        let used = |now: Instant| resolver.current(now).cert[0].clone();
        let second = renew();
        assert_eq!(used(began + READ_AGAIN / 2), first);
        assert_eq!(used(began + READ_AGAIN), second);
        std::fs::write(&key, "no key").unwrap();
        assert_eq!(used(began + READ_AGAIN * 2), second);
        let third = renew();
        assert_eq!(used(began + READ_AGAIN * 3), third);
    }
}
