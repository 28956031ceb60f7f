//! `pipewarden run`: the service.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use super::settings;
use crate::cli::RunArgs;
use crate::config::Watch;
use crate::driver::kafka::{Service, Stop};
use crate::telemetry::{self, Metrics, Status};

/// Runs the service until a signal or a failure ends it.
///
/// # Errors
/// Settings, rules or inventory that are wrong, an address that cannot be listened on, or what ended the service.
pub fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let settings = settings(&args.settings)?;
    let (watch, program) = Watch::start(settings.clone())?;
    telemetry::init_logging(&settings.log).map_err(anyhow::Error::msg)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let (metrics, status, stop) = (
        Arc::new(Metrics::new()),
        Arc::new(Status::default()),
        Stop::default(),
    );
    info!(
        version = env!("CARGO_PKG_VERSION"),
        brokers = settings.kafka.brokers,
        rules = program.rules.rules().len(),
        assets = program.inventory.assets().len(),
        exceptions = program.exceptions.entries().len(),
        fingerprint = program.fingerprint(),
        "pipewarden starts"
    );
    runtime.block_on(async {
        let listener = TcpListener::bind(settings.http.listen)
            .await
            .with_context(|| format!("http.listen: cannot listen on {}", settings.http.listen))?;
        info!(address = %listener.local_addr()?, "serving /metrics, /healthz, /readyz and /status");
        let (closed, closes) = tokio::sync::oneshot::channel::<()>();
        let served = tokio::spawn(telemetry::serve(listener, Arc::clone(&metrics), Arc::clone(&status), async {
            // Whether the sender spoke or went away, the service has ended.
            let _ = closes.await;
        }));
        let service = Service::new(settings, (watch, program), metrics, status, stop.clone());
        let mut ended = tokio::task::spawn_blocking(move || service.run());
        let outcome = tokio::select! {
            outcome = &mut ended => outcome,
            signal = signalled() => {
                info!("{} received: committing what was read and leaving the groups", signal?);
                stop.set();
                tokio::select! {
                    outcome = &mut ended => outcome,
                    signal = signalled() => {
                        warn!("{} received again: ending at once; what is not committed will be repeated", signal?);
                        std::process::exit(130);
                    }
                }
            }
        };
        drop(closed);
        match served.await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => error!("http: {problem}"),
            Err(problem) => error!("http: {problem}"),
        }
        outcome??;
        info!("pipewarden has ended");
        Ok(ExitCode::SUCCESS)
    })
}

/// The name of the next signal that asks to end.
async fn signalled() -> std::io::Result<&'static str> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
