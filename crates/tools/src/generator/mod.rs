//! Winlogbeat documents from a seed, with attacks of known truth among them.
//!
//! Pure: the same plan and fleet give the same bytes. Documents come in the order in which they are published; their
//! times follow from the plan's start and rate, so that feeding a broker in real time only takes waiting for each
//! document's turn.
//!
//! Sizes and mix are those of Winlogbeat recordings of Windows domains; see `docs/performance.md`.

mod attack;
mod attack_writer;
mod clock;
mod document_writer;
mod fill;
mod fleet;
mod gaps;
mod kinds;
mod noise;
mod noise_sessions;
mod publish_queue;
mod rng;
mod template;
mod truth;

use std::time::Duration;

pub use fleet::Fleet;
pub use kinds::{Kind, Mix};
use pipewarden_core::time::EventTime;
pub use truth::Truth;

use self::attack::{Attacks, delay};
use self::document_writer::{DocumentWriter, Millis, Moment};
use self::publish_queue::PublishQueue;
use self::rng::Rng;

/// What to generate.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Every random number follows from it.
    pub seed: u64,
    /// When the first document is published; rounded down to milliseconds.
    pub start: EventTime,
    /// How many documents.
    pub events: u64,
    /// How many are published in a second; at least 1.
    pub rate: u64,
    /// How often each kind occurs.
    pub mix: Mix,
    /// How often an attack begins; none where `None`.
    pub attack_every: Option<Duration>,
    /// How late a document may be published.
    pub lateness: Duration,
    /// How far a host's clock may be off, at most [`Plan::MOST_SKEW`].
    pub clock_skew: Duration,
    /// How many percent of the documents are published twice.
    pub duplicates: u8,
    /// How many percent of the hosts publish through a collector.
    pub collected: u8,
    /// How often attacks lack a kind of document.
    pub missing: Missing,
    /// The width of the bucket that groups accesses, as `detection.group_by` has it.
    pub group_by: Duration,
}

/// In how many percent of the attacks a kind of document is missing. An attack without both destination-side kinds
/// would have left no access to find: that has its `pipe_connected`. By default none is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Security 5145.
    pub share_access: u8,
    /// Sysmon 18.
    pub pipe_connected: u8,
    /// Sysmon 3.
    pub network_connection: u8,
}

impl Plan {
    /// With clocks further off, connections could leave the windows around their accesses.
    pub const MOST_SKEW: Duration = Duration::from_secs(2);

    /// 2024-10-24T15:00:00Z.
    pub const START: EventTime = EventTime::from_micros(1_729_782_000_000_000);

    /// So many documents at the usual rate: everything else as it is seen in the field.
    pub fn new(seed: u64, events: u64) -> Self {
        Self {
            seed,
            start: Self::START,
            events,
            rate: 1_000,
            mix: Mix::default(),
            attack_every: Some(Duration::from_secs(10)),
            lateness: Duration::from_secs(60),
            clock_skew: Duration::from_secs(1),
            duplicates: 1,
            collected: 20,
            missing: Missing {
                share_access: 30,
                pipe_connected: 20,
                network_connection: 20,
            },
            group_by: Duration::from_secs(600),
        }
    }

    /// How much time the documents span.
    pub fn span(&self) -> Duration {
        Duration::from_micros(self.events.saturating_mul(1_000_000) / self.rate.max(1))
    }
}

/// Writes documents one by one.
#[derive(Debug)]
pub struct Generator {
    start: i64,
    rate: u64,
    events: u64,
    lateness: Millis,
    duplicates: u8,
    mix: Mix,
    written: u64,
    writer: DocumentWriter,
    attacks: Attacks,
    rng: Rng,
    queue: PublishQueue,
}

impl Generator {
    /// Begins anew.
    pub fn new(plan: &Plan, fleet: Fleet) -> Self {
        let start = plan.start.as_micros().div_euclid(1_000);
        let span = |span: Duration| Millis::try_from(span.as_millis()).unwrap_or(Millis::MAX);
        let mut rng = Rng::new(plan.seed);
        let skew = span(plan.clock_skew.min(Plan::MOST_SKEW));
        let assets = fleet.assets().len();
        let writer = DocumentWriter::new(fleet, skew, plan.collected, &mut rng);
        let end = start.saturating_add(span(plan.span()));
        Self {
            // Attacks have random numbers of their own: another mix does not change them.
            attacks: Attacks::new(plan, assets, start..end, Rng::new(!plan.seed)),
            start: start * 1_000,
            rate: plan.rate.max(1),
            events: plan.events,
            lateness: span(plan.lateness),
            duplicates: plan.duplicates,
            mix: plan.mix.clone(),
            written: 0,
            writer,
            rng,
            queue: PublishQueue::default(),
        }
    }

    /// Appends the next document and gives back when it is published. `None` at the end.
    pub fn write_next(&mut self, out: &mut Vec<u8>) -> Option<EventTime> {
        let due = i128::from(self.written) * 1_000_000 / i128::from(self.rate);
        let due = self.start.saturating_add(i64::try_from(due).unwrap_or(i64::MAX));
        let now = due.div_euclid(1_000);
        if self.written < self.events {
            self.attacks.plan(now, &mut self.writer, &mut self.queue);
        }
        let left = self.events.saturating_sub(self.written);
        // Toward the end only the queue is published: every attack is there in full.
        if self.queue.is_due(now) || self.queue.len() as u64 >= left {
            out.extend_from_slice(&self.queue.pop()?);
        } else {
            let number = self.rng.below(u64::from(self.mix.total()));
            let kind = self
                .mix
                .at(u32::try_from(number).expect("below a total of 32 bits"));
            let at = Moment {
                logged: now - delay(self.lateness, &mut self.rng),
                published: now,
            };
            let begin = out.len();
            let (writer, rng) = (&mut self.writer, &mut self.rng);
            noise::write(kind, at, writer, &self.attacks, rng, out);
            if self.rng.percent(self.duplicates) {
                let again = now + self.rng.between(1, 5_000);
                self.queue.push_benign_copy(again, out[begin..].to_vec());
            }
        }
        self.written += 1;
        Some(EventTime::from_micros(due))
    }

    /// The attacks that have been planned since the last call; after the last document, the rest.
    pub fn take_truths(&mut self) -> Vec<Truth> {
        self.attacks.take_truths()
    }
}
