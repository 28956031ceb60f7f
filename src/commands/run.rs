//! `pipewarden run`: the service.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use pipewarden_kafka::{ActivePolicy, CorrelatorSettings, RouterSettings, Service, ServiceSettings, Stop};
use tokio::net::TcpListener;
use tracing::{error, info, warn};

use super::{settings, signalled};
use crate::cli::RunArgs;
use crate::config::{Log, Settings, Watch};
use crate::engine::Policy;
use crate::reload::Reload;
use crate::telemetry::{self, EXPLANATIONS, Metrics, Protection, Reporter, Status};

/// How long workers have to end: a last commit may take 60 s, and Kubernetes kills what is there after 120 s. What hangs then hangs
/// for good, as a client may that cannot leave its group.
const FAREWELL: Duration = Duration::from_secs(90);

/// Runs the service until a signal or a failure ends it. What is wrong goes to the log, which is read where the service runs.
///
/// # Errors
/// None but for a log that cannot be written.
pub fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let settings = settings(&args.settings);
    let log = settings
        .as_ref()
        .map_or_else(|_| log_settings(), |settings| settings.log.clone());
    telemetry::init_logging(&log).map_err(anyhow::Error::msg)?;
    let outcome = settings.and_then(|settings| serve(&settings));
    Ok(outcome.unwrap_or_else(|failure| {
        format!("{failure:#}").lines().for_each(|line| error!("{line}"));
        super::USAGE
    }))
}

/// How to log where the settings are wrong: as the environment says, by itself.
fn log_settings() -> Log {
    let own = std::env::vars().filter(|(name, _)| name.starts_with("PIPEWARDEN_LOG__"));
    Settings::load(None, own).unwrap_or_default().log
}

