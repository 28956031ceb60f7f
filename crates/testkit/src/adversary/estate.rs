//! The hosts of the worlds, and the policies under which they are watched.

use std::sync::{Arc, LazyLock};

use pipewarden_core::alert::AlertFormat;
use pipewarden_core::detection::{Exceptions, JoinSettings, Limits, RuleSet};
use pipewarden_core::inventory::{BindingSettings, Inventory, UnlistedHosts};
use pipewarden_engine::Policy;

use crate::world;

/// A host. Where it is listed, its first address is in the inventory and the others are not.
#[derive(Debug)]
pub struct Host {
    pub name: &'static str,
    /// As others see it.
    pub ip: &'static str,
    pub v6: &'static str,
    /// Another address: of an asset a second network card, of a client the one behind a translator of addresses.
    pub other: &'static str,
    pub link_local: &'static str,
}

macro_rules! host {
    ($name:literal, $ip:literal, $v6:literal, $other:literal, $link_local:literal) => {
        Host {
            name: $name,
            ip: $ip,
            v6: $v6,
            other: $other,
            link_local: $link_local,
        }
    };
}

/// The assets.
pub const ASSETS: [Host; 3] = [
    host!(
        "atlas.aperture.local",
        "10.1.0.50",
        "fd00::50",
        "10.2.0.50",
        "fe80::50"
    ),
    host!(
        "dp1.aperture.local",
        "10.1.0.60",
        "fd00::60",
        "10.2.0.60",
        "fe80::60"
    ),
    host!(
        "db1.aperture.local",
        "10.1.0.70",
        "fd00::70",
        "10.2.0.70",
        "fe80::70"
    ),
];

/// The clients. The last two share an address by which others see them.
pub const CLIENTS: [Host; 6] = [
    host!(
        "sentry1.aperture.local",
        "10.1.0.101",
        "fd00::101",
        "10.1.0.101",
        "fe80::101"
    ),
    host!(
        "sentry2.aperture.local",
        "10.1.0.102",
        "fd00::102",
        "10.1.0.102",
        "fe80::102"
    ),
    host!(
        "sentry3.aperture.local",
        "10.1.0.103",
        "fd00::103",
        "10.1.0.103",
        "fe80::103"
    ),
    host!(
        "scanner.aperture.local",
        "10.1.0.200",
        "fd00::200",
        "10.1.0.200",
        "fe80::200"
    ),
    host!(
        "branch1.aperture.local",
        "10.9.0.1",
        "fd00::104",
        "192.168.7.4",
        "fe80::104"
    ),
    host!(
        "branch2.aperture.local",
        "10.9.0.1",
        "fd00::105",
        "192.168.7.5",
        "fe80::105"
    ),
];

/// The address that an exception suppresses.
pub const SCANNER: &str = "10.1.0.200";
/// The account that an exception suppresses.
pub const MONITOR: &str = "svc-monitor";

const INVENTORY: &str = "
assets:
  - {name: atlas.aperture.local, addresses: [10.1.0.50, 'fd00::50'], roles: [primary-site-server]}
  - {name: dp1.aperture.local, addresses: [10.1.0.60, 'fd00::60'], roles: [distribution-point]}
  - {name: db1.aperture.local, addresses: [10.1.0.70, 'fd00::70'], roles: [site-database]}
";

const EXCEPTIONS: &str = r"
exceptions:
  - {id: scanner, reason: test, owner: test, expires: 2040-01-01, action: suppress,
     broad: true, sources: {addresses: [10.1.0.200/32]}}
  - {id: monitor, reason: test, owner: test, expires: 2040-01-01, action: suppress,
     accounts: ['APERTURE\svc-monitor'], pipes: [winreg, lsass, samr]}
  - {id: known-host, reason: test, owner: test, expires: 2040-01-01, action: suppress,
     sources: {hosts: [sentry3]}, pipes: [winreg, lsass, samr]}
  - {id: any-process, reason: test, owner: test, expires: 2040-01-01, action: suppress,
     processes: ['*'], pipes: [winreg, lsass, samr], attribution: [audited, inferred], times: {between: ['00:00-24:00']}}
