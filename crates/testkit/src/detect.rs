//! From Winlogbeat documents to final alert documents, through router and correlator.

use std::sync::Arc;

use pipewarden_core::alert::AlertFormat;
use pipewarden_core::detection::{Exceptions, JoinSettings, RuleSet};
use pipewarden_core::event::{Observation, Received};
use pipewarden_core::inventory::{Inventory, UnlistedHosts};
use pipewarden_core::log::{Offset, Partition};
use pipewarden_core::time::AppendTime;
use pipewarden_engine::local::{FinalView, Replayer};
use pipewarden_engine::{AlertRecord, NoEvent, Origin, Policy, Routed, Router};
use serde_json::Value;

/// The inventory of most tests: atlas, a primary site server.
pub const INVENTORY: &str = "
assets:
  - name: atlas.aperture.local
    addresses: [10.1.0.50, 'fd00::50']
    roles: [primary-site-server]
";

/// A policy to detect with.
pub struct Bench {
    policy: Arc<Policy>,
}

impl Bench {
    pub fn new(inventory: &str, join: JoinSettings) -> Self {
        let inventory = Inventory::parse(inventory, "test").unwrap();
        Self::of(inventory, UnlistedHosts::Ignore, join)
    }

    /// The same with these rules.
    pub fn with_rules(self, rules: RuleSet) -> Self {
        let mut policy = Policy::clone(&self.policy);
        policy.rules = rules;
        Self {
            policy: Arc::new(policy),
        }
    }

    /// The same with these exceptions, as in their file.
    pub fn with_exceptions(self, text: &str) -> Self {
        let inventory = Arc::clone(&self.policy.inventory);
        let exceptions = Exceptions::none_for(inventory).and(text, "test").unwrap();
        Self {
            policy: Arc::new(Policy::clone(&self.policy).with_exceptions(exceptions)),
        }
    }

    /// No inventory: every host is watched.
    pub fn watching_all() -> Self {
        Self::of(Inventory::empty(), UnlistedHosts::Watch, JoinSettings::default())
    }

    fn of(inventory: Inventory, unlisted: UnlistedHosts, join: JoinSettings) -> Self {
        let rules = RuleSet::builtin();
        Self {
            policy: Arc::new(
                Policy::new(rules, Arc::new(inventory), unlisted, join, "test".into())
                    .with_format(AlertFormat::Both),
            ),
        }
    }

    /// The final alerts where every event arrives at its own time.
    pub fn detect(&self, events: &[Value]) -> Vec<Value> {
        let mut arrivals: Vec<(AppendTime, Observation)> = self
            .observations(events)
            .into_iter()
            .map(|observation| (AppendTime::at_event(observation.event.time), observation))
            .collect();
        arrivals.sort_by_key(|(at, _)| *at);
        self.final_alerts(arrivals)
    }

    /// The final alerts where events arrive in this order, each so many milliseconds after the test's start.
    pub fn detect_arriving(&self, events: &[(i64, Value)]) -> Vec<Value> {
        let messages: Vec<Value> = events.iter().map(|(_, event)| event.clone()).collect();
        let observations = self.observations(&messages);
        assert_eq!(
            observations.len(),
            events.len(),
            "every event must be an observation here"
        );
        let arrivals = events
            .iter()
            .zip(observations)
            .map(|((ms, _), observation)| {
                (
                    AppendTime::from_millis(super::winlogbeat::START + ms),
                    observation,
                )
            })
            .collect();
        self.final_alerts(arrivals)
    }

    /// The observations among the events.
    pub fn observations(&self, events: &[Value]) -> Vec<Observation> {
        let messages: Vec<Vec<u8>> = events
            .iter()
            .map(|event| serde_json::to_vec(event).unwrap())
            .collect();
        let mut router = Router::new(&self.policy);
        let origin = Origin {
            topic: "test",
            partition: Partition::ZERO,
            offset: Offset::ZERO,
        };
        // As `replay` does: every binding is known before anything is resolved.
        let mut events: Vec<Received> = Vec::new();
        for message in &messages {
            router.read_each(Some(message), origin, &mut |read| match read {
                Ok(event) => events.push(event),
                Err(NoEvent::DeadLetter(letter)) => panic!("undecodable: {letter:?}"),
                Err(NoEvent::Skipped(_)) => {}
            });
        }
        events
            .into_iter()
            .filter_map(|event| match router.resolve(event) {
                Routed::Observation(routed) => Some(routed.observation),
                _ => None,
            })
            .collect()
    }

    /// Every revision, in the order in which they are published. Its two documents are checked against each other.
    pub fn revisions(&self, arrivals: Vec<(AppendTime, Observation)>) -> Vec<AlertRecord> {
        let mut replayer = Replayer::new(&self.policy);
        let mut revisions = Vec::new();
        for (at, observation) in arrivals {
            revisions.extend(replayer.observe(at, observation).alerts);
        }
        revisions.extend(replayer.finish().alerts);
        for revision in &revisions {
            let finding = revision.finding.as_deref().unwrap();
            super::schema::assert_valid_finding(
                &serde_json::from_slice(finding).unwrap(),
                &serde_json::from_slice(&revision.value).unwrap(),
            );
        }
        revisions
    }

    fn final_alerts(&self, arrivals: Vec<(AppendTime, Observation)>) -> Vec<Value> {
        let mut view = FinalView::default();
        self.revisions(arrivals)
            .into_iter()
            .for_each(|alert| view.upsert(alert));
        let mut alerts: Vec<Value> = view
            .active()
            .map(|alert| serde_json::from_slice(&alert.value).unwrap())
            .collect();
        for alert in &mut alerts {
            super::schema::assert_valid("alert", alert);
            // When it was written depends on when what it rests on arrived.
            alert["pipewarden"].as_object_mut().unwrap().remove("revision");
            alert["event"].as_object_mut().unwrap().remove("created");
        }
        alerts.sort_by_key(|alert| alert["event"]["start"].as_str().map(str::to_owned));
        alerts
    }
}
