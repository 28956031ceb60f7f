//! `pipewarden ui`: the page of alerts.

mod file;
pub(crate) mod server;

use std::process::ExitCode;
use std::sync::Arc;

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
    let name = args.file.display().to_string();
    let about = about(
        &settings,
        &args.bounds,
        Source { kind: "file", name },
        format!("Alerts appear as they are written to {}.", args.file.display()),
    );
    let store = store(about);
    let server = server::Server::bind(&args.server)?;
    let reader = file::Reader::start(&args.file, &store)?;
    server.serve(&store)?;
    reader.end();
    Ok(ExitCode::SUCCESS)
}

/// What the page is of.
fn about(settings: &Settings, bounds: &BoundsArgs, source: Source, hint: String) -> About {
    About {
        version: env!("CARGO_PKG_VERSION"),
        source,
        hint,
        brokers: None,
        windows: Windows::of(&settings.detection),
        bounds: Bounds {
            alerts: bounds.max_alerts as usize,
            revisions: REVISIONS,
            bytes: (bounds.max_mib as usize) << 20,
        },
    }
}

/// An empty store, under a name that no other run has.
fn store(about: About) -> Arc<Store> {
    let epoch = format!(
        "{:x}-{:x}",
        telemetry::wall_clock().as_millis(),
        std::process::id()
    );
    Arc::new(Store::new(about, epoch))
}