";

/// Under what a world is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Regime {
    /// Whether exceptions are in force.
    pub has_exceptions: bool,
    /// Whether bounds are so small that floods reach them.
    pub is_tight: bool,
    /// Whether windows and waits are so short that alerts close and observations expire within the world.
    pub is_short: bool,
    /// Whether there is no inventory, and every host is watched.
    pub watches_all: bool,
    /// Whether it is read whole before anything is resolved, as `replay` does.
    pub is_replayed: bool,
}

/// Documents of one record in both formats; few bytes where bounds are small.
const TIGHT_BYTES: usize = 16 << 10;
const WIDE_BYTES: usize = 4 << 20;

impl Regime {
    /// The policy.
    pub fn policy(self) -> Arc<Policy> {
        static POLICIES: LazyLock<Vec<Arc<Policy>>> = LazyLock::new(|| {
            let regimes = (0_u8..16).map(|bits| Regime {
                has_exceptions: bits & 1 > 0,
                is_tight: bits & 2 > 0,
                is_short: bits & 4 > 0,
                watches_all: bits & 8 > 0,
                is_replayed: false,
            });
            regimes.map(|regime| Arc::new(regime.make())).collect()
        });
        let bits = [
            self.has_exceptions,
            self.is_tight,
            self.is_short,
            self.watches_all,
        ];
        let number = bits
            .iter()
            .rev()
            .fold(0, |number, bit| 2 * number + usize::from(*bit));
        Arc::clone(&POLICIES[number])
    }

    fn make(self) -> Policy {
        let (inventory, unlisted) = if self.watches_all {
            (Inventory::empty(), UnlistedHosts::Watch)
        } else {
            (
                Inventory::parse(INVENTORY, "world").unwrap(),
                UnlistedHosts::Ignore,
            )
        };
        let inventory = Arc::new(inventory);
        let mut join = if self.is_short {
            world::scaled_down(60)
        } else {
            JoinSettings::default()
        };
        if self.is_tight {
            join.limits = tight();
        } else {
            join.limits.evidence = 10_000;
            join.limits.list_entries = 10_000;
        }
        join.sensors.enabled = false;
        join.campaign.enabled = false;
        let rules = RuleSet::new(world::rules()).unwrap();
        let id = format!("{self:?}").replace(|c: char| !c.is_ascii_alphanumeric(), "");
        let policy =
            Policy::new(rules, Arc::clone(&inventory), unlisted, join, id).with_max_bytes(self.max_bytes());
        let policy = if self.is_tight {
            policy.with_format(AlertFormat::Both)
        } else {
            policy
        };
        if self.has_exceptions {
            policy.with_exceptions(Exceptions::builtin(inventory).and(EXCEPTIONS, "world").unwrap())
        } else {
            policy
        }
    }

    /// The most bytes of a document.
    pub const fn max_bytes(self) -> usize {
        if self.is_tight { TIGHT_BYTES } else { WIDE_BYTES }
    }

    /// The bounds of bindings.
    pub fn bindings(self) -> BindingSettings {
        if self.is_tight {
            BindingSettings {
                limit: 40,
                limit_per_address: 4,
                ..BindingSettings::default()
            }
        } else {
            BindingSettings::default()
        }
    }
}

/// Bounds that the floods of the worlds reach.
fn tight() -> Limits {
    Limits {
        session_evidence_per_asset: 24,
        session_evidence_per_source: 12,
        session_evidence_per_partition: 40,
        accesses_per_asset: 32,
        accesses_per_partition: 48,
        alerts_per_asset: 6,
        alerts_per_partition: 12,
        many_sources: 4,
        seen_events_per_partition: 80,
        evidence: 16,
        list_entries: 8,
    }
}
