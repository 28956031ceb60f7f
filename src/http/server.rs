//! Connections, which may come from anyone who reaches the server: each is for one request and has only so long for it, and
//! there are only so many.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::Protection;

/// How many connections there may be; others wait in the system's queue.
const MOST: usize = 64;

/// How long the handshake of TLS may take, and then the head of the request.
const HEAD: Duration = Duration::from_secs(5);

/// What a server grants a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long it may take as a whole: a reader that does not read ends here.
    whole: Duration,
    /// How many one address may have, so that it cannot keep others out; further ones are closed at once.
    most_of_one: usize,
}

impl Limits {
    /// For answers that are there at once.
    pub(crate) const SHORT: Self = Self {
        whole: Duration::from_secs(30),
        most_of_one: 16,
    };
    /// For streams, whose readers begin again where they ended. A proxy before the page is one address, and all who look.
    pub(crate) const STREAMS: Self = Self {
        whole: Duration::from_secs(3600),
        most_of_one: 48,
    };
}

/// How long answers that are on their way may take once the service ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a connection buffers of a request, which has no body.
const HEAD_BYTES: usize = 16 << 10;

/// Answers connections until `until` is done.
pub(crate) async fn run(
    listener: TcpListener,
    protection: &Protection,
    limits: Limits,
    app: Router,
    until: impl Future<Output = ()>,
) {
    let mut until = pin!(until);
    let (room, peers) = (Arc::new(Semaphore::new(MOST)), Peers::default());
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer, permit) = tokio::select! {
            biased;
            () = &mut until => break,
            Some(_) = connections.join_next() => continue,
            Some(accepted) = accept(&listener, &room) => accepted,
        };
        let Some(place) = peers.enter(peer.ip(), limits.most_of_one) else {
            debug!(%peer, "a connection is closed: its address has {} already", limits.most_of_one);
            continue;
        };
        let (tls, app) = (protection.tls.clone(), app.clone());
        connections.spawn(async move {
            let ended = timeout(limits.whole, answer(stream, tls, app)).await;
            if !matches!(ended, Ok(Ok(()))) {
                debug!(%peer, "a connection has failed: {ended:?}");
            }
            drop((place, permit));
        });
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    // What is left is aborted with the set.
    let _ = timeout(FAREWELL, all).await;
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return Some((stream, peer, permit)),
            // A connection that is gone again, or no file descriptor for one.
            Err(problem) => {
                warn!("a connection cannot be accepted: {problem}");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, tls: Option<TlsAcceptor>, app: Router) -> anyhow::Result<()> {
    match tls {
        None => exchange(stream, app).await?,
        Some(tls) => {
            let stream = timeout(HEAD, tls.accept(stream)).await??;
            exchange(stream, app).await?;
        }
    }
    Ok(())
}

/// One request and its answer.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    app: Router,
) -> hyper::Result<()> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app))
        .await
}

/// How many connections each address has.
#[derive(Clone, Default)]
struct Peers(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

impl Peers {
    /// A place for one more connection of this address, if it may have one.
    fn enter(&self, address: IpAddr, most: usize) -> Option<Place> {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = peers.entry(address).or_default();
        if *own >= most {
            return None;
        }
        *own += 1;
        Some(Place {
            peers: self.clone(),
            address,
        })
    }
}

/// The place of one connection, given back at its end.
struct Place {
    peers: Peers,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut peers = self.peers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = peers.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                peers.remove(&self.address);
            }
        }
    }
}
