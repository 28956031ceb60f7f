//! The alert that each access belongs to, and its moves between alerts as more becomes known.

use std::collections::BTreeSet;

use super::Join;
use super::asset::{AssetState, RuleIndex};
use super::open_alert::{OpenAlert, closes};
use super::source::is_local;
use super::standing::Standing;
use super::stored::{Slot, Stored};
use crate::detection::{AlertId, AlertKey, JoinSettings, Who};
use crate::event::AssetId;

/// The alert that an observation belongs to.
enum Target {
    /// That of the share access which is the same access.
    Of(AlertId),
    /// The one with this key.
    Own(AlertKey),
}

impl Join {
    /// Finds the alert of an observation anew and moves it there, the pipe connection of a share access with it. What has
    /// been closed keeps what it holds.
    pub(super) fn place(
        &mut self,
        asset: &AssetId,
        rule: RuleIndex,
        slot: Slot,
        touched: &mut BTreeSet<AlertId>,
    ) {
        self.stand_alone(asset, rule, slot);
        let Some((target, is_share)) = self.target(asset, rule, slot) else {
            return;
        };
        let target = self.openable(asset, rule, slot, target);
        let (id, is_over) = match &target {
            Target::Of(id) => (*id, false),
            Target::Own(key) => (key.id(), closes(key, &self.state.settings) <= self.stream_time),
        };
        let accesses = self.state.assets.get_mut(asset);
        let Some(accesses) = accesses.and_then(|asset| asset.accesses.get_mut(&rule)) else {
            return;
        };
        let before = accesses.alert_of(slot).filter(|before| *before != id);
        touched.insert(id);
        if accesses.alert_of(slot) == Some(id) || is_over {
            return;
        }
        if let Some(before) = before {
            touched.insert(before);
            match self.alerts.get_mut(&before) {
                Some(alert) => alert.leave(slot),
                None => return,
            }
        }
        accesses.assign(slot, id);
        let alert = match target {
            Target::Of(_) => self.alerts.get_mut(&id),
            Target::Own(key) => Some(self.open(key, id, rule)),
        };
        if let Some(alert) = alert {
            alert.enter(slot, is_share);
        }
        if let Some(pipe) = self.pipe_of(asset, rule, slot) {
            self.place(asset, rule, pipe, touched);
        }
    }

    /// The target or, where that would be one alert too many, the alert where the observation is already, or the one of those
    /// that nobody is named for.
    fn openable(&mut self, asset: &AssetId, rule: RuleIndex, slot: Slot, target: Target) -> Target {
        let Target::Own(key) = target else {
            return target;
        };
        let id = key.id();
        let is_inferred = matches!(key.who, Who::Source(_)) && self.has_standing(asset, rule, slot);
        if !is_inferred
            || self.alerts.contains_key(&id)
            || self
                .opening
                .admits(asset, id, self.stream_time, &self.state.settings)
        {
            return Target::Own(key);
        }
        let accesses = self.state.assets.get(asset);
        let accesses = accesses.and_then(|asset| asset.accesses.get(&rule));
        let before = accesses.and_then(|accesses| accesses.alert_of(slot));
        match before.filter(|before| self.alerts.contains_key(before)) {
            Some(before) => Target::Of(before),
            None => Target::Own(AlertKey {
                who: Who::Unattributed,
                ..key
            }),
        }
    }

    /// Whether the access in a slot has candidates by its nature.
    fn has_standing(&self, asset: &AssetId, rule: RuleIndex, slot: Slot) -> bool {
        let accesses = self.state.assets.get(asset);
        let accesses = accesses.and_then(|asset| asset.accesses.get(&rule));
        accesses.is_some_and(|accesses| accesses.standing(slot).is_some())
    }

