//! Of which hosts Windows' own logs of sessions are kept.

use std::collections::HashSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{AccountNames, Detail, Log, ReadOf, SessionEvents};
use crate::inventory::{Inventory, Role};

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

    /// Of which computers it has to be read: not of those that the inventory shows to be left out.
    fn read_of(self, inventory: &Inventory) -> ReadOf {
        if self == Self::Nowhere {
            return ReadOf::Nobody;
        }
        let mut left_out = HashSet::new();
        for asset in inventory.assets().iter().filter(|asset| !self.of(&asset.roles)) {
            for name in asset
                .aliases
                .iter()
                .map(String::as_str)
                .chain([asset.id.as_str()])
            {
                left_out.insert(name.to_owned());
                // The first label, unless another asset has it as well.
                let label = name.split('.').next().unwrap_or(name);
                if inventory
                    .by_short_name(label)
                    .is_some_and(|owner| owner.id == asset.id)
                {
                    left_out.insert(label.to_owned());
                }
            }
        }
        ReadOf::AllBut(Arc::new(left_out))
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

    /// What has to be read of hosts with this inventory.
    pub fn events(&self, inventory: &Inventory) -> SessionEvents {
        SessionEvents {
            logons: self.logons.read_of(inventory),
            share_sessions: self.share_sessions.read_of(inventory),
            permitted_connections: self.permitted_connections != Keep::Nowhere,
            watched_accounts: AccountNames::default(),
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
    fn what_is_kept_nowhere_is_not_read_and_domain_controllers_are_known_by_every_name() {
        let inventory = Inventory::parse(
            "assets:\n  - {name: dc1.aperture.local, aliases: [pdc.aperture.local], roles: [domain-controller]}\n  \
             - {name: dc1.other.local, roles: [tier0]}\n",
            "test",
        );
        let settings: SessionEvidence = serde_json::from_str(r#"{"share_sessions": "nowhere"}"#).unwrap();
        let events = settings.events(&inventory.unwrap());
        assert_eq!(events.share_sessions, ReadOf::Nobody);
        assert!(events.permitted_connections);
        // `dc1` may be the other one.
        let expected = ["dc1.aperture.local", "pdc.aperture.local", "pdc"].map(str::to_owned);
        assert_eq!(events.logons, ReadOf::AllBut(Arc::new(expected.into())));
    }
}
