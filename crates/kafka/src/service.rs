//! The service: waits for the broker, checks the topics, starts the workers, ends with them.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tracing::{debug, info, warn};

use super::active_policy::ActivePolicy;
use super::client::Quiet;
use super::error::DriverError;
use super::observer::{Observer, WorkerFact, WorkerRole};
use super::settings::ServiceSettings;
use super::stop::Stop;
use super::{client, correlator, router};

/// How long to wait before a broker that did not answer is asked again: doubled each time, up to the second.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How long one request for metadata may take.
const REQUEST: Duration = Duration::from_secs(5);

/// How long a missing topic is asked for again, and how often: one that was created a moment ago is not known to every
/// broker yet.
const GRACE: Duration = Duration::from_secs(3);
const GRACE_STEP: Duration = Duration::from_millis(300);

/// What all workers share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) settings: Arc<ServiceSettings>,
    pub(super) active_policy: ActivePolicy,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) stop: Stop,
}

impl Shared {
    /// How many partitions the observations topic has, as checked at start.
    pub(super) fn partitions(&self) -> u32 {
        u32::from(self.settings.kafka.topics.partitions.get())
    }
}

/// Router and correlator workers against a broker.
pub struct Service {
    shared: Shared,
}

impl Service {
    /// Nothing is connected until [`Service::run`]. Whoever replaces what is in force or sets `stop` keeps a clone of it.
    pub fn new(
        settings: ServiceSettings,
        active_policy: ActivePolicy,
        observer: Arc<dyn Observer>,
        stop: Stop,
    ) -> Self {
        let settings = Arc::new(settings);
        Self {
            shared: Shared {
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
        let Self { shared } = self;
        if !await_topics(&shared)? {
            return Ok(());
        }
        let mut workers = Vec::new();
        let settings = &shared.settings;
        if settings.router.enabled {
            for index in 0..settings.router.threads {
                workers.push(start(&shared, WorkerRole::Router, index, router::run)?);
            }
        }
        if settings.correlator.enabled {
            for index in 0..settings.correlator.threads {
                workers.push(start(&shared, WorkerRole::Correlator, index, correlator::run)?);
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
}

type Worker = (String, JoinHandle<Result<(), DriverError>>);

/// Starts a worker. When it ends, for whatever reason, all others are asked to end as well: half a service would look
/// alive and find nothing.
fn start(
    shared: &Shared,
    role: WorkerRole,
    index: usize,
    work: fn(&Shared, &str, usize) -> Result<(), DriverError>,
) -> Result<Worker, DriverError> {
    let name = format!("{}-{index}", role.as_str());
    shared.observer.worker(&name, WorkerFact::Started(role));
    let (shared, own) = (shared.clone(), name.clone());
    let thread = thread::Builder::new().name(name.clone()).spawn(move || {
        let guard = EndsAll {
            shared: &shared,
            name: &own,
        };
        let outcome = work(&shared, &own, index);
        if let Err(failure) = &outcome {
            shared.observer.worker(&own, WorkerFact::Failed(failure));
        }
        drop(guard);
        outcome
    })?;
    Ok((name, thread))
}

/// Works on a panic as well.
struct EndsAll<'a> {
    shared: &'a Shared,
    name: &'a str,
}

impl Drop for EndsAll<'_> {
    fn drop(&mut self) {
        self.shared.observer.worker(self.name, WorkerFact::Ended);
        self.shared.stop.set();
    }
}

/// Asks until a broker answers and all topics are there. False if the service is to end before that.
fn await_topics(shared: &Shared) -> Result<bool, DriverError> {
    let brokers = &shared.settings.kafka.brokers;
    let consumer = metadata_client(shared)?;
    let (mut pause, mut grace) = (BACK_OFF.0, GRACE);
    while !shared.stop.is_set() {
        match check_topics(shared, &consumer) {
            Ok(()) => return Ok(true),
            Err(DriverError::Admin { source, .. }) => {
                warn!(brokers, "no broker answers ({source}); retrying in {pause:?}");
                shared.stop.wait(pause);
                pause = (pause * 2).min(BACK_OFF.1);
            }
            Err(missing @ (DriverError::MissingTopic { .. } | DriverError::MissingInput { .. }))
                if !grace.is_zero() =>
            {
                debug!("{missing}; asking again");
                shared.stop.wait(GRACE_STEP);
                grace = grace.saturating_sub(GRACE_STEP);
            }
            Err(wrong) => return Err(wrong),
        }
        // Drops what librdkafka has queued for its log.
        let _ = consumer.poll(Duration::ZERO);
    }
    Ok(false)
}

/// All topics must be there; the one that holds the state must have the partitions that the settings say.
fn check_topics(shared: &Shared, consumer: &BaseConsumer<Quiet>) -> Result<(), DriverError> {
    let topics = &shared.settings.kafka.topics;
    if shared.settings.router.enabled {
        for topic in &topics.input {
            if partitions_of(consumer, topic)? == 0 {
                return Err(DriverError::MissingInput { topic: topic.clone() });
            }
        }
    }
    // Only routers learn.
    let bindings = shared.settings.router.enabled.then_some(&topics.bindings);
    let own = [&topics.observations, &topics.suppressed, &topics.dead_letters];
    let own = own.into_iter().chain(shared.settings.alert_topics());
    for topic in own.chain(bindings) {
        let has = partitions_of(consumer, topic)?;
        if has == 0 {
            return Err(DriverError::MissingTopic { topic: topic.clone() });
        }
        let wants = shared.partitions();
        if topic == &topics.observations && has != wants {
            return Err(DriverError::PartitionCount {
                topic: topic.clone(),
                has,
                wants,
            });
        }
    }
    info!(
        brokers = shared.settings.kafka.brokers,
        input = topics.input.join(" "),
        "the broker answers and all topics are there"
    );
    Ok(())
}

/// How many partitions a topic has; none if it does not exist.
pub(super) fn partitions_of(consumer: &BaseConsumer<Quiet>, topic: &str) -> Result<u32, DriverError> {
    let metadata = consumer
        .fetch_metadata(Some(topic), REQUEST)
        .map_err(DriverError::admin(format!(
            "cannot read the metadata of topic {topic}"
        )))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let partitions = found.map_or(0, |found| found.partitions().len());
    Ok(u32::try_from(partitions).expect("Kafka numbers partitions by 31 bits"))
}

fn metadata_client(shared: &Shared) -> Result<BaseConsumer<Quiet>, DriverError> {
    client::plain(&shared.settings.kafka, "start")
        .set("allow.auto.create.topics", "false")
        .create_with_context(Quiet)
        .map_err(DriverError::client("client for metadata"))
}
