//! What the broker says of the records that a router sends.

use std::time::{Duration, Instant};

use pipewarden_engine::worker::RouterInput;
use rdkafka::producer::Producer as _;

use super::RouterMember;
use crate::error::DriverError;
use crate::observer::WorkerFact;
use crate::rejected::{Verdict, verdict};

impl RouterMember {
    /// What the broker rejects is sent once more on its own, and then replaced.
    pub(super) fn note_undelivered(&mut self) {
        for (record, problem) in self.producer.context().take() {
            match problem.rdkafka_error_code().map(verdict) {
                Some(Verdict::Rejected(_)) if !record.about.is_alone => self.queue.push_alone(record),
                Some(Verdict::Rejected(cause)) => {
                    let (topic, replacement) = (record.label(), record.replacement(cause));
                    self.report(WorkerFact::Rejected {
                        topic,
                        cause,
                        is_left_out: replacement.is_none(),
                    });
                    if let Some(replacement) = replacement {
                        self.queue.push_alone(replacement);
                    }
                }
                _ => {
                    let topic = record.topic(&self.context.settings.kafka.topics);
                    self.failure.get_or_insert(DriverError::delivery(topic, problem));
                }
            }
        }
        if self.failure.is_some() {
            self.hand_in(RouterInput::Failed);
        }
    }

    /// Waits until everything is acknowledged, or replaced and then acknowledged.
    pub(super) fn flush(&mut self, within: Duration) {
        let deadline = Instant::now() + within;
        // rdkafka's own flush sleeps in steps of 100 ms.
        loop {
            // What is rejected is sent again.
            self.note_undelivered();
            self.send();
            if self.failure.is_some() || (self.producer.in_flight_count() == 0 && self.queue.is_empty()) {
                return self.hand_in(RouterInput::Flushed);
            }
            if Instant::now() >= deadline {
                return self.hand_in(RouterInput::NotFlushed);
            }
            self.producer.poll(Duration::from_millis(1));
        }
    }
}
