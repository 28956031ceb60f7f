//! Of which hosts Windows' own logs of sessions are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Detail, Log, SessionEvents};
use crate::inventory::Role;

/// Of which hosts each kind of session evidence is kept that the Security log tells of. Sysmon's is kept of every host.
///
/// A host by its role in the inventory: without one every host is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SessionEvidence {
    /// Security 4624, logons over the network. Default `except_domain_controllers`, to which every host logs on all day.
    pub logons: Keep,
    /// Security 5140 on `IPC$`. Default `except_domain_controllers`.
    pub share_sessions: Keep,
    /// Security 5156 to an SMB port, which tells what Sysmon 3 tells. Default `except_domain_controllers`.
    pub permitted_connections: Keep,
}

/// Of which hosts a kind is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// Of every host that is no domain controller by its roles.
    #[default]
    ExceptDomainControllers,
    /// Of every host.
    Everywhere,
    /// Of none.
    Nowhere,
}

impl Keep {
    /// Whether it is kept of a host with these roles.
    pub fn of(self, roles: &[Role]) -> bool {
        match self {
            Self::ExceptDomainControllers => !roles.contains(&Role::DomainController),
            Self::Everywhere => true,
            Self::Nowhere => false,
        }
    }

    fn of_some(self) -> bool {
        self != Self::Nowhere
    }
}

impl SessionEvidence {
    /// Whether an event is kept that is about a host with these roles.
    pub fn keeps(&self, detail: &Detail, roles: &[Role]) -> bool {
        let keep = match detail {
            Detail::NetworkConnection(connection) if connection.reported_by == Log::Security => {
                self.permitted_connections
            }
            Detail::Logon(_) => self.logons,
            Detail::ShareSession(_) => self.share_sessions,
            Detail::NetworkConnection(_) | Detail::PipeConnected(_) | Detail::ShareAccess(_) => {
                Keep::Everywhere
            }
        };
        keep.of(roles)
    }

    /// What is kept of some host, and has to be read.
    pub fn events(&self) -> SessionEvents {
        SessionEvents {
            logons: self.logons.of_some(),
            share_sessions: self.share_sessions.of_some(),
            permitted_connections: self.permitted_connections.of_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_controllers_are_left_out_by_default_and_an_unlisted_host_is_none() {
        let dc = [Role::DomainController, Role::Tier0];
        for (keep, expected) in [
            (Keep::default(), [true, true, false]),
            (Keep::Everywhere, [true; 3]),
            (Keep::Nowhere, [false; 3]),
        ] {
            assert_eq!(
                [&[][..], &[Role::Tier0], &dc].map(|roles| keep.of(roles)),
                expected
            );
        }
    }

    #[test]
    fn what_is_kept_nowhere_need_not_be_read() {
        let settings: SessionEvidence = serde_json::from_str(r#"{"logons": "nowhere"}"#).unwrap();
        let events = settings.events();
        assert!(!events.logons && events.share_sessions && events.permitted_connections);
    }
}
