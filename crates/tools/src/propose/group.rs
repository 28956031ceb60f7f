//! What recurs: alerts of one rule, source and accounts, as sure as each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use jiff::tz::TimeZone;
use pipewarden_core::time::EventTime;

use super::occurrence::{Occurrence, Oddity};

/// What alerts have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Common {
    pub(super) rule: String,
    pub(super) source: IpAddr,
    pub(super) accounts: BTreeSet<String>,
    pub(super) is_certain: bool,
    pub(super) oddity: Option<Oddity>,
}

/// Alerts that have something in common, and all that they are about.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) common: Common,
    pub(super) names: BTreeSet<String>,
    /// With the roles of each.
    pub(super) assets: BTreeMap<String, BTreeSet<String>>,
    pub(super) pipes: BTreeSet<String>,
    pub(super) processes: BTreeSet<String>,
    pub(super) alerts: usize,
    pub(super) accesses: u64,
    pub(super) first: EventTime,
    pub(super) last: EventTime,
    /// The intervals that first accesses are in.
    intervals: BTreeSet<EventTime>,
    /// Hours of the day in UTC with a first or a last access.
    pub(super) hours: BTreeSet<u8>,
    /// Days with a first access.
    pub(super) days: BTreeSet<EventTime>,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The groups of alerts whose source is known.
pub(super) fn groups(alerts: &[&Occurrence], group_by: Duration) -> Vec<Group> {
    let mut all: BTreeMap<Common, Group> = BTreeMap::new();
    for alert in alerts {
        let Some(source) = alert.source else {
            continue;
        };
        let common = Common {
            rule: alert.rule.clone(),
            source,
            accounts: alert.accounts.clone(),
            is_certain: alert.is_certain,
            oddity: alert.oddity,
        };
        let group = all
            .entry(common)
            .or_insert_with_key(|common| Group::new(common.clone(), alert.first));
        group.add(alert, group_by);
    }
    all.into_values().collect()
}

impl Group {
    pub(super) fn new(common: Common, first: EventTime) -> Self {
        Self {
            common,
            names: BTreeSet::new(),
            assets: BTreeMap::new(),
            pipes: BTreeSet::new(),
            processes: BTreeSet::new(),
            alerts: 0,
            accesses: 0,
            first,
            last: first,
            intervals: BTreeSet::new(),
            hours: BTreeSet::new(),
            days: BTreeSet::new(),
        }
    }

    fn add(&mut self, alert: &Occurrence, group_by: Duration) {
        self.names.extend(alert.names.iter().cloned());
        let roles = self.assets.entry(alert.asset.clone()).or_default();
        roles.extend(alert.roles.iter().cloned());
        self.pipes.extend(alert.pipes.iter().cloned());
        self.processes.extend(alert.processes.iter().cloned());
        self.alerts += 1;
        self.accesses += u64::from(alert.accesses);
        self.first = self.first.min(alert.first);
        self.last = self.last.max(alert.last);
        self.intervals.insert(alert.first.bucket(group_by));
        self.days.insert(alert.first.bucket(DAY));
        self.hours.extend([alert.first, alert.last].map(hour));
    }

    /// Takes in a group of another source that is about the same.
    pub(super) fn merge(&mut self, other: Self) {
        self.names.extend(other.names);
        self.processes.extend(other.processes);
        self.alerts += other.alerts;
        self.accesses += other.accesses;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.intervals.extend(other.intervals);
        self.days.extend(other.days);
        self.hours.extend(other.hours);
    }

    /// In how many different intervals it was seen.
    pub(super) fn intervals(&self) -> usize {
        self.intervals.len()
    }
}

/// The hour of the day in UTC.
fn hour(time: EventTime) -> u8 {
    TimeZone::UTC.to_datetime(time.timestamp()).hour().unsigned_abs()
}
