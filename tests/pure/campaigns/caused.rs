//! Which sightings the alerts of a partition of observations cause.

use std::sync::Arc;

use pipewarden_core::detection::{
    Attribution, Exceptions, JoinSettings, RuleSet, Sighting, SightingRecord, Status,
};
use pipewarden_core::event::ObservationRecord;
use pipewarden_core::inventory::{Inventory, UnlistedHosts};
use pipewarden_core::time::AppendTime;
use pipewarden_engine::{Applied, Correlator, Policy, Topic};
use testkit::world::{self, EPOCH, ITSELF, Seed};

const SECOND: i64 = 1_000;

fn policy(inventory: &str, settings: JoinSettings, id: &str) -> Policy {
    Policy::new(
        RuleSet::new(world::rules()).unwrap(),
        Arc::new(Inventory::parse(inventory, "test").unwrap()),
        UnlistedHosts::Watch,
        settings,
        id.to_owned(),
    )
}

/// A partition of observations.
struct Partition {
    correlator: Correlator,
    offset: u64,
}

impl Partition {
    fn of(policy: Policy) -> Self {
        Self {
            correlator: Correlator::fresh(Arc::new(policy), Topic::Observations, 1),
            offset: 0,
        }
    }

    fn new() -> Self {
        Self::of(policy("assets: []", JoinSettings::default(), "test"))
    }

    /// Appends a record so many milliseconds after the world's beginning. The sightings that it causes.
    fn append(&mut self, at: i64, record: ObservationRecord) -> Vec<Sighting> {
        let applied = self
            .correlator
            .apply_decoded(world::at(self.offset, arrival(at)), record);
        self.offset += 1;
        sightings(&applied)
    }

    fn observe(&mut self, at: i64, seed: &Seed) -> Vec<Sighting> {
        let observation = seed.observation(self.offset);
        self.append(at, ObservationRecord::Observation(observation))
    }

    /// Lets everything settle.
    fn settle(&mut self, at: i64) -> Vec<Sighting> {
        self.append(at, ObservationRecord::Tick {})
    }
}

fn arrival(at: i64) -> AppendTime {
    AppendTime::from_millis(EPOCH / 1_000 + at)
}

fn sightings(applied: &Applied) -> Vec<Sighting> {
    let messages = applied.alerts.iter().filter_map(|alert| {
        let message = alert.sighting.as_ref()?;
        Some((message, &alert.key))
    });
    messages
        .map(
            |(message, key)| match SightingRecord::decode(&message.value).unwrap() {
                SightingRecord::Sighting(sighting) => {
                    assert_eq!(*message.key, *sighting.source);
                    assert_eq!(*key, sighting.alert_id.to_string());
                    sighting
                }
                SightingRecord::Tick {} => panic!("an alert causes no tick"),
            },
        )
        .collect()
}

fn seed(kind: u8, at: i64) -> Seed {
    Seed {
        kind,
        asset: 0,
        source: 1,
        port: 0,
        at,
        account: 0,
        other_rule: false,
        client_side: true,
        record: None,
    }
}

#[test]
fn an_audited_alert_says_who_did_what_to_whom_and_when() {
    let mut partition = Partition::new();
    assert_eq!(partition.observe(0, &seed(2, 0)), []);
    let caused = partition.settle(20 * SECOND);
    assert_eq!(caused.len(), 1);
    let found = &caused[0];
    assert_eq!((&*found.source, found.source_ip), ("10.1.0.1", world::ip(1)));
    assert_eq!(
        (&*found.rule, found.asset.as_str()),
        ("detect-8", "asset0.aperture.local")
    );
    assert_eq!(
        (found.status, found.attribution),
        (Status::Active, Attribution::Audited)
    );
    assert_eq!(
        (&*found.accounts[0], &*found.pipes[0]),
        (r"APERTURE\user0", "winreg")
    );
    assert_eq!((found.decided, &*found.policy), (arrival(20 * SECOND), "test"));
}

#[test]
fn an_inferred_alert_causes_a_sighting_and_takes_it_back_when_better_evidence_moves_its_access() {
    let mut partition = Partition::new();
    partition.observe(0, &seed(0, 0));
    partition.observe(SECOND, &seed(1, SECOND));
    let inferred = partition.settle(30 * SECOND);
    assert_eq!(inferred.len(), 1);
    assert_eq!(inferred[0].attribution, Attribution::Inferred);
    // The asset's own log names another source for the same access.
    let other = Seed {
        source: 2,
        ..seed(2, SECOND)
    };
    let mut caused = partition.observe(31 * SECOND, &other);
    caused.extend(partition.settle(60 * SECOND));
    let taken_back = caused
        .iter()
        .find(|sighting| sighting.source_ip == world::ip(1))
        .unwrap();
    assert_eq!(taken_back.status, Status::Superseded);
    assert_eq!(taken_back.alert_id, inferred[0].alert_id);
    assert!(taken_back.revision > inferred[0].revision);
    let now = caused
        .iter()
        .find(|sighting| sighting.source_ip == world::ip(2))
        .unwrap();
    assert_eq!(
        (now.status, now.attribution),
        (Status::Active, Attribution::Audited)
    );
}

