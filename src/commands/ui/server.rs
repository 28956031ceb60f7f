//! The page's server: where it listens, and until when.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tracing::warn;

use crate::cli::ServerArgs;
use crate::http::Protection;
use crate::page::{self, Store};
use crate::telemetry::{self, Metrics, Status};

/// A server that listens and does not answer yet.
pub(crate) struct Server {
    runtime: Runtime,
    listener: TcpListener,
    protection: Protection,
    address: String,
    /// Metrics and status of what runs beside the page, and where they listen.
    metrics: Option<(TcpListener, Arc<Metrics>, Arc<Status>)>,
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// An address that others reach without a token, one that cannot be listened on, or files that hold something else.
    pub(crate) fn bind(args: &ServerArgs) -> anyhow::Result<Self> {
        let listen = args.listen;
        if args.token_file.is_none() && !args.without_token && !listen.ip().is_loopback() {
            bail!(
                "--listen {listen}: others than this machine could read every alert; --token-file has to name a file with a token"
            );
        }
        let certificate = args.certificate_file.as_deref().zip(args.key_file.as_deref());
        let protection = Protection::of_flags(certificate, args.token_file.as_deref())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let listener = runtime
            .block_on(TcpListener::bind(listen))
            .with_context(|| format!("--listen: cannot listen on {listen}"))?;
        let scheme = if protection.has_tls() { "https" } else { "http" };
        let address = format!("{scheme}://{}/", listener.local_addr()?);
        if protection.has_token() && !protection.has_tls() && !listen.ip().is_loopback() {
            warn!(
                "the page and its token cross the network as they are: give --certificate-file and --key-file"
            );
        }
        Ok(Self {
            runtime,
            listener,
            protection,
            address,
            metrics: None,
        })
    }

    /// Serves these as well, with the same protection.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub(crate) fn with_metrics(
        mut self,
        listen: SocketAddr,
        metrics: Arc<Metrics>,
        status: Arc<Status>,
    ) -> anyhow::Result<Self> {
        let listener = self
            .runtime
            .block_on(TcpListener::bind(listen))
            .with_context(|| format!("--metrics: cannot listen on {listen}"))?;
        self.metrics = Some((listener, metrics, status));
        Ok(self)
    }

    /// Says where the page is, and answers until a signal comes.
    ///
    /// # Errors
    /// The listener fails, or signals cannot be waited for.
    pub(crate) fn serve(self, store: &Arc<Store>) -> anyhow::Result<()> {
        self.serve_for(store, None)
    }

    /// The same, for so long at most.
    ///
    /// # Errors
    /// As [`Server::serve`].
    pub(crate) fn serve_for(self, store: &Arc<Store>, lasts: Option<Duration>) -> anyhow::Result<()> {
        writeln!(anstream::stdout(), "{}", self.address)?;
        self.runtime.block_on(async {
            if let Some((listener, metrics, status)) = self.metrics {
                let scheme = if self.protection.has_tls() {
                    "https"
                } else {
                    "http"
                };
                writeln!(
                    anstream::stdout(),
                    "{scheme}://{}/metrics",
                    listener.local_addr()?
                )?;
                // Ends with the runtime.
                let served = telemetry::serve(
                    listener,
                    self.protection.clone(),
                    metrics,
                    status,
                    std::future::pending(),
                );
                tokio::spawn(served);
            }
            let (close, closes) = tokio::sync::oneshot::channel::<()>();
            let until = async {
                // With a value or without its sender, it is the end.
                let _ = closes.await;
            };
            let served = tokio::spawn(page::serve(
                self.listener,
                self.protection,
                Arc::clone(store),
                until,
            ));
            let over = async {
                match lasts {
                    Some(lasts) => tokio::time::sleep(lasts).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                signal = super::super::signalled() => drop(signal?),
                () = over => {}
            }
            store.close();
            drop(close);
            served.await??;
            anyhow::Ok(())
        })
    }
}
