//! Whether the sources of one rule and asset are more than single hosts account for.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use super::Join;
use super::asset::RuleIndex;
use super::open_alert::OpenAlert;
use crate::detection::exceptions::{NamedSource, Subject};
use crate::detection::{AlertId, AlertKey, Body, ManySources, Who};
use crate::event::AssetId;
use crate::time::EventTime;

/// The rules and assets whose sources are counted together, over two buckets.
type Place = (AssetId, RuleIndex);

/// The open alerts of named sources that have accesses.
#[derive(Debug, Default)]
pub(super) struct Sources(HashMap<Place, BTreeMap<EventTime, BTreeMap<IpAddr, AlertId>>>);

/// The bucket of an alert: of event time or, where that is not to be trusted, of arrival.
fn bucket(key: &AlertKey) -> EventTime {
    key.arrival_bucket.map_or(key.bucket, EventTime::on_log)
}

impl Sources {
    /// Notes whether an alert has accesses. Whether that is new.
    fn note(&mut self, place: &Place, key: &AlertKey, alert: AlertId, has_accesses: bool) -> bool {
        let Who::Source(ip) = key.who else {
            return false;
        };
        let bucket = bucket(key);
        if has_accesses {
            let buckets = match self.0.get_mut(place) {
                Some(buckets) => buckets,
                None => self.0.entry(place.clone()).or_default(),
            };
            return buckets.entry(bucket).or_default().insert(ip, alert).is_none();
        }
        let Some(buckets) = self.0.get_mut(place) else {
            return false;
        };
        let known = buckets
            .get_mut(&bucket)
            .is_some_and(|sources| sources.remove(&ip).is_some());
        if buckets.get(&bucket).is_some_and(BTreeMap::is_empty) {
            buckets.remove(&bucket);
        }
        if buckets.is_empty() {
            self.0.remove(place);
        }
        known
    }

    /// The sources of two buckets, with their alerts; of none if the later has none.
    fn of(&self, place: &Place, earlier: EventTime, later: EventTime) -> BTreeMap<IpAddr, Vec<AlertId>> {
        let mut sources: BTreeMap<IpAddr, Vec<AlertId>> = BTreeMap::new();
        let Some(buckets) = self.0.get(place).filter(|buckets| buckets.contains_key(&later)) else {
            return sources;
        };
        for alerts in [earlier, later].iter().filter_map(|bucket| buckets.get(bucket)) {
            for (&ip, &alert) in alerts {
                sources.entry(ip).or_default().push(alert);
            }
        }
        sources
    }
}

impl Join {
    /// Looks whether an alert that a record has touched makes its sources too many, or so no longer.
    pub(super) fn count_sources(&mut self, alert: AlertId) {
        let Some(open) = self.alerts.get(&alert) else {
            return;
        };
        let place = (open.key.asset.clone(), open.rule);
        let later = bucket(&open.key);
        let is_new = self.sources.note(&place, &open.key, alert, !open.is_empty());
        if !is_new {
            return;
        }
        for later in [later, later.plus(self.state.settings.group_by)] {
            self.judge_sources(&place, later);
        }
    }

    /// Forgets the sources of an alert that closes.
    pub(super) fn forget_source(&mut self, alert: AlertId, open: &OpenAlert) {
        let place = (open.key.asset.clone(), open.rule);
        self.sources.note(&place, &open.key, alert, false);
    }

    fn judge_sources(&mut self, place: &Place, later: EventTime) {
        let settings = &self.state.settings;
        let earlier = later.minus(settings.group_by);
        let sources = self.sources.of(place, earlier, later);
        let (asset, rule) = place;
        let mut many = ManySources {
            rule: Arc::clone(self.state.rules.rule(*rule)),
            asset: asset.clone(),
            bucket: later,
            sources: u32::try_from(sources.len()).unwrap_or(u32::MAX),
            network: network(&sources, settings.limits.many_sources),
            accesses: 0,
            times: (later, later),
            is_superseded: false,
            exception: None,
        };
        let id = many.id();
        if sources.len() <= settings.limits.many_sources {
            let published = match self.tallies.get(id) {
                Some(Body::ManySources(published)) => published.clone(),
                _ => return,
            };
            many = ManySources {
                is_superseded: true,
                ..published
            };
        } else {
            self.sum_up(&mut many, sources.values().flatten());
        }
        let closes = later.deadline_after(settings.group_by + settings.closing_delay());
        let subject = Subject {
            rule: Arc::clone(&many.rule.id),
            sources: sources.keys().map(|&ip| NamedSource::silent(ip)).collect(),
            is_truncated: true,
            ..Subject::default()
        };
        many.exception = self.state.exceptions.covering(asset, closes, &subject);
        self.tallies.set(id, Body::ManySources(many), closes);
    }

    fn sum_up<'a>(&self, many: &mut ManySources, alerts: impl Iterator<Item = &'a AlertId>) {
        let mut times: Option<(EventTime, EventTime)> = None;
        for open in alerts.filter_map(|alert| self.alerts.get(alert)) {
            many.accesses = many.accesses.saturating_add(open.number_of_accesses());
            let of_shares = open.shares.first().zip(open.shares.last());
            let of_pipes = open.pipes.first().zip(open.pipes.last());
            let stored = [of_shares, of_pipes].into_iter().flatten();
            let stored = stored.map(|(first, last)| (first.0, last.0));
            for (first, last) in stored.chain(open.dropped.as_ref().map(|dropped| dropped.times)) {
                let known = times.unwrap_or((first, last));
                times = Some((known.0.min(first), known.1.max(last)));
            }
        }
        many.times = times.unwrap_or(many.times);
    }
}

/// The network of 64 bits that alone holds more than `most` of the sources.
fn network(sources: &BTreeMap<IpAddr, Vec<AlertId>>, most: usize) -> Option<String> {
    let mut networks: BTreeMap<u128, usize> = BTreeMap::new();
    for ip in sources.keys() {
        if let IpAddr::V6(ip) = ip {
            *networks.entry(ip.to_bits() >> 64).or_default() += 1;
        }
    }
    let (network, _) = networks.into_iter().find(|&(_, number)| number > most)?;
    Some(format!("{}/64", Ipv6Addr::from_bits(network << 64)))
}
