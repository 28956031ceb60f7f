//! The service: waits for the broker, checks the topics, starts the workers, ends with them.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tracing::{debug, info, warn};

use super::active_policy::ActivePolicy;
use super::client::LogOnly;
use super::context::WorkerContext;
use super::error::DriverError;
use super::instance::Instance;
use super::metadata::partition_count;
use super::observer::{Observer, WorkerFact, WorkerRole};
use super::settings::ServiceSettings;
use super::stop::Stop;
use super::{client, correlator, input, router};

/// The pause before a request is repeated that no broker answered: doubled each time, up to the second.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How long one request for metadata may take.
const REQUEST: Duration = Duration::from_secs(5);

/// How long, and how often, the metadata of a missing topic is read again: not every broker knows at once of a topic that
/// was just created.
const GRACE: Duration = Duration::from_secs(3);
const GRACE_STEP: Duration = Duration::from_millis(300);

/// Router and correlator workers against a broker.
pub struct Service {
    context: WorkerContext,
}

impl Service {
    /// Nothing is connected until [`Service::run`]. A caller that replaces the policy or sets `stop` keeps a clone of it.
    pub fn new(
        settings: ServiceSettings,
        active_policy: ActivePolicy,
        observer: Arc<dyn Observer>,
        stop: Stop,
    ) -> Self {
        let settings = Arc::new(settings);
        Self {
            context: WorkerContext {
                settings,
                active_policy,
                observer,
                stop,
            },
        }
    }

    /// Runs until `stop` is set or a worker fails; then all workers have ended, committed what they had read and left
    /// their groups.
    ///
    /// # Errors
    /// What kept the service from starting, or the first worker's failure.
    pub fn run(self) -> Result<(), DriverError> {
        let Self { context } = self;
        if !await_topics(&context)? {
            return Ok(());
        }
        let instance = if context.settings.correlator.enabled {
            Instance::claim(&context)?
        } else {
            None
        };
        if context.stop.is_set() {
            // What was claimed is withdrawn.
            return instance.map_or(Ok(()), |instance| instance.keep(&context.stop, &context.stop));
        }
        let workers_ended = Stop::default();
        let keeper = instance
            .map(|instance| keep(instance, &context.stop, &workers_ended))
            .transpose()?;
        let outcome = run_workers(&context);
        workers_ended.set();
        let kept = keeper.map_or(Ok(()), |keeper| {
            keeper.join().unwrap_or(Err(DriverError::Panicked {
                worker: "instance".to_owned(),
            }))
        });
        // Why it had to end comes before what came of that.
        kept.and(outcome)
    }
}

/// Renews the claim on a thread of its own until the workers have ended.
fn keep(instance: Instance, stop: &Stop, workers_ended: &Stop) -> Result<Keeper, DriverError> {
    let (stop, workers_ended) = (stop.clone(), workers_ended.clone());
    let keeper = thread::Builder::new().name("instance".to_owned());
    Ok(keeper.spawn(move || instance.keep(&stop, &workers_ended))?)
}

type Keeper = JoinHandle<Result<(), DriverError>>;

/// Runs all workers to their end.
fn run_workers(context: &WorkerContext) -> Result<(), DriverError> {
    let mut workers = Vec::new();
    let settings = &context.settings;
    if settings.router.enabled {
        let (own, consumer) = (context.clone(), metadata_client(context, "input")?);
        let watch = thread::Builder::new().name("input".to_owned());
        // It ends with the service, which does not wait for its last request.
        drop(watch.spawn(move || input::watch(&own, &consumer))?);
        for index in 0..settings.router.threads {
            workers.push(start(context, WorkerRole::Router, index, router::run)?);
        }
    }
    if settings.correlator.enabled {
        for index in 0..settings.correlator.threads {
            let work = move |context: &WorkerContext, name: &str| correlator::run(context, name, index);
            workers.push(start(context, WorkerRole::Correlator, index, work)?);
        }
    }
    let mut outcome = Ok(());
    for (name, worker) in workers {
        let ended = worker
            .join()
            .unwrap_or(Err(DriverError::Panicked { worker: name }));
        outcome = outcome.and(ended);
    }
    outcome
}

type Worker = (String, JoinHandle<Result<(), DriverError>>);