#[test]
fn a_revision_that_changes_nothing_that_campaigns_read_causes_none() {
    let mut partition = Partition::new();
    partition.observe(0, &seed(2, 0));
    assert_eq!(partition.settle(20 * SECOND).len(), 1);
    // A connection of the source makes the alert surer, and a second one adds evidence only.
    let with = |port| Seed { port, ..seed(0, 0) };
    let mut caused = partition.observe(21 * SECOND, &with(0));
    caused.extend(partition.settle(40 * SECOND));
    assert_eq!(caused.len(), 1, "the confidence has changed");
    let more = Seed {
        kind: 3,
        ..seed(0, SECOND)
    };
    let mut caused = partition.observe(41 * SECOND, &more);
    caused.extend(partition.settle(200 * SECOND));
    assert_eq!(caused, []);
}

#[test]
fn local_unattributed_and_untimely_accesses_cause_none() {
    let minute = 60 * SECOND;
    for (seed, arrives) in [
        (
            Seed {
                source: ITSELF,
                ..seed(2, 0)
            },
            0,
        ),
        (seed(1, 0), 0),
        (seed(2, 0), 45 * minute),
    ] {
        let mut partition = Partition::new();
        assert_eq!(partition.observe(arrives, &seed), []);
        assert_eq!(partition.settle(arrives + 2 * minute), []);
    }
}

#[test]
fn what_is_suppressed_causes_none_and_what_is_downgraded_does() {
    let exception = |action: &str| {
        format!(
            "exceptions: [{{id: one, reason: test, owner: test, expires: 2040-01-01, action: {action}, \
             sources: {{addresses: [10.1.0.1]}}, broad: true}}]"
        )
    };
    for (action, expected) in [("suppress", 0), ("downgrade", 1)] {
        let plain = policy("assets: []", JoinSettings::default(), "test");
        let exceptions = Exceptions::none_for(Arc::clone(&plain.inventory));
        let exceptions = exceptions.and(&exception(action), "test").unwrap();
        let mut partition = Partition::of(plain.with_exceptions(exceptions));
        partition.observe(0, &seed(2, 0));
        assert_eq!(partition.settle(20 * SECOND).len(), expected, "{action}");
    }
}

#[test]
fn the_source_is_the_asset_that_owns_its_address() {
    let inventory = "assets: [{name: proxy.aperture.local, addresses: [10.1.0.1, 10.1.0.2]}]";
    let mut partition = Partition::of(policy(inventory, JoinSettings::default(), "test"));
    partition.observe(0, &seed(2, 0));
    partition.observe(
        0,
        &Seed {
            source: 2,
            ..seed(2, 0)
        },
    );
    let caused = partition.settle(20 * SECOND);
    let sources: Vec<&str> = caused.iter().map(|sighting| &*sighting.source).collect();
    assert_eq!(sources, ["proxy.aperture.local"; 2]);
}

#[test]
fn without_campaigns_there_are_no_sightings() {
    let mut settings = JoinSettings::default();
    settings.campaign.enabled = false;
    let mut partition = Partition::of(policy("assets: []", settings, "test"));
    partition.observe(0, &seed(2, 0));
    assert_eq!(partition.settle(20 * SECOND), []);
}

#[test]
fn a_change_of_policy_writes_the_sightings_of_open_alerts_once_more() {
    let mut partition = Partition::new();
    let records = [seed(2, 0), seed(0, 0)];
    for (place, seed) in records.iter().enumerate() {
        partition.observe(place as i64 * SECOND, seed);
    }
    let before = partition.settle(90 * SECOND);
    let (committed, metadata) = (
        partition.correlator.position(),
        partition.correlator.checkpoint().to_string(),
    );
    let changed = policy("assets: []", JoinSettings::default(), "changed");
    let recovery = Correlator::recover(Arc::new(changed), Topic::Observations, (committed, &metadata), 1);
    let mut after = Partition {
        correlator: recovery.unwrap().correlator,
        offset: 0,
    };
    for (place, seed) in records.iter().enumerate() {
        assert_eq!(after.observe(place as i64 * SECOND, seed), []);
    }
    assert_eq!(after.settle(90 * SECOND), []);
    let again = after.settle(91 * SECOND);
    assert_eq!(again.len(), 1);
    let last = before.last().map(|sighting| sighting.alert_id);
    assert_eq!((Some(again[0].alert_id), &*again[0].policy), (last, "changed"));
    assert!(again[0].revision > committed.get());
}
