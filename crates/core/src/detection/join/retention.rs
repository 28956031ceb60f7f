//! What leaves state: by age, or by a bound on connections.

use super::Join;
use super::asset::AssetState;
use crate::detection::Counters;
use crate::event::AssetId;

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
            self.drop_oldest_connection();
        }
        while let Some(expiry) = self.accesses.pop_front_if(|expiry| expiry.arrival <= oldest_kept) {
            self.with_asset(&expiry.asset, |asset| asset.expire_access(expiry.slot));
        }
    }

    /// After a connection to `asset` was added: evicts the oldest of the asset's, and then the oldest of the
    /// partition's, where there are too many.
    pub(super) fn bound_connections(&mut self, asset: &AssetId, counters: &mut Counters) {
        let limits = &self.state.settings.limits;
        let (per_asset, per_partition) = (
            limits.session_evidence_per_asset,
            limits.session_evidence_per_partition,
        );
        if let Some(state) = self.state.assets.get_mut(asset)
            && state.connections.len() > per_asset
        {
            state.evict_oldest_connection();
            self.live_connections -= 1;
            counters.evicted_session_evidence += 1;
        }
        while self.live_connections > per_partition {
            counters.evicted_session_evidence += u64::from(self.drop_oldest_connection());
        }
        // What an asset's bound has evicted is still in this queue.
        if self.connections.len() > 2 * per_partition {
            let assets = &self.state.assets;
            self.connections.retain(|expiry| {
                assets
                    .get(&expiry.asset)
                    .is_some_and(|asset| asset.connections.holds(expiry.slot))
            });
        }
    }

    /// Removes the first connection in order. Whether it was still in state.
    fn drop_oldest_connection(&mut self) -> bool {
        let Some(expiry) = self.connections.pop_front() else {
            return false;
        };
        let mut held = false;
        self.with_asset(&expiry.asset, |asset| {
            held = asset.expire_connection(expiry.slot.1);
        });
        self.live_connections -= usize::from(held);
        held
    }

    /// Works on an asset and forgets it if nothing of it is left.
    fn with_asset(&mut self, id: &AssetId, work: impl FnOnce(&mut AssetState)) {
        if let Some(asset) = self.state.assets.get_mut(id) {
            work(asset);
            if asset.is_empty() {
                self.state.assets.remove(id);
            }
        }
    }
}
