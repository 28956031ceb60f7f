//! Writes documents: who logged them, by which clock, through which collector.

use pipewarden_core::time::EventTime;

use super::clock::Calendar;
use super::fill::fill;
use super::fleet::{Fleet, Host};
use super::gaps::template;
use super::kinds::Kind;
use super::rng::Rng;
use super::template::{Slot, Template, Values};

/// Milliseconds since the Unix epoch on a clock that is right.
pub(super) type Millis = i64;

/// When a document is logged and published, on a clock that is right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) logged: Millis,
    pub(super) published: Millis,
}

/// What a host has beyond its name.
#[derive(Debug)]
struct Logger {
    /// How far its clock is ahead.
    offset: Millis,
    /// The collector that publishes for it.
    collector: Option<usize>,
    next_record: u64,
}

/// Writes documents of a fleet.
#[derive(Debug)]
pub(super) struct DocumentWriter {
    pub(super) fleet: Fleet,
    /// Gaps that are set for the next document.
    pub(super) values: Values,
    templates: Vec<Template>,
    loggers: Vec<Logger>,
    calendar: Calendar,
}

impl DocumentWriter {
    /// `skew` bounds how far clocks are off; so many percent of the hosts publish through a collector.
    pub(super) fn new(fleet: Fleet, skew: Millis, collected: u8, rng: &mut Rng) -> Self {
        let loggers = fleet.hosts.iter().map(|_| Logger {
            offset: rng.between(-skew, skew + 1),
            collector: rng.percent(collected).then(|| rng.index(fleet.collectors.len())),
            next_record: 1_000 + rng.below(1_000_000),
        });
        Self {
            loggers: loggers.collect(),
            templates: Kind::ALL.iter().map(|&kind| template(kind)).collect(),
            values: Values::new(),
            calendar: Calendar::default(),
            fleet,
        }
    }

    pub(super) fn host(&self, host: usize) -> &Host {
        &self.fleet.hosts[host]
    }

    /// Appends a document that `host` logs, and clears the gaps that were set for it. Gives back its event time.
    pub(super) fn write(
        &mut self,
        kind: Kind,
        host: usize,
        at: Moment,
        rng: &mut Rng,
        out: &mut Vec<u8>,
    ) -> EventTime {
        let logger = &mut self.loggers[host];
        let logged = EventTime::from_micros((at.logged + logger.offset) * 1_000);
        let name = &self.fleet.hosts[host].name;
        let reporter = logger
            .collector
            .map_or(name, |collector| &self.fleet.collectors[collector]);
        let (values, calendar) = (&mut self.values, &mut self.calendar);
        values.set(Slot::Computer, name);
        values.set(Slot::Reporter, reporter);
        values.number(Slot::RecordId, logger.next_record);
        logger.next_record += 1;
        values.write(Slot::Time, |out| calendar.rfc_3339(out, logged));
        let created = EventTime::from_micros(at.published.max(at.logged) * 1_000);
        values.write(Slot::Created, |out| calendar.rfc_3339(out, created));
        // Sysmon's own clock of a connection was seen to drift by minutes.
        let drift = if kind == Kind::NetworkConnection && rng.percent(10) {
            rng.between(-300_000, 60_000)
        } else {
            -rng.between(2, 13)
        };
        let utc = EventTime::from_micros((at.logged + drift) * 1_000);
        values.write(Slot::UtcTime, |out| calendar.sysmon(out, utc));
        let template = &self.templates[kind as usize];
        fill(kind, template, values, rng);
        template.render(values, out);
        values.clear();
        logged
    }
}
