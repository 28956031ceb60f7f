//! In which words alerts are written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The document format of alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertFormat {
    /// Elastic Common Schema.
    #[default]
    Ecs,
    /// Open Cybersecurity Schema Framework, class Detection Finding.
    Ocsf,
    /// Both, each on a topic of its own.
    Both,
}

impl AlertFormat {
    /// Whether there are ECS documents.
    pub const fn has_ecs(self) -> bool {
        matches!(self, Self::Ecs | Self::Both)
    }

    /// Whether there are OCSF documents.
    pub const fn has_ocsf(self) -> bool {
        matches!(self, Self::Ocsf | Self::Both)
    }

    /// The word used in settings and flags.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::Ocsf => "ocsf",
            Self::Both => "both",
        }
    }
}
