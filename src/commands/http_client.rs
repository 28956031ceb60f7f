//! A client for the HTTP endpoints of a running service.

mod trust;

use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// How long the service may take to respond.
const TIMEOUT: Duration = Duration::from_secs(5);

/// `/status` takes a few hundred bytes for each listed asset.
const MAX_RESPONSE_BYTES: u64 = 64 << 20;

/// How a client shows who it is, and knows whom it asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Credentials {
    token: Option<String>,
    tls: Option<Arc<ClientConfig>>,
}

impl Credentials {
    /// The token in a file, and the certificate that a service has or its authority's, PEM.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else.
    pub(super) fn read(token: Option<&Path>, certificate: Option<&Path>) -> anyhow::Result<Self> {
        let text = |file: &Path| {
            let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
            let token = text.trim().to_owned();
            if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                bail!(
                    "{}: a token is one line of printable ASCII without blanks",
                    file.display()
                );
            }
            Ok(token)
        };
        Ok(Self {
            token: token.map(text).transpose()?,
            tls: certificate.map(trust::client_config).transpose()?,
        })
    }
}

/// The address of a service.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// As the user gave it.
    name: String,
    addresses: Vec<SocketAddr>,
    token: Option<String>,
    /// With it, the service is asked over TLS.
    tls: Option<Arc<ClientConfig>>,
}

impl Endpoint {
    /// `HOST:PORT`, also after `http://` or `https://` and before a path.
    ///
    /// # Errors
    /// Another form, a host that cannot be resolved, or `https` without a certificate to know it by.
    pub(super) fn resolve(text: &str, credentials: &Credentials) -> anyhow::Result<Self> {
        let (is_tls, name) = match text.strip_prefix("https://") {
            Some(name) => (true, name),
            None => (false, text.strip_prefix("http://").unwrap_or(text)),
        };
        if is_tls && credentials.tls.is_none() {
            bail!("{text}: --certificate-file has to name the service's certificate or its authority's");
        }
        let name = name.split('/').next().unwrap_or_default();
        let port = name.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            bail!("{text}: write HOST:PORT");
        }
        let addresses: Vec<SocketAddr> = name
            .to_socket_addrs()
            .with_context(|| format!("{text}: no such host"))?
            .collect();
        if addresses.is_empty() {
            bail!("{text}: no such host");
        }
        Ok(Self {
            name: name.to_owned(),
            addresses,
            token: credentials.token.clone(),
            tls: credentials.tls.clone().filter(|_| is_tls),
        })
    }

    /// A service of this machine, over TLS wherever there is a certificate to know it by.
    pub(super) fn local(address: SocketAddr, credentials: Credentials) -> Self {
        Self {
            name: address.to_string(),
            addresses: vec![address],
            token: credentials.token,
            tls: credentials.tls,
        }
    }

    /// Status and body of a path, by HTTP 1.0, where the response ends with the connection.
    ///
    /// # Errors
    /// No response, or one that is not HTTP.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        self.request(path).with_context(|| format!("{self}{path}"))
    }

    fn request(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let stream = self.connect()?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let response = match &self.tls {
            None => self.exchange(stream, path)?,
            Some(config) => {
                let host = self.name.rsplit_once(':').map_or(&*self.name, |(host, _)| host);
                let host = host.trim_start_matches('[').trim_end_matches(']');
                let name = ServerName::try_from(host.to_owned())?;
                let connection = ClientConnection::new(Arc::clone(config), name)?;
                self.exchange(StreamOwned::new(connection, stream), path)?
            }
        };
        let Some((head, body)) = response.split_once("\r\n\r\n") else {
            bail!("the response is not HTTP");
        };
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.context("the response is not HTTP")?, body.to_owned()))
    }

    fn exchange(&self, mut stream: impl Read + Write, path: &str) -> std::io::Result<String> {
        let token = self.token.iter();
        let authorization: String = token
            .map(|token| format!("Authorization: Bearer {token}\r\n"))
            .collect();
        let name = &self.name;
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nHost: {name}\r\n{authorization}\r\n"
        )?;
        stream.flush()?;
        let mut response = String::new();
        stream.take(MAX_RESPONSE_BYTES).read_to_string(&mut response)?;
        Ok(response)
    }

    /// Connects to the first address that accepts: `localhost` may have two, of which the service listens on one.
    fn connect(&self) -> anyhow::Result<TcpStream> {
        let mut outcome = Err(anyhow::anyhow!("no address"));
        for address in &self.addresses {
            outcome = TcpStream::connect_timeout(address, TIMEOUT).map_err(Into::into);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_named_with_or_without_scheme_and_path() {
        for text in [
            "127.0.0.1:9464",
            "http://127.0.0.1:9464",
            "http://127.0.0.1:9464/status",
        ] {
            assert_eq!(
                Endpoint::resolve(text, &Credentials::default())
                    .unwrap()
                    .to_string(),
                "http://127.0.0.1:9464"
            );
        }
        for (text, hint) in [
            ("https://soc:9464", "--certificate-file"),
            ("nonsense", "write HOST:PORT"),
        ] {
            assert!(
                Endpoint::resolve(text, &Credentials::default())
                    .unwrap_err()
                    .to_string()
                    .contains(hint),
                "{text}"
            );
        }
    }
}
