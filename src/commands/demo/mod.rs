//! `pipewarden demo`: a made-up fleet, the engine of the service and the page, all in this process.

mod engine;
mod fleet;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use self::engine::Engine;
use self::fleet::Documents;
use super::ui::reader::{Reader, Until};
use super::ui::server::Server;
use super::ui::{new_about, services, store};
use crate::cli::DemoArgs;
use crate::config::Settings;
use crate::page::{Source, Store};
use crate::telemetry::{self, Metrics, Reporter, Status, wall_clock};
use crate::time::AppendTime;

/// How often documents are read that are due by then, and how many before anything else is looked at.
const STEP: Duration = Duration::from_millis(20);
const AT_ONCE: usize = 2_000;

/// How often the page is told how the engine is.
const STATUS_EVERY: Duration = Duration::from_secs(2);

/// What the page calls the engine.
const NAME: &str = "this demo";

/// Runs the demo until its time is over or a signal ends it.
///
/// # Errors
/// An address that cannot be listened on, or what protects it.
pub fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let mut settings = Settings::default();
    telemetry::init_logging(&settings.log).map_err(anyhow::Error::msg)?;
    let began = wall_clock();
    let documents = Documents::new(args, began);
    let folder = tempfile::tempdir()?;
    let inventory = folder.path().join("inventory.yaml");
    std::fs::write(&inventory, documents.inventory())?;
    settings.inventory.file = Some(inventory);
    settings.kafka.topics.partitions = std::num::NonZeroU16::MIN;
    let policy = Arc::new(settings.policy()?);
    let (metrics, status) = (Arc::new(Metrics::new()), Arc::new(Status::default()));
    let reporter = Reporter::new(&settings, &policy, Arc::clone(&metrics), Arc::clone(&status));
    let name = format!("a made-up fleet, seed {}", args.seed);
    let mut about = new_about(&settings, &args.bounds, Source { kind: "demo", name }, hint(args));
    about.services = vec![NAME.to_owned()];
    let store = store(about);
    let server = Server::bind(&args.server)?.with_metrics(args.metrics, metrics, Arc::clone(&status))?;
    let mut demo = Demo {
        engine: Engine::new(&policy, &settings, reporter),
        documents,
        store: Arc::clone(&store),
        status,
        began,
        start: began.minus(args.history),
        speed: args.speed,
    };
    let reader = Reader::start(move |until| demo.run(until));
    server.serve_for(&store, args.lasts)?;
    reader.end();
    Ok(ExitCode::SUCCESS)
}

fn hint(args: &DemoArgs) -> String {
    let every = jiff::SignedDuration::try_from(args.attack_every).unwrap_or_default();
    format!(
        "An attack begins every {every:#}. Its alert comes once its evidence is there, or has been waited for."
    )
}

struct Demo {
    engine: Engine,
    documents: Documents,
    store: Arc<Store>,
    status: Arc<Status>,
    /// When it began by the clock, and when by the times of its documents.
    began: AppendTime,
    start: AppendTime,
    speed: u32,
}

impl Demo {
    fn run(&mut self, until: &Until) {
        let mut told = None;
        let mut pause = Duration::ZERO;
        while !until.is_over(pause) {
            if told.is_none_or(|told: AppendTime| told.plus(STATUS_EVERY) <= wall_clock()) {
                told = Some(wall_clock());
                self.tell();
            }
            let is_all = self.documents.until(self.now(), AT_ONCE, &mut |due, document| {
                self.engine.read(due, document, &mut |alert, explanation| {
                    self.store.take(&alert.value, &alert.key);
                    explanation
                        .into_iter()
                        .for_each(|explanation| self.store.explain(&explanation));
                });
            });
            pause = if is_all { STEP } else { Duration::ZERO };
        }
    }

    /// Tells the page how the engine is.
    fn tell(&self) {
        self.engine.report();
        let state = services::state(NAME, Ok(self.status.to_value()));
        self.store.set_services(vec![state]);
    }

    /// The time up to which documents are due: faster than the clock, and never ahead of it.
    fn now(&self) -> AppendTime {
        let clock = wall_clock();
        let elapsed = u64::try_from(clock.as_millis() - self.began.as_millis()).unwrap_or(0);
        let ahead = Duration::from_millis(elapsed.saturating_mul(self.speed.into()));
        self.start.plus(ahead).min(clock)
    }
}
