//! A client for the HTTP endpoints of a running service.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context as _, bail};

/// How long the service may take to respond.
const TIMEOUT: Duration = Duration::from_secs(5);

/// `/status` takes a few hundred bytes for each listed asset.
const MAX_RESPONSE_BYTES: u64 = 64 << 20;

/// The address of a service.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// As the user gave it.
    name: String,
    addresses: Vec<SocketAddr>,
}

impl Endpoint {
    /// `HOST:PORT`, also after `http://` and before a path.
    ///
    /// # Errors
    /// Another form, or a host that cannot be resolved.
    pub(super) fn resolve(text: &str) -> anyhow::Result<Self> {
        if text.starts_with("https://") {
            bail!("{text}: the service uses plain HTTP; write http://HOST:PORT");
        }
        let name = text.strip_prefix("http://").unwrap_or(text);
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
        })
    }

    /// Status and body of a path, by HTTP 1.0, where the response ends with the connection.
    ///
    /// # Errors
    /// No response, or one that is not HTTP.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        self.request(path).with_context(|| format!("{self}{path}"))
    }

    fn request(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let mut stream = self.connect()?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.name)?;
        let mut response = String::new();
        stream.take(MAX_RESPONSE_BYTES).read_to_string(&mut response)?;
        let Some((head, body)) = response.split_once("\r\n\r\n") else {
            bail!("the response is not HTTP");
        };
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.context("the response is not HTTP")?, body.to_owned()))
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

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self {
            name: address.to_string(),
            addresses: vec![address],
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.name)
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
                Endpoint::resolve(text).unwrap().to_string(),
                "http://127.0.0.1:9464"
            );
        }
        for (text, hint) in [
            ("https://soc:9464", "plain HTTP"),
            ("nonsense", "write HOST:PORT"),
        ] {
            assert!(
                Endpoint::resolve(text).unwrap_err().to_string().contains(hint),
                "{text}"
            );
        }
    }
}
