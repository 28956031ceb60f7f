//! The state of this process: its workers, their readiness, and what is in force.

mod in_force;
mod listed;
mod refused;
mod worker;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub use in_force::InForce;
pub(super) use in_force::main_settings;
use listed::Listed;
use pipewarden_kafka::WorkerRole;
use refused::Refused;
use serde_json::{Value, json};
pub(super) use worker::Worker;
pub use worker::WorkerStatus;

use crate::detection::{ClockState, Exception, Explanation, SensorState};
use crate::engine::DeadLetter;
use crate::event::AssetId;
use crate::time::{AppendTime, EventTime};

/// How many explanations are kept, the latest.
pub const EXPLANATIONS: usize = 20;

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
    workers: Mutex<BTreeMap<String, Worker>>,
    /// What keeps the service from working beside what its workers say, in words.
    cluster: Mutex<Vec<String>>,
    in_force: Mutex<InForce>,
    refused: Mutex<Refused>,
    /// Of the alerts that were published last, the latest at the end.
    explanations: Mutex<VecDeque<Explanation>>,
    /// By partition.
    readiness: Mutex<BTreeMap<u32, Readiness>>,
    listed: Mutex<Listed>,
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
        locked(&self.workers).insert(worker.to_owned(), Worker::new(role));
    }

    /// Changes the status of a worker that has been started.
    pub fn update(&self, worker: &str, change: impl FnOnce(&mut WorkerStatus)) {
        self.note(worker, |worker| change(&mut worker.status));
    }

    /// Notes something about a worker that has been started.
    pub(super) fn note(&self, worker: &str, note: impl FnOnce(&mut Worker)) {
        let mut workers = locked(&self.workers);
        let known = workers.get_mut(worker);
        debug_assert!(known.is_some(), "{worker} is started before its status changes");
        if let Some(known) = known {
            note(known);
        }
    }

    /// Notes what keeps the service from working beside what its workers say, in words; nothing where all is well.
    pub fn cluster(&self, problems: &[String]) {
        problems.clone_into(&mut locked(&self.cluster));
    }

    /// Notes which settings, rules, inventory and exceptions are in force.
    pub fn policy(&self, in_force: InForce) {
        *locked(&self.in_force) = in_force;
    }

    /// Notes which assets are listed, where their observations go to so many partitions.
    pub fn listed(&self, assets: Vec<AssetId>, partitions: u32) {
        *locked(&self.listed) = Listed::new(assets, partitions);
    }

    /// Notes that changed files were taken up.
    pub(super) fn reloaded(&self, now: AppendTime) {
        locked(&self.refused).reloaded(now);
    }

    /// Notes that changed files were rejected, and why.
    pub(super) fn rejected(&self, problem: &str, now: AppendTime) {
        locked(&self.refused).rejected(problem, now);
    }

    /// Notes that the files make the policy in force; returns whether a change had been rejected before.
    pub(super) fn withdrawn(&self, now: AppendTime) -> bool {
        locked(&self.refused).withdrawn(now)
    }

    /// Notes a message that could not be decoded.
    pub(super) fn dead_letter(&self, letter: &DeadLetter, now: AppendTime) {
        locked(&self.refused).dead_letter(letter, now);
    }

    /// Keeps the explanation of an alert that has just been published. Only the latest of each alert is kept.
    pub fn explain(&self, explanation: Explanation) {
        let mut last = locked(&self.explanations);
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
        locked(&self.readiness)
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
        let mut all = locked(&self.exceptions);
        let before = all.take().unwrap_or_default();
        let entries = entries.iter().map(|entry| {
            let new = Hits { since: now, hits: 0 };
            (Arc::clone(&entry.id), *before.get(&entry.id).unwrap_or(&new))
        });
        *all = Some(entries.collect());
    }

    /// An exception covers an alert that it did not cover before.
    pub fn hit(&self, exception: &Exception) {
        let mut all = locked(&self.exceptions);
        // One that is no longer in force may still be hit until the worker has taken up the new policy.
        if let Some(own) = all.as_mut().and_then(|all| all.get_mut(&exception.id)) {
            own.hits += 1;
        }
    }

    fn exceptions_value(&self) -> Value {
        let all = locked(&self.exceptions);
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

    /// When each listed asset was last seen, as far as this process owns their partitions; `None` for one of which nothing
    /// has been seen. Empty while partitions are restored.
    pub fn assets(&self) -> BTreeMap<AssetId, Option<AppendTime>> {
        if self.workers().values().any(|worker| worker.restoring > 0) {
            return BTreeMap::new();
        }
        let readiness = self.readiness();
        let mut all: BTreeMap<AssetId, Option<AppendTime>> = locked(&self.listed)
            .within(readiness.keys())
            .map(|asset| (asset.clone(), None))
            .collect();
        for state in readiness.values().flat_map(|readiness| &readiness.sensors) {
            let seen = all.entry(state.asset.clone()).or_default();
            *seen = (*seen).max(state.last_seen);
        }
        all
    }

    fn assets_value(&self) -> Value {
        let word = |seen: Option<AppendTime>| seen.map_or(json!("never seen"), |seen| json!(moment(seen)));
        let assets = self.assets().into_iter();
        let words = assets.map(|(asset, seen)| (asset.to_string(), word(seen)));
        json!(words.collect::<BTreeMap<String, Value>>())
    }

    /// Everything, as `/status` shows it.
    pub fn to_value(&self) -> Value {
        let unready = self.unready();
        let in_force = locked(&self.in_force).clone();
        let refused = locked(&self.refused);
        let explanations = locked(&self.explanations);
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "policy": in_force.id,
            "in_force": in_force,
            "last_reload": refused.last_reload(),
            "ready": unready.is_empty(),
            "reasons": unready,
            "workers": self.workers(),
            "dead_letters": refused.dead_letters(),
            "explanations": explanations.iter().rev().collect::<Vec<_>>(),
            "exceptions": self.exceptions_value(),
            "assets": self.assets_value(),
            "sensors": self.sensors_value(),
            "clock_offset_seconds": self.clocks_value(),
        })
    }

    /// What is known of every worker.
    pub fn workers(&self) -> BTreeMap<String, WorkerStatus> {
        let workers = locked(&self.workers);
        workers
            .iter()
            .map(|(name, worker)| (name.clone(), worker.shown()))
            .collect()
    }

    /// Why the process is not healthy: some worker has ended, or is stuck.
    pub fn unhealthy(&self) -> Vec<String> {
        let now = Instant::now();
        let workers = locked(&self.workers);
        workers
            .iter()
            .filter_map(|(name, worker)| worker.unhealthy(name, now))
            .collect()
    }

    /// Why the process is not ready: no broker answers, a topic is missing, or some worker has no partitions, has not caught
    /// up, does not move or cannot write.
    pub fn unready(&self) -> Vec<String> {
        let now = Instant::now();
        let mut reasons = locked(&self.cluster).clone();
        let workers = locked(&self.workers);
        for (name, worker) in &*workers {
            reasons.extend(worker.unready(name, now));
        }
        if workers.is_empty() {
            reasons.push("no worker has started".to_owned());
        }
        reasons
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn what_the_cluster_lacks_is_a_reason_until_it_is_there() {
        let status = Status::default();
        status.start("router-0", WorkerRole::Router);
        status.update("router-0", |worker| worker.is_assigned = true);
        status.cluster(&["no broker answers: b:1: nothing listens there".to_owned()]);
        assert_eq!(
            status.unready(),
            ["no broker answers: b:1: nothing listens there"]
        );
        assert!(status.unhealthy().is_empty());
        assert_eq!(status.to_value()["reasons"], json!(status.unready()));
        status.cluster(&[]);
        assert!(status.unready().is_empty());
    }

    #[test]
    fn a_listed_asset_that_never_sent_anything_is_named_where_its_partition_is_owned() {
        let status = Status::default();
        status.listed(vec![AssetId::new("atlas"), AssetId::new("glados")], 1);
        assert_eq!(
            status.to_value()["assets"],
            json!({}),
            "its partition is not owned"
        );
        let seen = SensorState {
            asset: AssetId::new("atlas"),
            sensor: crate::event::Kind::ShareAccess,
            last_seen: Some(AppendTime::from_millis(1_000)),
            is_blind: false,
        };
        let readiness = Readiness {
            sensors: vec![seen],
            clocks: Vec::new(),
        };
        status.set_readiness(0, readiness);
        let expected = json!({"atlas": "1970-01-01T00:00:01.000Z", "glados": "never seen"});
        assert_eq!(status.to_value()["assets"], expected);
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
            unexpected: None,
            conflicts: Vec::new(),
            rests_on: Vec::new(),
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
