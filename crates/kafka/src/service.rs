//! The service: waits for the broker, checks the topics, starts the workers, ends with them.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pipewarden_core::diagnostics::with_causes;
use pipewarden_engine::Topic;
use tracing::{debug, info, warn};

use super::active_policy::ActivePolicy;
use super::context::WorkerContext;
use super::error::DriverError;
use super::instance::Instance;
use super::metadata::Probe;
use super::observer::{Observer, WorkerFact, WorkerRole};
use super::settings::ServiceSettings;
use super::stop::Stop;
use super::topics::{AlertOutput, StateSpans, TopicAdmin, TopicState, plans};
use super::{correlator, input, monitor, router};

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
        let Some(probe) = await_topics(&context)? else {
            return Ok(());
        };
        warn_of_topics(&context)?;
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
        let monitor = monitor::start(&context, probe)?;
        let outcome = run_workers(&context);
        workers_ended.set();
        let watched = monitor.join().map_err(|_| DriverError::Panicked {
            worker: monitor::NAME.to_owned(),
        });
        let kept = keeper.map_or(Ok(()), |keeper| {
            keeper.join().unwrap_or(Err(DriverError::Panicked {
                worker: "instance".to_owned(),
            }))
        });
        // Why it had to end comes before what came of that.
        kept.and(outcome).and(watched)
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
        let (own, probe) = (context.clone(), Probe::new(&settings.kafka, "input")?);
        let watch = thread::Builder::new().name("input".to_owned());
        // It ends with the service, which does not wait for its last request.
        drop(watch.spawn(move || input::watch(&own, &probe))?);
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

/// Waits until a broker answers and all topics exist. `None` if the service is to end before that.
fn await_topics(context: &WorkerContext) -> Result<Option<Probe>, DriverError> {
    let brokers = &context.settings.kafka.brokers;
    let probe = Probe::new(&context.settings.kafka, "start")?;
    let (mut pause, mut grace) = (BACK_OFF.0, GRACE);
    while !context.stop.is_set() {
        match check_topics(context, &probe) {
            Ok(()) => return Ok(Some(probe)),
            Err(none @ DriverError::NoBroker { .. }) => {
                context.observer.cluster(&[none.to_string()]);
                warn!(brokers, "{none}; retrying in {pause:?}");
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
    }
    Ok(None)
}

/// All topics must exist, but of several input topics one is enough; those that hold the state must have the partitions that the
/// settings say.
fn check_topics(context: &WorkerContext, probe: &Probe) -> Result<(), DriverError> {
    let topics = &context.settings.kafka.topics;
    if context.settings.router.enabled {
        // One of several, and those that a pattern matches, may come later.
        let missing = topics.missing_input(probe)?;
        if let Some(topic) = missing.first()
            && missing.len() == topics.input.len()
        {
            let topic = (*topic).to_owned();
            return Err(DriverError::MissingInput { topic });
        }
    }
    // Only routers use it.
    let bindings = context.settings.router.enabled.then_some(&topics.bindings);
    // Only correlators use it.
    let sightings = context.settings.correlator.enabled.then_some(&topics.sightings);
    let own = [&topics.observations, &topics.suppressed, &topics.dead_letters];
    let own = own.into_iter().chain(context.settings.alert_topics());
    for topic in own.chain(bindings).chain(sightings) {
        let has = probe.topic(topic, REQUEST)?.partitions;
        if has == 0 {
            return Err(DriverError::MissingTopic { topic: topic.clone() });
        }
        if let Some(state) = topics.state_of(topic) {
            let wants = context.settings.partitions_of(state);
            if has != wants {
                let setting = match state {
                    Topic::Observations => "kafka.topics.partitions",
                    Topic::Sightings => "kafka.topics.sightings_partitions",
                };
                return Err(DriverError::PartitionCount {
                    topic: topic.clone(),
                    has,
                    setting,
                    wants,
                });
            }
        }
    }
    info!(
        brokers = context.settings.kafka.brokers,
        input = topics.input.join(" "),
        "the broker answers and the topics exist"
    );
    Ok(())
}

fn not_compared(why: &str) {
    info!(
        "the settings of topics are not compared with what is needed: {why}; pipewarden topics check does so with an \
         administrator's rights"
    );
}

/// Compares the settings of topics with what will be written to them and what is expected of them, where the brokers tell. The
/// service goes on: a record that a topic does not take is replaced by a shorter one.
fn warn_of_topics(context: &WorkerContext) -> Result<(), DriverError> {
    let settings = &context.settings;
    let policy = context.active_policy.policy();
    let alerts = AlertOutput {
        format: settings.alert_format,
        max_bytes: settings.alert_max_bytes,
    };
    let admin = TopicAdmin::new(&settings.kafka)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    for plan in plans(
        &settings.kafka.topics,
        alerts,
        StateSpans::of(&policy.join),
        false,
    ) {
        match runtime.block_on(admin.check(&plan)) {
            Ok(TopicState::Wrong(problems)) => warn!(
                topic = plan.name,
                "the topic is not as it should be: {}",
                problems.join("; ")
            ),
            Ok(TopicState::Created | TopicState::Right | TopicState::Missing) => {}
            Ok(TopicState::Unseen) => {
                let topic = &plan.name;
                not_compared(&format!(
                    "this user may not read them (DescribeConfigs on topic {topic})"
                ));
                break;
            }
            Err(problem) => {
                not_compared(&with_causes(&problem));
                break;
            }
        }
    }
    Ok(())
}
