//! Observations in order of append time in, alerts out: the engine of `replay`.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipewarden_core::detection::{ClockState, Explanation, SensorState, SightingRecord, StateSize, Status};
use pipewarden_core::event::Observation;
use pipewarden_core::log::At;
use pipewarden_core::time::AppendTime;

use crate::{AlertRecord, Applied, Correlator, ObservationRecord, Policy, StateRecord, Topic};

/// Runs the correlators of one partition of observations and one of sightings that are never interrupted, so that the logs
/// themselves need not be kept. Nor are observations written and read: what a record is read as is what it was written from, as
/// `tests/pure/hostile_input` holds.
#[derive(Debug)]
pub struct Replayer {
    correlator: Correlator,
    /// Of what alerts say of their sources.
    campaigns: Correlator,
    /// Of closed alerts, by Kafka key; `None` unless [asked for](Self::with_explanations).
    explanations: Option<BTreeMap<String, Explanation>>,
}

impl Replayer {
    /// Two empty logs.
    pub fn new(policy: &Arc<Policy>) -> Self {
        Self {
            correlator: Correlator::fresh(Arc::clone(policy), Topic::Observations, 1),
            campaigns: Correlator::fresh(Arc::clone(policy), Topic::Sightings, 1),
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
        let of_accesses = self.correlator.next_deadline();
        let of_campaigns = self.campaigns.next_deadline();
        if let Some(deadline) = of_campaigns
            && of_accesses.is_none_or(|accesses| deadline < accesses)
        {
            return (deadline <= now).then(|| Applied {
                alerts: self.tick_campaigns(deadline),
                ..Applied::default()
            });
        }
        let deadline = of_accesses.filter(|deadline| *deadline <= now)?;
        Some(self.append(deadline, ObservationRecord::Tick {}))
    }

    /// How much is in state.
    pub fn state_size(&self) -> StateSize {
        self.correlator.state_size()
    }

    /// Appends an observation and the sightings that it causes, and applies them.
    pub fn observe(&mut self, append_time: AppendTime, observation: Observation) -> Applied {
        let mut alerts = Vec::new();
        while let Some(deadline) = self.campaigns.next_deadline()
            && deadline <= append_time
        {
            alerts.extend(self.tick_campaigns(deadline));
        }
        let record = ObservationRecord::Observation(observation.shared());
        let mut applied = self.append(append_time, record);
        alerts.append(&mut applied.alerts);
        Applied { alerts, ..applied }
    }

    /// Ends the input: every deadline of an alert about accesses passes at its time. Whether a sensor is back, nobody knows
    /// beyond the end.
    pub fn finish(&mut self) -> Applied {
        let mut alerts = Vec::new();
        loop {
            let of_accesses = self.correlator.next_deadline_of_accesses();
            let of_campaigns = self.campaigns.next_deadline();
            match (of_accesses, of_campaigns) {
                (None, None) => break,
                (accesses, Some(deadline)) if accesses.is_none_or(|accesses| deadline < accesses) => {
                    alerts.extend(self.tick_campaigns(deadline));
                }
                (Some(deadline), _) => {
                    alerts.extend(self.append(deadline, ObservationRecord::Tick {}).alerts);
                }
                (None, Some(_)) => unreachable!("the one deadline that there is comes first"),
            }
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
        let mut applied = self.correlator.apply_decoded(at, record);
        let sightings = applied.alerts.iter().filter_map(|alert| alert.sighting.as_ref());
        let sightings: Vec<SightingRecord> = sightings
            .map(|sighting| SightingRecord::decode(&sighting.value).expect("it was encoded just now"))
            .collect();
        for sighting in sightings {
            applied.alerts.extend(self.append_sighting(append_time, sighting));
        }
        applied
    }

    fn tick_campaigns(&mut self, deadline: AppendTime) -> Vec<AlertRecord> {
        self.append_sighting(deadline, SightingRecord::Tick {})
    }

    fn append_sighting(
        &mut self,
        append_time: AppendTime,
        record: impl Into<StateRecord>,
    ) -> Vec<AlertRecord> {
        let at = At {
            now: append_time,
            offset: self.campaigns.position(),
        };
        self.campaigns.apply_decoded(at, record).alerts
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
