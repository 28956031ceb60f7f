//! Bounds of the bindings, and how often they are shared.

use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as friendly;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `bindings`: which computer has which address, as the stream shows it. The same for all processes of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BindingSettings {
    /// How long a binding is kept that nothing confirms any more, by the clock of the processes. Default 720 h.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub max_age: Duration,
    /// How far the first or the last time at which a binding was seen must have moved before it is published
    /// once more. Default 1 h.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub publish_after: Duration,
    /// Bindings in the table; beyond it those of the address whose computers were seen longest ago are dropped.
    /// Default 131072.
    pub limit: usize,
    /// Computers of one address; beyond it the one on the weakest word is dropped, of these the one seen longest ago.
    /// Default 8.
    pub limit_per_address: usize,
    /// Addresses of one computer; beyond it the one on the weakest word is dropped, of these the one seen longest ago.
    /// Default 64.
    pub limit_per_computer: usize,
}

impl Default for BindingSettings {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(30 * 86_400),
            publish_after: Duration::from_secs(3_600),
            limit: 131_072,
            limit_per_address: 8,
            limit_per_computer: 64,
        }
    }
}