    /// Gives a pipe connection candidates of its own where its share access is in no open alert: that has closed, or it came
    /// too late for it. What has closed with the pipe connection in it stays as it is.
    fn stand_alone(&mut self, asset: &AssetId, rule: RuleIndex, slot: Slot) {
        let Some(state) = self.state.assets.get_mut(asset) else {
            return;
        };
        let Some(accesses) = state.accesses.get(&rule) else {
            return;
        };
        let is_open = |alert: &AlertId| self.alerts.contains_key(alert);
        let is_alone = accesses.pipes.get(&slot).is_some_and(|pipe| {
            let share = pipe.share.and_then(|share| accesses.shares.get(&share));
            pipe.alert.as_ref().is_none_or(is_open)
                && share.is_some_and(|share| !share.alert.as_ref().is_some_and(is_open))
        });
        if is_alone && let Some(stored) = accesses.stored(slot) {
            let standing = Standing::of(stored, state, &self.state.settings);
            if let Some(accesses) = state.accesses.get_mut(&rule) {
                accesses.set_standing(slot, Some(standing));
            }
        }
    }

    /// The pipe connection that is the same access as a share access.
    fn pipe_of(&self, asset: &AssetId, rule: RuleIndex, slot: Slot) -> Option<Slot> {
        let accesses = self.state.assets.get(asset)?.accesses.get(&rule)?;
        accesses.shares.get(&slot)?.pipe
    }

    /// Where an observation belongs, and whether it is a share access.
    fn target(&self, asset: &AssetId, rule: RuleIndex, slot: Slot) -> Option<(Target, bool)> {
        let state = self.state.assets.get(asset)?;
        let accesses = state.accesses.get(&rule)?;
        let (stored, who, is_share) = if let Some(pipe) = accesses.pipes.get(&slot) {
            let share = pipe.share.and_then(|share| accesses.shares.get(&share));
            let alert = share.and_then(|share| share.alert);
            // One that comes after its share access's alert has closed is an access of its own.
            if let Some(alert) = alert.filter(|alert| self.alerts.contains_key(alert)) {
                return Some((Target::Of(alert), false));
            }
            (&pipe.stored, who_of(pipe.standing), false)
        } else {
            let share = accesses.shares.get(&slot)?;
            let who = match share.stored.named_source() {
                _ if is_local(&share.stored, state, &self.state.settings) => Who::Local,
                Some(ip) => Who::Source(ip),
                None => who_of(share.standing),
            };
            (&share.stored, who, true)
        };
        Some((Target::Own(self.key(rule, stored, who)), is_share))
    }

    /// The key of the alert that an access belongs to.
    pub(super) fn key(&self, rule: RuleIndex, stored: &Stored, who: Who) -> AlertKey {
        AlertKey {
            rule: self.state.rules.id(rule).clone(),
            asset: stored.observation.asset.clone(),
            who,
            bucket: stored.time().bucket(self.state.settings.group_by),
            arrival_bucket: stored.arrival_bucket(&self.state.settings),
        }
    }

    /// The open alert with this key, opened if it is new.
    pub(super) fn open(&mut self, key: AlertKey, id: AlertId, rule: RuleIndex) -> &mut OpenAlert {
        self.alerts.entry(id).or_insert_with(|| {
            let alert = OpenAlert::new(key, rule, &self.state.settings);
            self.closings.insert((alert.closes, id));
            alert
        })
    }
}

fn who_of(standing: Option<Standing>) -> Who {
    standing.map_or(Who::Unattributed, |standing| standing.verdict().who)
}

/// Notes the candidates of an access, which has some by its nature if nothing names its source.
pub(super) fn judge(asset: &mut AssetState, rule: RuleIndex, slot: Slot, settings: &JoinSettings) {
    let Some(accesses) = asset.accesses.get(&rule) else {
        return;
    };
    let is_named = match accesses.pipes.get(&slot) {
        Some(pipe) => pipe.share.is_some(),
        None => accesses
            .shares
            .get(&slot)
            .and_then(|share| share.stored.share())
            .is_none_or(|share| share.source_ip.is_some()),
    };
    let standing = match accesses.stored(slot) {
        Some(stored) if !is_named => Some(Standing::of(stored, asset, settings)),
        _ => None,
    };
    if let Some(accesses) = asset.accesses.get_mut(&rule) {
        accesses.set_standing(slot, standing);
    }
}
