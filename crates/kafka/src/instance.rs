//! One process for each `correlator.instance`.
//!
//! Two processes of one name would have the same transactional ids and, as static members, the same places in the groups: each
//! would end the other, and nothing would be detected. So a process claims its name before it makes its first producer, and
//! renews the claim every second. One that finds the claim of another waits whether that renews it; where it does, it ends with
//! an error that names it, and the other has noticed nothing.
//!
//! A claim is what stands beside an offset that the group `APPLICATION-instance-NAME` has committed for the first partition of
//! the observations topic. No consumer is ever a member of that group, so whoever knows its name can commit; the offset is the
//! end of that partition and has no meaning.

mod claim;
mod rivalry;

use std::time::{Duration, Instant};

use claim::Claim;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use rivalry::{Move, Rivalry};
use tracing::{debug, info, warn};

use super::client::{self, LogOnly};
use super::context::WorkerContext;
use super::error::DriverError;
use super::group;
use super::stop::Stop;

/// How often a claim is renewed.
const BEAT: Duration = Duration::from_secs(1);

/// Whoever has not renewed its claim for so long is taken to have ended.
const SILENCE: Duration = Duration::from_secs(3);

/// How often a claim is read while it is awaited whether it is renewed, and how long after the own one is written it is looked
/// at again.
const LOOK: Duration = Duration::from_millis(200);

/// How long it is tried to claim a name before the service goes on without.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(2);

/// The claim of this process.
pub(super) struct Instance {
    client: BaseConsumer<LogOnly>,
    group: String,
    topic: String,
    name: String,
    rivalry: Rivalry,
}

impl Instance {
    /// Claims the name of this process. `None` where the service is to end before that, or where no claim can be made, for want
    /// of an ACL most likely: then two processes of one name cannot be told apart.
    pub(super) fn claim(context: &WorkerContext) -> Result<Option<Self>, DriverError> {
        let mut instance = Self::new(context)?;
        let began = Instant::now();
        while !context.stop.is_set() {
            let problem = match instance.try_claim(&context.stop) {
                Ok(outcome) => return outcome.map(|is_claimed| is_claimed.then_some(instance)),
                Err(problem) => instance.denial().unwrap_or(problem),
            };
            if is_denied(&problem) || began.elapsed() > PATIENCE {
                warn!(
                    group = instance.group,
                    "correlator.instance cannot be claimed, so that a second process of this name is not recognised; is the \
                     principal granted Read on this group? {problem}"
                );
                return Ok(None);
            }
            debug!("cannot claim correlator.instance yet: {problem}");
            context.stop.wait(LOOK);
        }
        Ok(None)
    }

    /// What librdkafka reports beside a request that it cannot send.
    fn denial(&self) -> Option<KafkaError> {
        let polled = self.client.poll(Duration::ZERO)?;
        polled.err().filter(is_denied)
    }

    fn new(context: &WorkerContext) -> Result<Self, DriverError> {
        let settings = &context.settings;
        let name = settings.correlator.instance.clone();
        let group = format!("{}-instance-{name}", settings.kafka.application_id);
        let client = client::of_group(&settings.kafka, "instance", &group)
            .create_with_context(LogOnly)
            .map_err(DriverError::client(format!("client of group {group}")))?;
        Ok(Self {
            client,
            group,
            topic: settings.kafka.topics.observations.clone(),
            name,
            rivalry: Rivalry::new(Claim::of_this_process()),
        })
    }

    /// Inner error: the name is taken. False where the service is to end.
    fn try_claim(&mut self, stop: &Stop) -> KafkaResult<Result<bool, DriverError>> {
        let mut has_waited = false;
        let mut has_written = false;
        loop {
            let found = self.other()?;
            match self.rivalry.see(found.clone(), Instant::now()) {
                Move::Yield(other) => return Ok(Err(self.taken(other))),
                // Written before and found again: there is no other that has written at the same time.
                Move::Write if has_written && !self.rivalry.is_open() => return Ok(Ok(true)),
                Move::Write => {
                    self.write()?;
                    has_written = true;
                }
                Move::Wait => {
                    if let Some(other) = found.filter(|_| !has_waited) {
                        has_waited = true;
                        info!(
                            host = other.host,
                            process = other.process,
                            "another process has had this correlator.instance; waiting whether it is still there"
                        );
                    }
                }
            }
            if stop.wait(LOOK) {
                return Ok(Ok(false));
            }
        }
    }

    /// Renews the claim until the workers have ended, and withdraws it then.
    ///
    /// # Errors
    /// Another process has the name now; `stop` is set before.
    pub(super) fn keep(mut self, stop: &Stop, workers_ended: &Stop) -> Result<(), DriverError> {
        while !workers_ended.wait(BEAT) {
            // Drops what librdkafka has queued; whether a broker answers others report.
            while self.client.poll(Duration::ZERO).is_some() {}
            match self.renew() {
                Ok(Ok(())) => {}
                Ok(Err(taken)) => {
                    stop.set();
                    return Err(taken);
                }
                Err(problem) => debug!("the claim of correlator.instance is not renewed: {problem}"),
            }
        }
        if let Err(problem) = self.withdraw() {
            debug!("the claim of correlator.instance is not withdrawn: {problem}");
        }
        Ok(())
    }

    fn withdraw(&mut self) -> KafkaResult<()> {
        if self.other()?.is_some() {
            // It is no longer this process's to give up.
            return Ok(());
        }
        self.rivalry.own.withdraw();
        self.write()
    }

    /// Inner error: another process has the name now.
    fn renew(&mut self) -> KafkaResult<Result<(), DriverError>> {
        let found = self.other()?;
        match self.rivalry.see(found, Instant::now()) {
            Move::Yield(other) => return Ok(Err(self.taken(other))),
            Move::Write => self.write()?,
            Move::Wait => {}
        }
        Ok(Ok(()))
    }

    fn taken(&self, by: Claim) -> DriverError {
        DriverError::InstanceTaken {
            instance: self.name.clone(),
            process: by.process,
            host: by.host,
        }
    }

    /// The claim of another process, unless it is withdrawn.
    fn other(&self) -> KafkaResult<Option<Claim>> {
        let mut question = TopicPartitionList::new();
        question.add_partition(&self.topic, 0);
        let answer = self.client.committed_offsets(question, REQUEST)?;
        let Some(element) = answer.find_partition(&self.topic, 0) else {
            return Ok(None);
        };
        element.error()?;
        let found = Claim::parse(&group::metadata(&element));
        Ok(found.filter(|claim| !claim.is_withdrawn && !claim.is_of_the_process(&self.rivalry.own)))
    }

    fn write(&mut self) -> KafkaResult<()> {
        let (_, end) = self.client.fetch_watermarks(&self.topic, 0, REQUEST)?;
        self.rivalry.own.beat();
        let mut offsets = TopicPartitionList::new();
        let mut element = offsets.add_partition(&self.topic, 0);
        element.set_offset(Offset::Offset(end))?;
        element.set_metadata(self.rivalry.own.to_string());
        self.client.commit(&offsets, CommitMode::Sync)?;
        self.rivalry.wrote(Instant::now());
        Ok(())
    }
}

fn is_denied(problem: &KafkaError) -> bool {
    use RDKafkaErrorCode::{GroupAuthorizationFailed, TopicAuthorizationFailed};
    let code = problem.rdkafka_error_code();
    code.is_some_and(|code| matches!(code, GroupAuthorizationFailed | TopicAuthorizationFailed))
}
