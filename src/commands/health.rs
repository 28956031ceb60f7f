//! `pipewarden health`: asks a running service. For containers, whose image has neither a shell nor curl.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::USAGE;
use crate::cli::HealthArgs;
use crate::config::Settings;

/// How long the service may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer is a few hundred bytes for each worker.
const LONGEST_ANSWER: u64 = 1 << 20;

/// Prints the answer of `/healthz` or `/readyz`.
///
/// # Errors
/// Settings that are wrong, or no answer.
pub fn run(args: &HealthArgs) -> anyhow::Result<ExitCode> {
    let address = match &args.address {
        Some(address) => address
            .to_socket_addrs()
            .with_context(|| format!("--address {address}: write HOST:PORT"))?
            .next()
            .with_context(|| format!("--address {address}: no such host"))?,
        None => {
            let settings = Settings::load(args.config.as_deref(), std::env::vars())?;
            reachable(settings.http.listen)
        }
    };
    let path = if args.ready { "/readyz" } else { "/healthz" };
    let (status, body) = ask(address, path).with_context(|| format!("http://{address}{path}"))?;
    anstream::println!("{body}");
    Ok(if status == 200 { ExitCode::SUCCESS } else { USAGE })
}

/// Where to reach a service of this machine that listens there.
fn reachable(mut listens: SocketAddr) -> SocketAddr {
    if listens.ip().is_unspecified() {
        listens.set_ip(match listens.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    listens
}

/// One request, in the version of HTTP where the answer ends with the connection.
fn ask(address: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(LONGEST_ANSWER).read_to_string(&mut answer)?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        bail!("the answer is not HTTP");
    };
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.context("the answer is not HTTP")?, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_listens_everywhere_is_asked_on_loopback() {
        for (listens, asked) in [
            ("0.0.0.0:9464", "127.0.0.1:9464"),
            ("[::]:9464", "[::1]:9464"),
            ("10.1.0.5:80", "10.1.0.5:80"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
