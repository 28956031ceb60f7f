//! Observations in order of append time in, alerts out: the engine of `replay`.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipewarden_core::detection::{ClockState, Explanation, SensorState, StateSize, Status};
use pipewarden_core::event::{Observation, Sighting};
use pipewarden_core::log::At;
use pipewarden_core::time::AppendTime;

use crate::{AlertRecord, Applied, Correlator, ObservationRecord, Policy};

/// Runs a correlator over one partition that is never interrupted, so that the log itself need not be kept. Nor are its
/// records written and read: what a record is read as is what it was written from, as `tests/pure/hostile_input` holds.
#[derive(Debug)]
pub struct Replayer {
    correlator: Correlator,
    /// Of closed alerts, by Kafka key; `None` unless [asked for](Self::with_explanations).
    explanations: Option<BTreeMap<String, Explanation>>,
}

impl Replayer {
    /// An empty log.
    pub fn new(policy: &Arc<Policy>) -> Self {
        Self {
            correlator: Correlator::fresh(Arc::clone(policy), 1),
            explanations: None,
        }
    }

    /// The same, with an explanation of every alert, made when it closes: by then all its evidence is there.
    pub fn with_explanations(self) -> Self {
        Self {
            explanations: Some(BTreeMap::new()),
            ..self
        }
    }

    /// Why the alert with this key has its content: by the present state while it is open, by the state at its end after
    /// that. `None` unless it has accesses and the replayer was made [with explanations](Self::with_explanations).
    pub fn explain(&self, key: &str) -> Option<Explanation> {
        let closed = self.explanations.as_ref()?;
        self.correlator.explain(key).or_else(|| closed.get(key).cloned())
    }

    /// Why the alert with this key has its content by the present state: `None` once it has closed.
    pub fn explain_open(&self, key: &str) -> Option<Explanation> {
        self.correlator.explain(key)
    }

    /// What is known of the sensors of listed assets.
    pub fn sensors(&self) -> impl Iterator<Item = SensorState> {
        self.correlator.sensors()
    }

    /// The clocks of listed assets, as far as sessions show them.
    pub fn clocks(&self) -> impl Iterator<Item = ClockState> {
        self.correlator.clocks()
    }

    /// The next deadline that is due by then passes at its time, as an idle partition's does; `None` where none is.
    pub fn tick(&mut self, now: AppendTime) -> Option<Applied> {
        let deadline = self
            .correlator
            .next_deadline()
            .filter(|deadline| *deadline <= now)?;
        Some(self.append(deadline, ObservationRecord::Tick {}))
    }

    /// How much is in state.
    pub fn state_size(&self) -> StateSize {
        self.correlator.state_size()
    }

    /// Appends an observation, and its sighting where there is one, and applies them.
    pub fn observe(&mut self, append_time: AppendTime, observation: Observation) -> Applied {
        let sighting = Sighting::of(&observation);
        let mut applied = self.append(append_time, ObservationRecord::Observation(observation.shared()));
        if let Some(sighting) = sighting {
            let sighted = self.append(append_time, ObservationRecord::Sighting(sighting));
            applied.alerts.extend(sighted.alerts);
        }
        applied
    }

    /// Ends the input: every deadline of an alert about accesses passes at its time. Whether a sensor is back, nobody knows
    /// beyond the end.
    pub fn finish(&mut self) -> Applied {
        let mut alerts = Vec::new();
        while let Some(deadline) = self.correlator.next_deadline_of_accesses() {
            alerts.extend(self.append(deadline, ObservationRecord::Tick {}).alerts);
        }
        let mut end = self.append(AppendTime::MAX, ObservationRecord::Tick {});
        alerts.append(&mut end.alerts);
        Applied { alerts, ..end }
    }

    fn append(&mut self, append_time: AppendTime, record: ObservationRecord) -> Applied {
        if let Some(closed) = &mut self.explanations {
            let closing = self.correlator.explain_closing_by(append_time);
            closed.extend(closing.map(|explanation| (explanation.alert_id.to_string(), explanation)));
        }
        let at = At {
            now: append_time,
            offset: self.correlator.position(),
        };
        self.correlator.apply_decoded(at, record)
    }
}

/// The last revision of every alert, by its Kafka key.
#[derive(Debug, Default)]
pub struct FinalView {
    last: BTreeMap<String, AlertRecord>,
}

impl FinalView {
    /// Takes in a revision, which replaces the one before it.
    pub fn upsert(&mut self, record: AlertRecord) {
        self.last.insert(record.key.clone(), record);
    }

    /// The alerts whose last revision has this status, by key.
    pub fn with_status(&self, status: Status) -> impl Iterator<Item = &AlertRecord> {
        self.last.values().filter(move |record| record.status == status)
    }

    /// The active alerts, by key.
    pub fn active(&self) -> impl Iterator<Item = &AlertRecord> {
        self.with_status(Status::Active)
    }
}
