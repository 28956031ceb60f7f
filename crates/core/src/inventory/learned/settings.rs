//! Bounds of what is learned, and how often it is shared.

use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as friendly;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `identities`: which computer has which address, as the stream teaches it. The same for all processes of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IdentitySettings {
    /// How long a binding is kept that nothing confirms any more, by the clock of the processes. Default 720 h.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub max_age: Duration,
    /// How far the first or the last time at which a binding was seen must have moved before the other processes are
    /// told again. Default 1 h.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub publish_after: Duration,
    /// Bindings in the table; beyond it those of the address whose computers were seen longest ago go. Default 131072.
    pub bindings: usize,
    /// Computers of one address; beyond it the one seen longest ago goes. Default 8.
    pub bindings_per_address: usize,
}

impl Default for IdentitySettings {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(30 * 86_400),
            publish_after: Duration::from_secs(3_600),
            bindings: 131_072,
            bindings_per_address: 8,
        }
    }
}
