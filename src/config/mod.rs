//! Settings: defaults, then the file, then the environment. A layer holds only what differs.

mod files;
mod layers;
mod log_level;
mod policy;
mod policy_id;
mod renamed;
mod secrets;
mod validate;
mod watch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use files::{inventory as read_inventory, rules as read_rules, tested_rules};
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as friendly;
pub use layers::ConfigError;
pub(crate) use log_level::filter as log_filter;
pub use pipewarden_kafka::{Kafka, Topics};
pub use policy::PolicyError;
pub use policy_id::policy_id;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
pub use watch::Watch;

use crate::alert::{self, AlertFormat};
use crate::detection::{DEFAULT_RULES, JoinSettings};
use crate::inventory::{BindingSettings, UnlistedHosts};

/// Everything that can be set. Every section and every key is optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The brokers and the topics.
    pub kafka: Kafka,
    /// The half that decodes and resolves.
    pub router: Router,
    /// The half that joins.
    pub correlator: Correlator,
    /// Windows, waits and bounds of the join.
    pub detection: JoinSettings,
    /// How alerts are written.
    pub alerts: Alerts,
    /// The protected hosts.
    pub inventory: InventorySource,
    /// Bindings of addresses and computers that the stream shows.
    pub bindings: BindingSettings,
    /// The rules.
    pub rules: RuleSource,
    /// Accesses that are known and accepted.
    pub exceptions: ExceptionSource,
    /// Taking up changed files while the service runs.
    pub reload: Reload,
    /// Health and metrics.
    pub http: Http,
    /// The service's own log.
    pub log: Log,
}

/// `router`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Router {
    /// Whether this process routes. Default true.
    pub enabled: bool,
    /// Worker threads. Default 1.
    pub threads: usize,
    /// How often input offsets are committed, after a flush. Default 1 s.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub commit_interval: Duration,
}

/// `correlator`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Correlator {
    /// Whether this process correlates. Default true.
    pub enabled: bool,
    /// Worker threads. Default 1.
    pub threads: usize,
    /// This process's name among its replicas: stable across restarts and unique, as a StatefulSet's pod name is.
    /// Default: the host's name.
    pub instance: Option<String>,
    /// How long a transaction gathers records at most; alerts are written at once when nothing more comes. Default 100 ms.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub commit_interval: Duration,
}

/// `alerts`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// `ecs` on `kafka.topics.alerts`, `ocsf` on `kafka.topics.alerts_ocsf`, or `both`, each on its own topic. Default
    /// `ecs`.
    pub format: AlertFormat,
    /// The most bytes that a document takes, in either format, as it is encoded. A larger one is cut, longest texts and lists
    /// first, and counts in `pipewarden.omitted` what is left out. Default 262144, which is 256 KiB.
    pub max_bytes: usize,
}

/// `inventory`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InventorySource {
    /// The inventory file. Without one, every host is watched, and rules with `roles` or about accounts find nothing.
    pub file: Option<PathBuf>,
    /// What to do with hosts that it does not list. Default `ignore` with an inventory, `watch` without.
    pub unlisted_hosts: Option<UnlistedHosts>,
}

/// `rules`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RuleSource {
    /// A folder of rule files, in place of the built-in rules.
    pub directory: Option<PathBuf>,
    /// The rules that are on: ids, `default` for those that say so themselves, `all` for every one. Default
    /// `[default]`.
    pub enabled: Vec<String>,
}

/// `exceptions`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExceptionSource {
    /// A file of exceptions. Default: none.
    pub file: Option<PathBuf>,
    /// Whether the systems of one site among themselves are downgraded. Default true.
    pub builtin: bool,
}

/// `reload`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Reload {
    /// How often rules, inventory and exceptions are checked for changes; `0s` never. Default 10 s.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub interval: Duration,
}

/// `http`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Where `/metrics`, `/healthz`, `/readyz` and `/status` listen. Default `127.0.0.1:9464`; in a container, `0.0.0.0:9464`.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// A PEM file with the certificate of the endpoints and those between it and its authority: they speak TLS. Read again
    /// as it changes. Default: none.
    pub certificate_file: Option<PathBuf>,
    /// A PEM file with the certificate's key.
    pub key_file: Option<PathBuf>,
    /// A file with the token of at least 16 characters that `/metrics` and `/status` ask for. Without one `/status` is off
    /// where `listen` is not a loopback address. Default: none.
    pub token_file: Option<PathBuf>,
}

/// `log`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// One JSON object a line, or lines for people. Default: by whether stderr is a terminal.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace` or `off`, or a filter by module as tracing takes it:
    /// `info,pipewarden_kafka=debug`. Default `info`.
    pub level: String,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// The JSON Schema of the settings file.
pub fn json_schema() -> Schema {
    schemars::schema_for!(Settings)
}

impl Default for Router {
    fn default() -> Self {
        Self {
            enabled: true,
            threads: 1,
            commit_interval: Duration::from_secs(1),
        }
    }
}

impl Default for Correlator {
    fn default() -> Self {
        Self {
            enabled: true,
            threads: 1,
            instance: None,
            commit_interval: Duration::from_millis(100),
        }
    }
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            format: AlertFormat::default(),
            max_bytes: alert::DEFAULT_MAX_BYTES,
        }
    }
}

impl Default for RuleSource {
    fn default() -> Self {
        Self {
            directory: None,
            enabled: vec![DEFAULT_RULES.to_owned()],
        }
    }
}

impl Default for ExceptionSource {
    fn default() -> Self {
        Self {
            file: None,
            builtin: true,
        }
    }
}

impl Default for Reload {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9464)),
            certificate_file: None,
            key_file: None,
            token_file: None,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Auto,
            level: "info".to_owned(),
        }
    }
}
