//! What leaves state: by age, or by a bound on session evidence.

use std::net::IpAddr;

use super::asset::AssetState;
use super::stored::Stored;
use super::{Expiry, Join};
use crate::event::AssetId;

/// When and where an observation leaves state.
pub(super) fn expiry_of(stored: &Stored) -> Expiry {
    Expiry {
        arrival: stored.arrival,
        asset: stored.observation.asset.clone(),
        slot: stored.slot(),
    }
}

impl Join {
    /// Forgets what has been in state for a whole horizon.
    pub(super) fn expire_observations(&mut self) {
        let horizon = self.state.horizon;
        let oldest_kept = self.stream_time.minus(horizon);
        self.seen_events.expire(self.stream_time, horizon);
        while self
            .connections
            .front()
            .is_some_and(|expiry| expiry.arrival <= oldest_kept)
        {
            self.expire_oldest_connection();
        }
        while let Some(expiry) = self.accesses.pop_front_if(|expiry| expiry.arrival <= oldest_kept) {
            self.with_asset(&expiry.asset, |asset| asset.expire_access(expiry.slot));
        }
        while (self.call_backs.front()).is_some_and(|(_, expiry)| expiry.arrival <= oldest_kept) {
            self.forget_call_back();
        }
    }

    /// After a connection to `asset` was added: drops the oldest of its source, then of the asset, and then of the
    /// partition, where there are too many. How many were dropped.
    pub(super) fn bound_connections(&mut self, asset: &AssetId, source: Option<IpAddr>) -> usize {
        let settings = &self.state.settings;
        let limits = &settings.limits;
        let per_partition = limits.session_evidence_per_partition;
        let mut dropped = 0;
        if let Some(state) = self.state.assets.get_mut(asset) {
            let over = source
                .filter(|&source| state.connections.len_from(source) > limits.session_evidence_per_source);
            if over.is_some() || state.connections.len() > limits.session_evidence_per_asset {
                dropped += usize::from(state.drop_connection(over, self.stream_time, settings));
            }
        }
        self.live_connections -= dropped;
        while self.live_connections > per_partition {
            dropped += usize::from(self.drop_oldest_connection());
        }
        // What an asset's bound has dropped is still in this queue.
        if self.connections.len() > 2 * per_partition {
            let assets = &self.state.assets;
            self.connections.retain(|expiry| {
                assets
                    .get(&expiry.asset)
                    .is_some_and(|asset| asset.connections.holds(expiry.slot))
            });
        }
        dropped
    }

    /// Drops the first connection in order. Whether it was still in state.
    fn drop_oldest_connection(&mut self) -> bool {
        let Some(expiry) = self.connections.pop_front() else {
            return false;
        };
        let asset = self.state.assets.get_mut(&expiry.asset);
        let Some(asset) = asset.filter(|asset| asset.connections.holds(expiry.slot)) else {
            return false;
        };
        self.live_connections -= 1;
        let dropped = asset.drop_connection(None, self.stream_time, &self.state.settings);
        if asset.is_empty() {
            self.state.assets.remove(&expiry.asset);
        }
        dropped
    }

    /// Removes the first connection in order, which is over.
    fn expire_oldest_connection(&mut self) {
        let Some(expiry) = self.connections.pop_front() else {
            return;
        };
        let mut held = false;
        self.with_asset(&expiry.asset, |asset| {
            held = asset.expire_connection(expiry.slot.1);
        });
        self.live_connections -= usize::from(held);
    }

    /// Works on an asset and forgets it if nothing of it is left.
    pub(super) fn with_asset(&mut self, id: &AssetId, work: impl FnOnce(&mut AssetState)) {
        if let Some(asset) = self.state.assets.get_mut(id) {
            work(asset);
            if asset.is_empty() {
                self.state.assets.remove(id);
            }
        }
    }
}
