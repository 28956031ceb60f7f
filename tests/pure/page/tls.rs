//! The page over TLS.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;

use pipewarden::config::Http;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{PATIENCE, Served, TOKEN};

/// Asks a page that presents a certificate, as one that trusts another or the same.
fn ask(served: &Served, trusted: &CertificateDer<'static>, head: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(served.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    stream.write_all(head.as_bytes())?;
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        // The server closes the connection behind its answer.
        Err(end) if answer.is_empty() => Err(end),
        _ => Ok(answer),
    }
}

#[test]
fn over_tls_the_page_is_served_to_whoever_trusts_its_certificate_and_alerts_to_whoever_has_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (own, other) = (made(), made());
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    let http = Http {
        certificate_file: file("own.crt", own.cert.pem()),
        key_file: file("own.key", own.signing_key.serialize_pem()),
        token_file: file("token", TOKEN.to_owned()),
        ..Http::default()
    };
    let served = Served::start(Ipv4Addr::LOCALHOST, &http);
    let page = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";
    let answer = ask(&served, own.cert.der(), page).unwrap();
    assert!(
        answer.starts_with("HTTP/1.0 200") && answer.contains("<!doctype html>"),
        "{answer}"
    );
    assert!(ask(&served, other.cert.der(), page).is_err());
    let alerts = "GET /api/alerts HTTP/1.0\r\nHost: localhost\r\n";
    let refused = ask(&served, own.cert.der(), &format!("{alerts}\r\n")).unwrap();
    assert!(refused.starts_with("HTTP/1.0 401"), "{refused}");
    let with_token = format!("{alerts}Authorization: Bearer {TOKEN}\r\n\r\n");
    let told = ask(&served, own.cert.der(), &with_token).unwrap();
    assert!(told.starts_with("HTTP/1.0 200"), "{told}");
}
