//! What becomes of an access that the bounds leave no room for: a place in a summary, or in a count.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Join;
use super::admission::Share;
use super::asset::RuleIndex;
use super::dropped::DroppedAccesses;
use super::rivals;
use super::source::is_local;
use super::stored::{Stored, around};
use crate::detection::exceptions::{NamedSource, Subject};
use crate::detection::{AlertId, Body, Overflow, SeenSource, Who};
use crate::event::AssetId;
use crate::time::AppendTime;

/// How many sources an overflow lists at either end.
const LISTED: usize = 64;
/// How many overflows of single assets a partition may have within one bucket of arrival.
const ASSETS: usize = 1_024;

/// What the bounds leave of an access under one rule.
pub(super) enum Admitted {
    /// All of it.
    Kept,
    /// A place in the summary of its alert.
    Summarised(AlertId),
    /// A place in the count of those whose alerts are too many.
    Overflow,
}

/// The overflows of the present bucket of arrival, by rule.
#[derive(Debug, Default)]
pub(super) struct Overflows {
    bucket: Option<AppendTime>,
    of_assets: HashSet<(RuleIndex, AssetId)>,
    /// The first asset of those that are counted together.
    of_partition: HashMap<RuleIndex, AssetId>,
}

impl Overflows {
    /// The asset under whose name an access to `asset` is counted, and whether others may be counted there, too.
    fn place(
        &mut self,
        rule: RuleIndex,
        asset: &AssetId,
        is_listed: bool,
        bucket: AppendTime,
    ) -> (AssetId, bool) {
        if self.bucket != Some(bucket) {
            *self = Self {
                bucket: Some(bucket),
                ..Self::default()
            };
        }
        let own = (rule, asset.clone());
        if self.of_assets.contains(&own) {
            return (own.1, false);
        }
        if is_listed && self.of_assets.len() < ASSETS {
            self.of_assets.insert(own);
            return (asset.clone(), false);
        }
        let first = self.of_partition.entry(rule).or_insert(own.1);
        (first.clone(), true)
    }
}

impl Join {
    /// Remembers that there was an access that no bound leaves room for. The alerts of halves of accesses that it might be the
    /// other half of.
    pub(super) fn drop_access(&mut self, rule: RuleIndex, stored: &Stored) -> Vec<AlertId> {
        let settings = &self.state.settings;
        let asset = self.state.assets.get_mut(&stored.observation.asset);
        let Some(accesses) = asset.and_then(|asset| asset.accesses.get_mut(&rule)) else {
            return Vec::new();
        };
        let (time, window) = (stored.time(), settings.attribution_window);
        let opens_a_pipe = stored.share().is_none_or(|share| share.pipe().is_some());
        if stored.is_logon() || !opens_a_pipe {
            // It is half of nothing.
            Vec::new()
        } else if stored.share().is_some() {
            accesses.dropped_shares.add(stored, self.stream_time, settings);
            let alone = accesses.unattributed_between(time.minus(window), time.plus(window));
            alone.map(|(_, _, alert)| alert).collect()
        } else {
            accesses.dropped_pipes.add(stored, self.stream_time, settings);
            let shares = accesses.shares.range(around(time, window));
            let left_over = shares.filter(|(_, share)| rivals::is_left_over(share));
            left_over.filter_map(|(_, share)| share.alert).collect()
        }
    }

    /// What the bounds leave of an access that has arrived.
    pub(super) fn admit(&mut self, rule: RuleIndex, stored: &Stored) -> Admitted {
        let id = &stored.observation.asset;
        let who = self.who_at_arrival(stored);
        let key = self.key(rule, stored, who);
        let alert = key.id();
        let settings = &self.state.settings;
        let may_open = self.opening.admits(id, alert, self.stream_time, settings);
        if !may_open && !self.alerts.contains_key(&alert) {
            return Admitted::Overflow;
        }
        let share = Share {
            asset: id.clone(),
            rule,
            is_of_highest_risk: self.state.rules.is_of_highest_risk(rule),
            who,
        };
        if self.admission.admits(&share, self.stream_time, settings) {
            return Admitted::Kept;
        }
        let summary = DroppedAccesses::of(stored, settings);
        let open = self.open(key, alert, rule);
        match &mut open.dropped {
            Some(dropped) => dropped.merge(summary),
            none => *none = Some(Box::new(summary)),
        }
        Admitted::Summarised(alert)
    }

    /// Whose an access is by its own word.
    fn who_at_arrival(&self, stored: &Stored) -> Who {
        let asset = self.state.assets.get(&stored.observation.asset);
        let is_its_own = stored.observation.is_local
            || asset.is_some_and(|asset| is_local(stored, asset, &self.state.settings));
        if is_its_own {
            return Who::Local;
        }
        stored.named_source().map_or(Who::Unattributed, Who::Source)
    }

    /// Counts an access whose alert would be one too many.
    pub(super) fn overflow(&mut self, rule: RuleIndex, stored: &Stored) {
        let settings = &self.state.settings;
        let asset = &stored.observation.asset;
        let bucket = stored.arrival.bucket(settings.group_by);
        let is_listed = self.sensors.lists(asset);
        let (asset, is_of_partition) = self.overflows.place(rule, asset, is_listed, bucket);
        let new = Overflow {
            rule: self.state.rules.rule(rule).clone(),
            asset,
            is_of_partition,
            bucket,
            accesses: 0,
            times: (stored.time(), stored.time()),
            first: Vec::new(),
            last: Vec::new(),
            is_complete: true,
            exception: None,
        };
        let id = new.id();
        let mut overflow = match self.tallies.get(id) {
            Some(Body::Overflow(overflow)) => overflow.clone(),
            _ => new,
        };
        count(&mut overflow, stored);
        let closes = bucket.plus(settings.group_by);
        let subject = subject(&overflow);
        overflow.exception = self.state.exceptions.covering(&overflow.asset, closes, &subject);
        self.tallies.set(id, Body::Overflow(overflow), closes);
    }
}

fn count(overflow: &mut Overflow, access: &Stored) {
    overflow.accesses = overflow.accesses.saturating_add(1);
    let (first, last) = overflow.times;
    overflow.times = (first.min(access.time()), last.max(access.time()));
    let Some(ip) = access.named_source() else {
        overflow.is_complete = false;
        return;
    };
    let seen = SeenSource {
        ip,
        time: access.time(),
    };
    let is_listed = |list: &[SeenSource]| list.iter().any(|listed| listed.ip == ip);
    if is_listed(&overflow.first) {
        return;
    }
    if overflow.first.len() < LISTED {
        overflow.first.push(seen);
        return;
    }
    overflow.last.retain(|listed| listed.ip != ip);
    overflow.last.push(seen);
    if overflow.last.len() > LISTED {
        overflow.last.remove(0);
        overflow.is_complete = false;
    }
}

/// What exceptions see of it: all sources, or none where not all are known. None of them is named for any access, so that
/// only an entry that says `broad` holds, and only downgrades.
fn subject(overflow: &Overflow) -> Subject {
    let listed = overflow.first.iter().chain(&overflow.last);
    let sources = listed.filter(|_| overflow.is_complete && !overflow.is_of_partition);
    Subject {
        rule: Arc::clone(&overflow.rule.id),
        sources: sources.map(|seen| NamedSource::silent(seen.ip)).collect(),
        is_truncated: true,
        ..Subject::default()
    }
}
