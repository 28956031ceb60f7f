//! `pipewarden health`: asks a running service. For containers, whose image has neither a shell nor curl.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::Context as _;

use super::USAGE;
use super::http_client::{Credentials, Endpoint};
use crate::cli::HealthArgs;
use crate::config::Settings;

/// Prints the answer of `/healthz` or `/readyz`.
///
/// # Errors
/// Settings that are wrong, or no answer.
pub fn run(args: &HealthArgs) -> anyhow::Result<ExitCode> {
    let endpoint = match &args.address {
        Some(address) => {
            let credentials = Credentials::read(None, args.certificate_file.as_deref())?;
            Endpoint::resolve(address, &credentials).context("--address")?
        }
        None => {
            let http = Settings::load(args.config.as_deref(), std::env::vars())?.http;
            let certificate = args.certificate_file.clone().or(http.certificate_file);
            Endpoint::local(
                reachable(http.listen),
                Credentials::read(None, certificate.as_deref())?,
            )
        }
    };
    let (status, body) = endpoint.get(if args.ready { "/readyz" } else { "/healthz" })?;
    writeln!(anstream::stdout(), "{body}")?;
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
