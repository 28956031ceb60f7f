//! The assets that the inventory lists, by the partition of their observations.

use std::collections::BTreeMap;

use pipewarden_kafka::partition_of;

use crate::event::AssetId;

/// Listed assets by partition.
#[derive(Debug, Default)]
pub(super) struct Listed(BTreeMap<u32, Vec<AssetId>>);

impl Listed {
    pub(super) fn new(assets: Vec<AssetId>, partitions: u32) -> Self {
        let mut all: BTreeMap<u32, Vec<AssetId>> = BTreeMap::new();
        for asset in assets {
            // As the router's producer does.
            let partition = partition_of(asset.as_str().as_bytes(), partitions);
            all.entry(partition).or_default().push(asset);
        }
        Self(all)
    }

    /// Those of these partitions.
    pub(super) fn within<'a>(
        &'a self,
        partitions: impl Iterator<Item = &'a u32>,
    ) -> impl Iterator<Item = &'a AssetId> {
        partitions.filter_map(|partition| self.0.get(partition)).flatten()
    }
}
