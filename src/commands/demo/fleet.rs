//! The documents of a made-up fleet, each at its time.

use std::time::Duration;

use crate::cli::DemoArgs;
use crate::generator::{Fleet, Generator, Plan};
use crate::time::{AppendTime, EventTime};

/// Hosts to protect, and workstations, among which are the attackers.
const ASSETS: u16 = 20;
const WORKSTATIONS: u16 = 300;

/// The longest that it goes on: longer than anybody looks.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// Documents in the order in which they are published.
pub(super) struct Documents {
    generator: Generator,
    inventory: String,
    /// The next, and when it is published; not due when it was made.
    next: Option<AppendTime>,
    document: Vec<u8>,
}

impl Documents {
    /// Those of a fleet that begins before `now`.
    pub(super) fn new(args: &DemoArgs, now: AppendTime) -> Self {
        let start = now.minus(args.history);
        let events = LONGEST.as_secs().saturating_mul(args.rate);
        let plan = Plan {
            start: EventTime::from_micros(start.as_millis().saturating_mul(1000)),
            rate: args.rate,
            attack_every: Some(args.attack_every).filter(|every| !every.is_zero()),
            lateness: Duration::from_secs(10),
            ..Plan::new(args.seed, events)
        };
        let fleet = Fleet::invented(ASSETS, WORKSTATIONS);
        Self {
            inventory: fleet.inventory(),
            generator: Generator::new(&plan, fleet),
            next: None,
            document: Vec::new(),
        }
    }

    /// The hosts to protect, as YAML.
    pub(super) fn inventory(&self) -> &str {
        &self.inventory
    }

    /// Visits what is published by then and has not been visited, so much of it at most; returns whether that was all.
    pub(super) fn until(
        &mut self,
        now: AppendTime,
        most: usize,
        visit: &mut dyn FnMut(AppendTime, &[u8]),
    ) -> bool {
        for _ in 0..most {
            if self.next.is_none() {
                self.document.clear();
                let due = self.generator.write_next(&mut self.document);
                // Nobody needs to know what must be found.
                self.generator.take_truths();
                self.next = due.map(AppendTime::at_event);
            }
            match self.next {
                Some(due) if due <= now => visit(due, &self.document),
                _ => return true,
            }
            self.next = None;
        }
        false
    }
}
