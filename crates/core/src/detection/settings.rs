//! The windows, waits and bounds of the join, and the two spans that follow from them.

use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as friendly;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{CampaignSettings, SessionEvidence};
use crate::time::{AppendTime, EventTime};

/// Settings of the join. Durations are written as people write them: `10s`, `15min`, `1h 30m`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JoinSettings {
    /// How long before a `pipe_connected` session evidence shows a candidate for it, and how long after it what the client
    /// logged does. What the host logged does until 3 s after it, a logon or share session until 1 s. Default 10 s.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub attribution_window: Duration,
    /// How far apart a `share_access` and session evidence of the same source address and port, or of the same logon id and
    /// address, may be, either order: one session carries many pipes. Default 15 min.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub tuple_window: Duration,
    /// How far apart a `pipe_connected` and the `share_access` that explains it may be. Default 2 s.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub pair_window: Duration,
    /// Width of the aligned time bucket that groups accesses into one alert. Default 10 min.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub group_by: Duration,
    /// How long an incomplete alert waits for its missing parts.
    pub settle: Settle,
    /// How long a lesser change may wait for its revision. Default 60 s.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub revise_after: Duration,
    /// How long after a revision of an alert the next one comes at the earliest, however urgent; greater than 0. The first
    /// revision is not put off, and none beyond the alert's closing. An alert of many observations is looked at no more often
    /// either, so that a flood does not cost a look for each record. Default 2 s.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub revise_at_most_every: Duration,
    /// How much later than its event time an observation may arrive and still count in full. Default 30 min.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub allowed_lateness: Duration,
    /// How far ahead of arrival a sound clock may be. Default 5 min.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub clock_skew: Duration,
    /// Of which hosts Windows' own logs of sessions are kept.
    pub session_evidence: SessionEvidence,
    /// When a sensor that is missing becomes a finding.
    pub sensors: SensorSettings,
    /// When what one source does to several assets, or along a chain of rules, becomes a finding.
    pub campaign: CampaignSettings,
    /// What bounds state and documents.
    pub limits: Limits,
}

/// How long the first revision of an incomplete alert waits, by its current attribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settle {
    /// Audited, but not all three kinds are there yet. Default 10 s.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub audited: Duration,
    /// Inferred or ambiguous. Default 20 s.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub attributed: Duration,
    /// No candidate source yet. Default 60 s.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub none: Duration,
}

/// When a sensor of a listed asset counts as blind: others log accesses to the asset, and it never does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SensorSettings {
    /// Whether sensors are judged. Default true.
    pub enabled: bool,
    /// How many accesses another sensor must have logged within one horizon. Default 5.
    pub min_accesses: u32,
    /// How far apart the first and the last of them must have arrived; not shorter than `allowed_lateness`, or what is
    /// merely late is taken for missing. Default 30 min, or half of what the horizon allows if that is shorter.
    #[serde(serialize_with = "write_min_span", deserialize_with = "read_set")]
    #[schemars(with = "String")]
    pub min_span: Option<Duration>,
}

impl SensorSettings {
    const DEFAULT_MIN_SPAN: Duration = Duration::from_secs(30 * 60);

    /// The span that is set, or the default, which a short horizon may bound.
    pub fn min_span(&self) -> Duration {
        self.min_span.unwrap_or(Self::DEFAULT_MIN_SPAN)
    }
}

/// A setting that may be left out but not be nothing.
fn read_set<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    friendly::deserialize(deserializer).map(Some)
}

// What is left out is shown, and enters the policy's id, as the default that it means.

fn write_min_span<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    friendly::serialize(&span.unwrap_or(SensorSettings::DEFAULT_MIN_SPAN), serializer)
}

/// Bounds on state, per observations partition, and on documents. A flood may cost precision, never memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Session evidence of one asset in state; beyond it the oldest is dropped. Default 2,048.
    pub session_evidence_per_asset: usize,
    /// Session evidence of one asset from one address in state; beyond it the oldest of that address is dropped.
    /// Default 256.
    pub session_evidence_per_source: usize,
    /// Session evidence of one partition in state; beyond it the oldest is dropped. Default 65,536.
    pub session_evidence_per_partition: usize,
    /// Accesses to one asset within the horizon that are kept whole; of more their alert keeps a summary. One source may
    /// take a quarter of it by one rule, those that name no source a half, and all rules below the highest risk a half.
    /// Default 8,192.
    pub accesses_per_asset: usize,
    /// Accesses of one partition within the horizon that are kept whole; of more their alert keeps a summary. All rules
    /// below the highest risk may take a half. Default 32,768.
    pub accesses_per_partition: usize,
    /// Alerts about one asset that accesses may open or add to within one bucket of arrival; further accesses are counted
    /// by an `overflow` alert. Default 256.
    pub alerts_per_asset: usize,
    /// The same, of one partition. Default 8,192.
    pub alerts_per_partition: usize,
    /// Sources of one rule and asset in a bucket and the one before it beyond which they are an alert of their own.
    /// Default 64.
    pub many_sources: usize,
    /// Events remembered by one partition to recognise copies; beyond it the least recent is forgotten.
    /// Default 262,144.
    pub seen_events_per_partition: usize,
    /// Evidence entries in one document. Default 64.
    pub evidence: usize,
    /// Entries of every other list in one document (accounts, candidates, hosts, ..). Default 64.
    pub list_entries: usize,
}

