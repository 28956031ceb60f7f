//! Settings of the service. The caller reads them.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as friendly;
use pipewarden_core::alert::AlertFormat;
use pipewarden_core::inventory::BindingSettings;
use pipewarden_engine::Topic;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `kafka`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Kafka {
    /// Bootstrap servers, separated by commas. Default `localhost:9092`.
    pub brokers: String,
    /// Prefix of consumer groups, client ids and transactional ids. Default `pipewarden`.
    pub application_id: String,
    /// Whether a process that restarts within `session.timeout.ms` gets its partitions back without a rebalance, as the
    /// group's static member `correlator.instance`. Its partitions wait for it meanwhile. Not with `group.protocol: consumer`,
    /// where a process that was killed is refused until the broker has given it up. Default false.
    pub static_membership: bool,
    /// The most that one batch of gzip may inflate to. One that is larger is skipped, counted as lost and
    /// published to the dead-letter topic. Default 134217728, which is 128 MiB.
    pub max_inflated_batch_bytes: u64,
    /// The topics.
    pub topics: Topics,
    /// Any other librdkafka property, passed through: `security.protocol`, `sasl.mechanisms`, ..
    pub client: BTreeMap<String, String>,
}

/// `kafka.topics`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Topics {
    /// Where Winlogbeat publishes: names of topics, and patterns that begin with `^`, as `^winlogbeat-.*`. Of several, those
    /// that exist are read, and new ones within half a minute. Default `[winlogbeat]`.
    pub input: Vec<String>,
    /// Where observations go. Default `pipewarden.observations`.
    pub observations: String,
    /// Where goes what alerts say of their sources, from which campaigns are found. Default `pipewarden.sightings`.
    pub sightings: String,
    /// Where alerts go in ECS. Default `pipewarden.alerts`.
    pub alerts: String,
    /// Where they go in OCSF: the same keys, but never the same topic, where one format would overwrite the other.
    /// Default `pipewarden.alerts.ocsf`.
    pub alerts_ocsf: String,
    /// Where alerts go that an exception suppresses, and those about what a host does itself. Default
    /// `pipewarden.suppressed`.
    pub suppressed: String,
    /// Where undecodable messages go. Default `pipewarden.dead-letters`.
    pub dead_letters: String,
    /// Where routers publish which computer has which address, for each other. Default `pipewarden.bindings`.
    pub bindings: String,
    /// Partitions of the observations topic, fixed for its life. Default 12.
    pub partitions: NonZeroU16,
    /// Partitions of the sightings topic, fixed for its life. Default 3.
    pub sightings_partitions: NonZeroU16,
    /// Replicas of every topic that `topics create` creates. Default 3; 1 suits a single broker.
    pub replication_factor: NonZeroU16,
    /// How long an outage may last without losing state: the observations topic keeps three horizons and a 64th plus this, the sightings
    /// topic two of its own. Default 24 h.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub longest_outage: Duration,
}

/// Everything that a [`Service`](super::Service) is given at its start.
#[derive(Clone, Debug)]
pub struct ServiceSettings {
    /// The brokers and the topics.
    pub kafka: Kafka,
    /// The router workers.
    pub router: RouterSettings,
    /// The correlator workers.
    pub correlator: CorrelatorSettings,
    /// Bounds of the bindings that routers hold, and when they publish them.
    pub bindings: BindingSettings,
    /// In which formats alerts are written, each on its own topic.
    pub alert_format: AlertFormat,
    /// The most bytes that an alert's document takes.
    pub alert_max_bytes: usize,
    /// How many explanations are reported of the alerts of one transaction, at most.
    pub explanations: usize,
}

/// The router workers.
#[derive(Clone, Debug)]
pub struct RouterSettings {
    /// Whether there are any.
    pub enabled: bool,
    /// How many.
    pub threads: usize,
    /// How often input offsets are committed, after a flush.
    pub commit_interval: Duration,
}

/// The correlator workers.
#[derive(Clone, Debug)]
pub struct CorrelatorSettings {
    /// Whether there are any.
    pub enabled: bool,
    /// How many.
    pub threads: usize,
    /// How long a transaction gathers records at most.
    pub commit_interval: Duration,
    /// This process's name among its replicas, stable across restarts and unique: part of its transactional ids.
    pub instance: String,
}

impl Kafka {
    /// The consumer group of router workers.
    pub(super) fn router_group(&self) -> String {
        format!("{}-router", self.application_id)
    }

    /// Whether the brokers assign partitions and say when a member is gone (KIP-848). librdkafka refuses its own properties for
    /// both then.
    pub(super) fn brokers_assign(&self) -> bool {
        let protocol = self.client.get("group.protocol");
        protocol.is_some_and(|protocol| protocol.eq_ignore_ascii_case("consumer"))
    }

    /// The consumer group of correlator workers.
    pub(super) fn correlator_group(&self) -> String {
        format!("{}-correlator", self.application_id)
    }
}

impl ServiceSettings {
    /// How many partitions a topic of state has, as checked at start.
    pub(super) fn partitions_of(&self, topic: Topic) -> u32 {
        let topics = &self.kafka.topics;
        u32::from(match topic {
            Topic::Observations => topics.partitions.get(),
            Topic::Sightings => topics.sightings_partitions.get(),
        })
    }

    /// The topics that alerts are written to.
    pub(super) fn alert_topics(&self) -> impl Iterator<Item = &String> {
        self.kafka.topics.of_alerts(self.alert_format)
    }
}

impl Topics {
    /// The name of a topic of state.
    pub(super) fn of_state(&self, topic: Topic) -> &String {
        match topic {
            Topic::Observations => &self.observations,
            Topic::Sightings => &self.sightings,
        }
    }

    /// The topic of state that has this name.
    pub(super) fn state_of(&self, name: &str) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| self.of_state(*topic) == name)
    }

    /// Where alerts go that are written so.
    pub(super) fn of_alerts(&self, format: AlertFormat) -> impl Iterator<Item = &String> {
        let ecs = format.has_ecs().then_some(&self.alerts);
        let ocsf = format.has_ocsf().then_some(&self.alerts_ocsf);
        ecs.into_iter().chain(ocsf)
    }
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            brokers: "localhost:9092".to_owned(),
            application_id: "pipewarden".to_owned(),
            static_membership: false,
            max_inflated_batch_bytes: 128 << 20,
            topics: Topics::default(),
            client: BTreeMap::new(),
        }
    }
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            input: vec!["winlogbeat".to_owned()],
            observations: "pipewarden.observations".to_owned(),
            sightings: "pipewarden.sightings".to_owned(),
            alerts: "pipewarden.alerts".to_owned(),
            alerts_ocsf: "pipewarden.alerts.ocsf".to_owned(),
            suppressed: "pipewarden.suppressed".to_owned(),
            dead_letters: "pipewarden.dead-letters".to_owned(),
            bindings: "pipewarden.bindings".to_owned(),
            partitions: const { NonZeroU16::new(12).unwrap() },
            sightings_partitions: const { NonZeroU16::new(3).unwrap() },
            replication_factor: const { NonZeroU16::new(3).unwrap() },
            longest_outage: Duration::from_secs(24 * 60 * 60),
        }
    }
}
