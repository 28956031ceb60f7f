//! `pipewarden ui`: the page of alerts.

mod file;
mod kafka;
pub(crate) mod reader;
pub(crate) mod server;
pub(crate) mod services;

use std::process::ExitCode;
use std::sync::Arc;

use self::reader::Reader;
use self::services::Services;
use super::settings;
use crate::cli::{BoundsArgs, UiArgs};
use crate::config::Settings;
use crate::page::{About, Bounds, Source, Store, Windows};
use crate::telemetry;

/// The most revisions of one alert that are held.
const REVISIONS: usize = 32;

/// Serves the page until a signal ends it.
///
/// # Errors
/// Settings that are wrong, a file that cannot be read, an address that cannot be listened on, or what protects it.
pub fn run(args: &UiArgs) -> anyhow::Result<ExitCode> {
    let settings = settings(&args.settings)?;
    telemetry::init_logging(&settings.log).map_err(anyhow::Error::msg)?;
    let services = Services::resolve(args)?;
    let about = About {
        services: services.names(),
        ..about(args, &settings)
    };
    let store = store(about);
    let server = server::Server::bind(&args.server)?;
    let reader = match &args.file {
        Some(path) => file::start(path, &store)?,
        None => kafka::start(&settings, args.since, &store)?,
    };
    let asking = services.start(&store);
    server.serve(&store)?;
    [Some(reader), asking].into_iter().flatten().for_each(Reader::end);
    Ok(ExitCode::SUCCESS)
}

/// What the page is of, but for services.
fn about(args: &UiArgs, settings: &Settings) -> About {
    let topics = &settings.kafka.topics;
    let (source, hint) = match &args.file {
        Some(path) => {
            let name = path.display().to_string();
            let hint = format!("Alerts appear as they are written to {name}.");
            (Source { kind: "file", name }, hint)
        }
        None => {
            let name = format!("{} and {}", topics.alerts, topics.suppressed);
            let since = jiff::SignedDuration::try_from(args.since).unwrap_or(jiff::SignedDuration::MAX);
            let hint =
                format!("Nothing has been published to {name} within {since:#}. Alerts appear as they are.");
            (Source { kind: "kafka", name }, hint)
        }
    };
    About {
        brokers: args.file.is_none().then(|| settings.kafka.brokers.clone()),
        ..new_about(settings, &args.bounds, source, hint)
    }
}

/// What a page is of that knows no brokers and no services.
pub(crate) fn new_about(settings: &Settings, bounds: &BoundsArgs, source: Source, hint: String) -> About {
    About {
        version: env!("CARGO_PKG_VERSION"),
        source,
        hint,
        brokers: None,
        services: Vec::new(),
        windows: Windows::of(&settings.detection),
        bounds: Bounds {
            alerts: bounds.max_alerts as usize,
            revisions: REVISIONS,
            bytes: (bounds.max_mib as usize) << 20,
        },
    }
}

/// An empty store, under a name that no other run has.
pub(crate) fn store(about: About) -> Arc<Store> {
    let epoch = format!(
        "{:x}-{:x}",
        telemetry::wall_clock().as_millis(),
        std::process::id()
    );
    Arc::new(Store::new(about, epoch))
}