impl Default for JoinSettings {
    fn default() -> Self {
        Self {
            attribution_window: Duration::from_secs(10),
            tuple_window: Duration::from_secs(15 * 60),
            pair_window: Duration::from_secs(2),
            group_by: Duration::from_secs(10 * 60),
            settle: Settle::default(),
            revise_after: Duration::from_secs(60),
            revise_at_most_every: Duration::from_secs(2),
            allowed_lateness: Duration::from_secs(30 * 60),
            clock_skew: Duration::from_secs(5 * 60),
            session_evidence: SessionEvidence::default(),
            sensors: SensorSettings::default(),
            campaign: CampaignSettings::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Settle {
    fn default() -> Self {
        Self {
            audited: Duration::from_secs(10),
            attributed: Duration::from_secs(20),
            none: Duration::from_secs(60),
        }
    }
}

impl Default for SensorSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            min_accesses: 5,
            min_span: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            session_evidence_per_asset: 2_048,
            session_evidence_per_source: 256,
            session_evidence_per_partition: 65_536,
            accesses_per_asset: 8_192,
            accesses_per_partition: 32_768,
            alerts_per_asset: 256,
            alerts_per_partition: 8_192,
            many_sources: 64,
            seen_events_per_partition: 262_144,
            evidence: 64,
            list_entries: 64,
        }
    }
}

impl JoinSettings {
    /// The greatest difference in arrival at which two observations still join.
    pub fn join_span(&self) -> Duration {
        self.allowed_lateness + self.tuple_window + self.clock_skew
    }

    /// How long every observation stays in state after its first copy arrived, used or not.
    pub fn horizon(&self) -> Duration {
        self.join_span() + self.group_by + self.tuple_window + self.allowed_lateness + self.clock_skew * 2
    }

    /// How much of the log a state is rebuilt from: a horizon for what is in state, one and a slot of it for what decides whether a
    /// bound leaves room for it, and one for what decides which copy was the first.
    pub fn rewind(&self) -> Duration {
        self.horizon() * 3 + self.admission_slot()
    }

    /// How coarsely arrivals are counted for the bounds on accesses.
    pub(in crate::detection) fn admission_slot(&self) -> Duration {
        self.horizon() / 64
    }

    /// Whether an event of this time that arrives at this moment is neither too late nor too far ahead.
    pub fn is_timely(&self, time: EventTime, arrival: AppendTime) -> bool {
        let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        (-micros(self.clock_skew)..=micros(self.allowed_lateness)).contains(&time.lateness_at(arrival))
    }

    /// Whether an event of this time arrives before any sound clock could show that time.
    pub fn is_ahead(&self, time: EventTime, arrival: AppendTime) -> bool {
        let skew = i64::try_from(self.clock_skew.as_micros()).unwrap_or(i64::MAX);
        time.lateness_at(arrival) < -skew
    }

    /// How long after the end of its bucket an alert stays open.
    pub fn closing_delay(&self) -> Duration {
        self.tuple_window + self.allowed_lateness + self.clock_skew
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_derived_spans_of_the_defaults_are_those_of_the_design() {
        let settings = JoinSettings::default();
        assert_eq!(settings.join_span(), Duration::from_secs(50 * 60));
        assert_eq!(settings.horizon(), Duration::from_secs(115 * 60));
        assert_eq!(settings.campaign_horizon(), Duration::from_secs(36 * 3_600));
        assert_eq!(
            settings.campaign_rewind(),
            Duration::from_secs(72 * 3_600 + 40 * 60)
        );
    }

    #[test]
    fn durations_are_read_and_written_as_people_write_them() {
        let settings: JoinSettings =
            serde_json::from_str(r#"{"tuple_window": "1h 30m", "settle": {"none": "90s"}}"#).unwrap();
        assert_eq!(settings.tuple_window, Duration::from_secs(5400));
        assert_eq!(settings.settle.none, Duration::from_secs(90));
        assert_eq!(
            serde_json::to_value(&settings).unwrap()["attribution_window"],
            "10s"
        );
    }
}
