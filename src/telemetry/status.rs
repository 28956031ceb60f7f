//! The state of this process: its workers, their readiness, and what is in force.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pipewarden_kafka::WorkerRole;
use serde::Serialize;
use serde_json::{Value, json};

use crate::detection::{ClockState, Exception, Explanation, SensorState};
use crate::time::{AppendTime, EventTime};

/// How many explanations are kept, the latest.
pub const EXPLANATIONS: usize = 20;

/// A worker that replaces more transactional producers than this within [`REPLACED_WITHIN`] is not ready: the cluster is too
/// slow for it, or requests get lost.
const MOST_REPLACED: usize = 3;
const REPLACED_WITHIN: Duration = Duration::from_secs(60);

/// The state of one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkerStatus {
    /// What it does.
    pub role: WorkerRole,
    /// It runs; false once it has ended, for whatever reason.
    pub is_alive: bool,
    /// It is still reading the bindings topic, and has not joined its group yet.
    pub is_reading_bindings: bool,
    /// The group has assigned partitions to it, or none.
    pub is_assigned: bool,
    /// How many partitions it owns.
    pub partitions: usize,
    /// How many of those are still being restored from the log.
    pub restoring: usize,
    /// Why it ended, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How ready the telemetry of the listed assets of one partition is.
#[derive(Debug, Default)]
pub struct Readiness {
    /// Their sensors.
    pub sensors: Vec<SensorState>,
    /// Their clocks, as far as sessions show them.
    pub clocks: Vec<ClockState>,
}

/// The state of this process.
#[derive(Debug, Default)]
pub struct Status {
    /// By name.
    workers: Mutex<BTreeMap<String, WorkerStatus>>,
    /// The id of the policy in force.
    policy: Mutex<String>,
    /// Of the alerts that were published last, the latest at the end.
    explanations: Mutex<VecDeque<Explanation>>,
    /// By partition.
    readiness: Mutex<BTreeMap<u32, Readiness>>,
    /// By worker, when its transactional producer was replaced, the latest at the end.
    replaced: Mutex<BTreeMap<String, VecDeque<Instant>>>,
    /// By id, those in force; `None` where nothing is correlated, and nothing can be hit.
    exceptions: Mutex<Option<BTreeMap<Arc<str>, Hits>>>,
}

/// How often an exception was hit.
#[derive(Clone, Copy, Debug)]
struct Hits {
    /// Since when this process has had it, under the same id.
    since: AppendTime,
    hits: u64,
}

impl Status {
    /// A worker is about to start.
    pub fn start(&self, worker: &str, role: WorkerRole) {
        let status = WorkerStatus {
            role,
            is_alive: true,
            is_reading_bindings: false,
            is_assigned: false,
            partitions: 0,
            restoring: 0,
            error: None,
        };
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.insert(worker.to_owned(), status);
    }

