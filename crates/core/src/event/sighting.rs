//! A share access, as it is published to the partition of its source.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AssetId, Detail, Observation, Outcome};
use crate::time::EventTime;

/// The part of a share access that sweeps need, keyed by its source. Observations are partitioned by asset, so no
/// partition has all accesses of one source; the sightings of a source are all in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The source that 5145 names.
    pub source_ip: IpAddr,
    /// The protected host.
    pub asset: AssetId,
    /// When, by the asset's clock.
    pub time: EventTime,
    /// The pipe, as 5145 names it, normalised.
    pub pipe: Arc<str>,
    /// `DOMAIN\name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Arc<str>>,
    /// Granted or denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

impl Sighting {
    /// `None` unless the observation is a share access to a pipe that names its source, and that is not the asset itself.
    pub fn of(observation: &Observation) -> Option<Self> {
        let Detail::ShareAccess(share) = &observation.event.detail else {
            return None;
        };
        if observation.is_local {
            return None;
        }
        Some(Self {
            source_ip: share.source_ip?,
            asset: observation.asset.clone(),
            time: observation.event.time,
            pipe: Arc::clone(share.pipe()?),
            outcome: share.outcome,
            account: share.account.as_ref().map(|account| account.to_string().into()),
        })
    }

    /// The Kafka key: the source.
    pub fn key(&self) -> String {
        self.source_ip.to_string()
    }
}
