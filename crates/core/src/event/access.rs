//! What a client opens on a host: pipes, and what shares hold.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Account;

/// A named pipe opened by a remote client, as the server saw it: it names no source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PipeConnected {
    /// The pipe, in lower case, without leading backslashes.
    pub pipe: Arc<str>,
    /// The opening process: `System`, `<unknown process>`, or missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Arc<str>>,
    /// Sysmon's own clock, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utc_time: Option<Arc<str>>,
}

/// An audited access to what a share holds: a pipe, through the share `IPC$`, or a file or folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShareAccess {
    /// The share's name, in lower case, where it is another than `IPC$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Arc<str>>,
    /// What was opened in it (`RelativeTargetName`): a pipe or a path, in lower case, without leading backslashes. Empty for the
    /// root of a share.
    pub path: Arc<str>,
    /// The client's address; missing where the event names none that can be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<IpAddr>,
    /// The client's port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    /// The account that was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The rights asked for, as Windows writes them: `0x12019f`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_mask: Option<Arc<str>>,
    /// Granted or denied; missing where the shape does not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

impl ShareAccess {
    /// The pipe, if it is one.
    pub fn pipe(&self) -> Option<&Arc<str>> {
        self.share.is_none().then_some(&self.path)
    }
}

/// What was opened, as it is shown: of a path `share\path`.
impl fmt::Display for ShareAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.share {
            Some(share) if self.path.is_empty() => f.write_str(share),
            Some(share) => write!(f, "{share}\\{}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

/// What Windows decided about an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The access was granted.
    Success,
    /// The access was denied: a probe.
    Failure,
}

impl Outcome {
    /// What is known of two together: success if either is known to have been granted, failure if both are known to have been
    /// denied.
    pub(crate) fn together(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(Self::Success), _) | (_, Some(Self::Success)) => Some(Self::Success),
            (Some(Self::Failure), Some(Self::Failure)) => Some(Self::Failure),
            _ => None,
        }
    }
}