    /// Changes the status of a worker that has been started.
    pub fn update(&self, worker: &str, change: impl FnOnce(&mut WorkerStatus)) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let status = workers.get_mut(worker);
        debug_assert!(status.is_some(), "{worker} is started before its status changes");
        if let Some(status) = status {
            change(status);
        }
    }

    /// Notes that a worker's transactional producer was replaced.
    pub fn producer_replaced(&self, worker: &str, now: Instant) {
        let mut replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        let times = replaced.entry(worker.to_owned()).or_default();
        times.push_back(now);
        if times.len() > MOST_REPLACED + 1 {
            times.pop_front();
        }
    }

    /// Whether a worker has replaced too many producers lately.
    fn replaces_many(&self, worker: &str, now: Instant) -> bool {
        let replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        let times = replaced.get(worker).into_iter().flatten();
        let lately = times.filter(|time| now.saturating_duration_since(**time) < REPLACED_WITHIN);
        lately.count() > MOST_REPLACED
    }

    /// Notes which version of settings, rules, inventory and exceptions is in force.
    pub fn policy(&self, version: &str) {
        version.clone_into(&mut self.policy.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Keeps the explanation of an alert that has just been published. Only the latest of each alert is kept.
    pub fn explain(&self, explanation: Explanation) {
        let mut last = self.explanations.lock().unwrap_or_else(PoisonError::into_inner);
        last.retain(|other| other.alert_id != explanation.alert_id);
        last.push_back(explanation);
        if last.len() > EXPLANATIONS {
            last.pop_front();
        }
    }

    /// Notes how ready the telemetry of a partition's assets is.
    pub fn set_readiness(&self, partition: u32, readiness: Readiness) {
        self.readiness().insert(partition, readiness);
    }

    /// A partition is no longer this process's.
    pub fn forget_readiness(&self, partition: u32) {
        self.readiness().remove(&partition);
    }

    fn readiness(&self) -> MutexGuard<'_, BTreeMap<u32, Readiness>> {
        self.readiness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of the sensors of listed assets, as far as this process owns their partitions.
    pub fn sensors(&self) -> Vec<SensorState> {
        let all = self.readiness();
        all.values()
            .flat_map(|readiness| &readiness.sensors)
            .cloned()
            .collect()
    }

    /// The clocks of listed assets, as far as this process owns their partitions and sessions show them.
    pub fn clocks(&self) -> Vec<ClockState> {
        let all = self.readiness();
        all.values()
            .flat_map(|readiness| &readiness.clocks)
            .cloned()
            .collect()
    }

    fn clocks_value(&self) -> Value {
        let clocks = self.clocks().into_iter();
        let ahead = clocks.map(|clock| (clock.asset.to_string(), clock.ahead.as_secs_f64()));
        json!(ahead.collect::<BTreeMap<String, f64>>())
    }

    /// Notes which exceptions are in force from `now` on. The hits of one that stays, by its id, are kept.
    pub fn exceptions(&self, entries: &[Arc<Exception>], now: AppendTime) {
        let mut all = self.exceptions.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.take().unwrap_or_default();
        let entries = entries.iter().map(|entry| {
            let new = Hits { since: now, hits: 0 };
            (Arc::clone(&entry.id), *before.get(&entry.id).unwrap_or(&new))
        });
        *all = Some(entries.collect());
    }

    /// An exception covers an alert that it did not cover before.
    pub fn hit(&self, exception: &Exception) {
        let mut all = self.exceptions.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is no longer in force may still be hit until the worker has taken up the new policy.
        if let Some(own) = all.as_mut().and_then(|all| all.get_mut(&exception.id)) {
            own.hits += 1;
        }
    }

    fn exceptions_value(&self) -> Value {
        let all = self.exceptions.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = all.as_ref().map(|all| {
            let own = |hits: &Hits| json!({ "hits": hits.hits, "since": moment(hits.since) });
            all.iter()
                .map(|(id, hits)| (id.to_string(), own(hits)))
                .collect::<BTreeMap<_, _>>()
        });
        json!(shown)
    }

    fn sensors_value(&self) -> Value {
        let mut assets: BTreeMap<String, BTreeMap<&str, Value>> = BTreeMap::new();
        for state in self.sensors() {
            let seen = state.last_seen.map(moment);
            let sensor = json!({ "last_seen": seen, "is_blind": state.is_blind });
            let asset = assets.entry(state.asset.to_string()).or_default();
            asset.insert(state.sensor.as_str(), sensor);
        }
        json!(assets)
    }

    /// Everything, as `/status` shows it.
    pub fn to_value(&self) -> Value {
        let policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        let explanations = self.explanations.lock().unwrap_or_else(PoisonError::into_inner);
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "policy": *policy,
            "ready": self.unready().is_empty(),
            "workers": self.workers(),
            "explanations": explanations.iter().rev().collect::<Vec<_>>(),
            "exceptions": self.exceptions_value(),
            "sensors": self.sensors_value(),
            "clock_offset_seconds": self.clocks_value(),
        })
    }

    /// What is known of every worker.
    pub fn workers(&self) -> BTreeMap<String, WorkerStatus> {
        self.workers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Why the process is not healthy: some worker has ended.
    pub fn unhealthy(&self) -> Vec<String> {
        let workers = self.workers();
        workers
            .iter()
            .filter(|(_, worker)| !worker.is_alive)
            .map(|(name, _)| format!("{name} has ended"))
            .collect()
    }

    /// Why the process is not ready: some worker has no assignment yet, or has not caught up.
    pub fn unready(&self) -> Vec<String> {
        let workers = self.workers();
        let mut reasons = self.unhealthy();
        for (name, worker) in &workers {
            if worker.is_reading_bindings {
                reasons.push(format!("{name} is reading the bindings topic"));
            } else if !worker.is_assigned {
                reasons.push(format!("{name} waits for its partitions"));
            } else if worker.restoring > 0 {
                let WorkerStatus {
                    restoring,
                    partitions,
                    ..
                } = worker;
                reasons.push(format!(
                    "{name} is restoring {restoring} of {partitions} partitions"
                ));
            }
        }
        for name in workers
            .keys()
            .filter(|name| self.replaces_many(name, Instant::now()))
        {
            reasons.push(format!(
                "{name} has replaced its transactional producer more than {MOST_REPLACED} times within a minute"
            ));
        }
        if workers.is_empty() {
            reasons.push("no worker has started".to_owned());
        }
        reasons
    }
}

