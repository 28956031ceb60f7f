//! Taking up another program: what the correlator worker does when rules, inventory or exceptions have changed.
//!
//! It does what a stop and a start would do, without leaving the group: commit what has been read under the old program,
//! rewind every partition, rebuild its state from the log under the new one, and write every open alert once more. So
//! there is one way to reach a state, and a crash at any moment of it is just another start.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::consumer::Consumer as _;
use tracing::{debug, info, warn};

use super::correlator::CorrelatorMember;
use super::group::GroupConsumer;
use super::partition::Partition;

/// How long the broker may take to answer.
const REQUEST: Duration = Duration::from_secs(5);

impl CorrelatorMember {
    /// Looks whether there is another program, and takes it up as far as that is possible now.
    pub(super) fn adopt(&mut self, consumer: &GroupConsumer<Self>, now: Instant) {
        self.seek(consumer);
        let is_busy = self.retry.is_some() || self.partitions.values().any(Partition::is_restoring);
        if is_busy || self.failure.is_some() {
            return;
        }
        let Some(program) = self.shared.in_force.other_than(&self.program) else {
            return;
        };
        self.commit_or_back_off(now);
        if self.retry.is_some() || self.failure.is_some() {
            return;
        }
        let topic = &self.shared.settings.kafka.topics.observations;
        let mut rewound = Vec::new();
        for (number, partition) in &self.partitions {
            match consumer.fetch_watermarks(topic, *number, REQUEST) {
                Ok((low, _)) => {
                    let low = u64::try_from(low).unwrap_or_default();
                    rewound.push((*number, partition.under(Arc::clone(&program), low, now)));
                }
                Err(problem) => {
                    warn!(worker = self.name, "the change is taken up later: {problem}");
                    return;
                }
            }
        }
        info!(
            worker = self.name,
            partitions = rewound.len(),
            fingerprint = program.fingerprint(),
            "partitions are rebuilt from the log under the program now in force; open alerts are written once more"
        );
        self.program = program;
        self.partitions.extend(rewound);
        self.seek(consumer);
        self.tell_status();
    }

    /// Sends the consumer where its partitions must be read from. What it hands out until then is not looked at.
    fn seek(&mut self, consumer: &GroupConsumer<Self>) {
        let topic = &self.shared.settings.kafka.topics.observations;
        for (number, partition) in &mut self.partitions {
            let Some(offset) = partition.seek else { continue };
            let place = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
            match consumer.seek(topic, *number, place, REQUEST) {
                Ok(()) => partition.seek = None,
                // In the midst of a rebalance, or not fetching yet: it is asked again.
                Err(problem) => debug!(partition = *number, "cannot go back yet: {problem}"),
            }
        }
    }
}