/// Starts a worker. When it ends, for whatever reason, all others end as well: half a service would look alive and find
/// nothing.
fn start(
    context: &WorkerContext,
    role: WorkerRole,
    index: usize,
    work: impl FnOnce(&WorkerContext, &str) -> Result<(), DriverError> + Send + 'static,
) -> Result<Worker, DriverError> {
    let name = format!("{}-{index}", role.as_str());
    context.observer.worker(&name, WorkerFact::Started(role));
    let (context, own) = (context.clone(), name.clone());
    let thread = thread::Builder::new().name(name.clone()).spawn(move || {
        let guard = EndsAll {
            context: &context,
            name: &own,
        };
        let outcome = work(&context, &own);
        if let Err(failure) = &outcome {
            context.observer.worker(&own, WorkerFact::Failed(failure));
        }
        drop(guard);
        outcome
    })?;
    Ok((name, thread))
}

/// Ends all workers when it is dropped, on a panic as well.
struct EndsAll<'a> {
    context: &'a WorkerContext,
    name: &'a str,
}

impl Drop for EndsAll<'_> {
    fn drop(&mut self) {
        self.context.observer.worker(self.name, WorkerFact::Ended);
        self.context.stop.set();
    }
}

/// Waits until a broker answers and all topics exist. False if the service is to end before that.
fn await_topics(context: &WorkerContext) -> Result<bool, DriverError> {
    let brokers = &context.settings.kafka.brokers;
    let consumer = metadata_client(context, "start")?;
    let (mut pause, mut grace) = (BACK_OFF.0, GRACE);
    while !context.stop.is_set() {
        match check_topics(context, &consumer) {
            Ok(()) => return Ok(true),
            Err(DriverError::Admin { source, .. }) => {
                warn!(brokers, "no broker answers ({source}); retrying in {pause:?}");
                context.stop.wait(pause);
                pause = (pause * 2).min(BACK_OFF.1);
            }
            Err(missing @ (DriverError::MissingTopic { .. } | DriverError::MissingInput { .. }))
                if !grace.is_zero() =>
            {
                debug!("{missing}; reading the metadata again");
                context.stop.wait(GRACE_STEP);
                grace = grace.saturating_sub(GRACE_STEP);
            }
            Err(wrong) => return Err(wrong),
        }
        // Drops what librdkafka has queued for its log.
        let _ = consumer.poll(Duration::ZERO);
    }
    Ok(false)
}

/// All topics must exist, but of several input topics one is enough; the one that holds the state must have the partitions that the settings say.
fn check_topics(context: &WorkerContext, consumer: &BaseConsumer<LogOnly>) -> Result<(), DriverError> {
    let topics = &context.settings.kafka.topics;
    if context.settings.router.enabled {
        // One of several, and those that a pattern matches, may come later.
        let missing = topics.missing_input(consumer)?;
        if let Some(topic) = missing.first()
            && missing.len() == topics.input.len()
        {
            let topic = (*topic).to_owned();
            return Err(DriverError::MissingInput { topic });
        }
    }
    // Only routers use it.
    let bindings = context.settings.router.enabled.then_some(&topics.bindings);
    let own = [&topics.observations, &topics.suppressed, &topics.dead_letters];
    let own = own.into_iter().chain(context.settings.alert_topics());
    for topic in own.chain(bindings) {
        let has = partition_count(consumer.client(), topic, REQUEST)?;
        if has == 0 {
            return Err(DriverError::MissingTopic { topic: topic.clone() });
        }
        let wants = context.partitions();
        if topic == &topics.observations && has != wants {
            return Err(DriverError::PartitionCount {
                topic: topic.clone(),
                has,
                wants,
            });
        }
    }
    info!(
        brokers = context.settings.kafka.brokers,
        input = topics.input.join(" "),
        "the broker answers and the topics exist"
    );
    Ok(())
}

fn metadata_client(context: &WorkerContext, name: &str) -> Result<BaseConsumer<LogOnly>, DriverError> {
    client::plain(&context.settings.kafka, name)
        .set("allow.auto.create.topics", "false")
        .create_with_context(LogOnly)
        .map_err(DriverError::client("client for metadata"))
}