/// As documents write it.
fn moment(time: AppendTime) -> EventTime {
    EventTime::from_micros(time.as_millis().saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::{AlertId, Attribution, Confidence};
    use crate::event::AssetId;

    #[test]
    fn ready_means_that_every_worker_has_its_assignment_and_has_caught_up() {
        let status = Status::default();
        assert!(!status.unready().is_empty());
        status.start("router-0", WorkerRole::Router);
        assert!(status.unhealthy().is_empty());
        assert_eq!(status.unready(), ["router-0 waits for its partitions"]);
        status.update("router-0", |worker| worker.is_reading_bindings = true);
        assert_eq!(status.unready(), ["router-0 is reading the bindings topic"]);
        status.update("router-0", |worker| worker.is_reading_bindings = false);
        status.update("router-0", |worker| {
            worker.is_assigned = true;
            worker.partitions = 3;
            worker.restoring = 1;
        });
        assert_eq!(status.unready(), ["router-0 is restoring 1 of 3 partitions"]);
        status.update("router-0", |worker| worker.restoring = 0);
        assert!(status.unready().is_empty());
        status.update("router-0", |worker| worker.is_alive = false);
        assert_eq!(status.unhealthy(), ["router-0 has ended"]);
    }

    #[test]
    fn a_worker_that_replaces_more_than_three_producers_within_a_minute_is_not_ready() {
        let status = Status::default();
        status.start("correlator-0", WorkerRole::Correlator);
        status.update("correlator-0", |worker| worker.is_assigned = true);
        let Some(long_ago) = Instant::now().checked_sub(REPLACED_WITHIN) else {
            return;
        };
        for time in [long_ago, Instant::now(), Instant::now(), Instant::now()] {
            status.producer_replaced("correlator-0", time);
        }
        assert!(status.unready().is_empty());
        status.producer_replaced("correlator-0", Instant::now());
        assert_eq!(
            status.unready(),
            ["correlator-0 has replaced its transactional producer more than 3 times within a minute"]
        );
    }

    #[test]
    fn the_latest_explanations_are_shown_latest_first_one_of_each_alert_and_no_more_than_a_few() {
        let status = Status::default();
        let explanation = |number: u128, attribution| Explanation {
            alert_id: AlertId(uuid::Uuid::from_u128(number)),
            rule: "detect-8".into(),
            asset: AssetId::new("atlas"),
            attribution,
            confidence: Confidence::Low,
            exception: None,
            conflicts: Vec::new(),
            accesses: Vec::new(),
            omitted_accesses: 0,
        };
        for number in 0..30 {
            status.explain(explanation(number, Attribution::None));
        }
        status.explain(explanation(20, Attribution::Ambiguous));
        let shown = status.to_value();
        let shown = shown["explanations"].as_array().unwrap();
        assert_eq!(shown.len(), EXPLANATIONS);
        assert_eq!(shown[0]["attribution"], "ambiguous");
        assert!(shown[1..].iter().all(|other| other["attribution"] == "none"));
    }
}
