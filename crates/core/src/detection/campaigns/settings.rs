//! When what one source does is a campaign, and for how long it is remembered.

use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as friendly;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::detection::JoinSettings;

/// When what one source does to several assets, or along a chain of rules, becomes a finding of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CampaignSettings {
    /// Whether campaigns are detected. Default true.
    pub enabled: bool,
    /// How many assets a source must touch. Default 3.
    pub min_assets: u32,
    /// How far apart two neighbouring touches of a campaign may be, a touch being the first or the last access of an alert.
    /// Longer than `detection.group_by`. Default 30 min.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub within: Duration,
    /// A campaign that takes longer is cut at multiples of this since 1970. Touches count for three times as long. Default
    /// 12 h.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub longest: Duration,
    /// Sources of one partition in state; beyond it the one that was seen least recently is forgotten. Default 16,384.
    pub sources_per_partition: usize,
    /// Touches of one source in state; beyond it those of the alert that was seen least recently are forgotten, and its
    /// campaigns say so. Default 4,096.
    pub touches_per_source: usize,
}

impl Default for CampaignSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            min_assets: 3,
            within: Duration::from_secs(30 * 60),
            longest: Duration::from_secs(12 * 60 * 60),
            sources_per_partition: 16_384,
            touches_per_source: 4_096,
        }
    }
}

impl JoinSettings {
    /// How long a touch counts: what a campaign of the greatest length consists of and, for as long again, what sightings that
    /// an outage delayed may add to it.
    pub fn campaign_horizon(&self) -> Duration {
        self.campaign.longest * 3
    }

    /// How much of the log of sightings a state is rebuilt from: what counts, and what decided about that which is published.
    /// A sighting may arrive before its last access by the width of a bucket and the skew of a clock.
    pub fn campaign_rewind(&self) -> Duration {
        (self.campaign_horizon() + self.group_by + self.clock_skew * 2) * 2
    }
}