/// # Errors
/// Rules, inventory or properties of the client that are wrong, an address that cannot be listened on, or what ended the
/// service.
fn serve(settings: &Settings) -> anyhow::Result<ExitCode> {
    let read = Watch::start(settings.clone()).map_err(anyhow::Error::from);
    let client = super::demand_sound_client(settings);
    let ((watch, policy), protection) = match (read, client, Protection::read(&settings.http)) {
        (Ok(read), Ok(()), Ok(protection)) => (read, protection),
        (read, client, protection) => {
            let all = [read.err(), client.err(), protection.err()];
            super::several(all.into_iter().flatten())?;
            return Ok(super::USAGE);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let (metrics, status) = (Arc::new(Metrics::new()), Arc::new(Status::default()));
    let stop = Stop::default();
    info!(
        version = env!("CARGO_PKG_VERSION"),
        brokers = settings.kafka.brokers,
        rules = policy.rules.rules().len(),
        assets = policy.inventory.assets().len(),
        exceptions = policy.exceptions.entries().len(),
        policy = policy.checkpoint_id(),
        "pipewarden starts"
    );
    let (service, reload) = service(settings, (watch, policy), &metrics, &status, &stop);
    runtime.block_on(async {
        let listener = TcpListener::bind(settings.http.listen)
            .await
            .with_context(|| format!("http.listen: cannot listen on {}", settings.http.listen))?;
        announce(listener.local_addr()?, &protection);
        let (closed, closes) = tokio::sync::oneshot::channel::<()>();
        let served = tokio::spawn(telemetry::serve(
            listener,
            protection,
            Arc::clone(&metrics),
            Arc::clone(&status),
            async {
                // With a value or without its sender, the service has ended.
                let _ = closes.await;
            },
        ));
        let mut ended = tokio::task::spawn_blocking(move || reload.beside(service));
        let outcome = tokio::select! {
            outcome = &mut ended => outcome,
            signal = signalled() => {
                info!("{} received: committing what was read and leaving the consumer groups", signal?);
                stop.set();
                tokio::select! {
                    outcome = &mut ended => outcome,
                    exit = has_no_patience(&status) => std::process::exit(exit?),
                }
            }
        };
        drop(closed);
        match served.await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => error!("the HTTP server has failed: {problem}"),
            Err(problem) => error!("the HTTP server has failed: {problem}"),
        }
        outcome??;
        info!("pipewarden has ended");
        Ok(ExitCode::SUCCESS)
    })
}

/// Returns with the exit code where the service is to end at once: at another signal, or when nothing ends.
async fn has_no_patience(status: &Status) -> std::io::Result<i32> {
    tokio::select! {
        signal = signalled() => {
            warn!("{} received again: ending at once; what is not committed will be repeated", signal?);
            Ok(130)
        }
        () = tokio::time::sleep(FAREWELL) => {
            let there = still_there(status);
            error!("{FAREWELL:?} later {there} still there: ending at once; what is not committed will be repeated");
            Ok(1)
        }
    }
}

/// What has not ended: workers, or what looks after them.
fn still_there(status: &Status) -> String {
    let workers = status.workers().into_iter();
    let alive: Vec<String> = workers
        .filter_map(|(name, worker)| worker.is_alive.then_some(name))
        .collect();
    match alive.as_slice() {
        [] => "all workers have ended, and the service is".to_owned(),
        [one] => format!("{one} is"),
        all => format!("{} are", all.join(", ")),
    }
}

/// Says where the endpoints are, and how they are protected.
fn announce(address: SocketAddr, protection: &Protection) {
    let (tls, token) = (protection.has_tls(), protection.has_token());
    info!(%address, tls, token, "serving /metrics, /healthz, /readyz and /status");
    if token && !tls && !address.ip().is_loopback() {
        warn!(
            "the endpoints' token crosses the network as it is: set http.certificate_file and http.key_file"
        );
    }
}

/// The service, and what looks after the files beside it. `read` is what [`Watch::start`] gave.
pub(crate) fn service(
    settings: &Settings,
    read: (Watch, Policy),
    metrics: &Arc<Metrics>,
    status: &Arc<Status>,
    stop: &Stop,
) -> (Service, Reload) {
    let (watch, policy) = read;
    let reporter = Reporter::new(settings, &policy, Arc::clone(metrics), Arc::clone(status));
    let (reporter, active_policy) = (Arc::new(reporter), ActivePolicy::new(policy));
    let service = Service::new(
        service_settings(settings),
        active_policy.clone(),
        reporter.clone(),
        stop.clone(),
    );
    let reload = Reload {
        watch,
        active_policy,
        interval: settings.reload.interval,
        reporter,
        stop: stop.clone(),
    };
    (service, reload)
}

/// What the service needs of the settings.
fn service_settings(settings: &Settings) -> ServiceSettings {
    let (router, correlator) = (&settings.router, &settings.correlator);
    ServiceSettings {
        kafka: settings.kafka.clone(),
        router: RouterSettings {
            enabled: router.enabled,
            threads: router.threads,
            commit_interval: router.commit_interval,
        },
        correlator: CorrelatorSettings {
            enabled: correlator.enabled,
            threads: correlator.threads,
            commit_interval: correlator.commit_interval,
            instance: correlator.instance.clone().unwrap_or_else(host_name),
        },
        bindings: settings.bindings.clone(),
        alert_format: settings.alerts.format,
        alert_max_bytes: settings.alerts.max_bytes,
        explanations: EXPLANATIONS,
    }
}

/// The host's name, as the kernel has it.
fn host_name() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use pipewarden_kafka::WorkerRole;

    use super::*;

    #[test]
    fn what_has_not_ended_is_named() {
        let status = Status::default();
        assert!(still_there(&status).contains("all workers have ended"));
        for worker in ["correlator-0", "router-0"] {
            status.start(worker, WorkerRole::Router);
        }
        assert_eq!(still_there(&status), "correlator-0, router-0 are");
        status.update("router-0", |worker| worker.is_alive = false);
        assert_eq!(still_there(&status), "correlator-0 is");
    }
}
