//! The hosts that log: those to protect, file servers, workstations.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use pipewarden_core::inventory::{Inventory, Role};

/// File servers, which take most of what is benign.
const SERVERS: u16 = 40;

/// One invented host to protect in so many is a domain controller.
const ASSETS_PER_CONTROLLER: usize = 100;

/// Event collectors, which publish what others log.
const COLLECTORS: u16 = 3;

/// Hosts and their addresses. Roles in this order: assets, file servers, workstations.
#[derive(Clone, Debug)]
pub struct Fleet {
    pub(super) hosts: Vec<Host>,
    pub(super) collectors: Vec<String>,
    assets: usize,
    /// Those of the assets that are domain controllers.
    domain_controllers: Vec<usize>,
}

/// One host.
#[derive(Clone, Debug)]
pub(super) struct Host {
    /// Fully qualified.
    pub(super) name: String,
    pub(super) address: IpAddr,
    /// The address as text.
    pub(super) ip: String,
}

impl Host {
    /// Its short name as Windows writes it.
    pub(super) fn short(&self) -> String {
        self.name
            .split('.')
            .next()
            .expect("every text has a first part")
            .to_ascii_uppercase()
    }
}

impl Fleet {
    /// So many hosts to protect, with names and addresses of their own, among so many workstations.
    pub fn invented(assets: u16, workstations: u16) -> Self {
        let assets = (0..assets.max(1)).map(|number| {
            let [high, low] = number.to_be_bytes();
            (
                format!("site{number:04}.aperture.local"),
                IpAddr::from([10, 96, high, low]),
            )
        });
        let assets: Vec<_> = assets.collect();
        let domain_controllers = (0..assets.len().div_ceil(ASSETS_PER_CONTROLLER)).collect();
        Self::with(assets, domain_controllers, workstations)
    }

    /// The hosts that an inventory lists, among so many workstations. A host without an address gets one.
    pub fn of(inventory: &Inventory, workstations: u16) -> Self {
        let assets = (0u16..).zip(inventory.assets()).map(|(number, asset)| {
            let [high, low] = number.to_be_bytes();
            let address = asset.addresses.first().copied();
            (
                asset.id.to_string(),
                address.unwrap_or(IpAddr::from([10, 97, high, low])),
            )
        });
        let roles = (0..).zip(inventory.assets());
        let domain_controllers = roles
            .filter(|(_, asset)| asset.roles.contains(&Role::DomainController))
            .map(|(number, _)| number);
        Self::with(assets.collect(), domain_controllers.collect(), workstations)
    }

    fn with(assets: Vec<(String, IpAddr)>, domain_controllers: Vec<usize>, workstations: u16) -> Self {
        let taken: BTreeSet<IpAddr> = assets.iter().map(|(_, address)| *address).collect();
        let count = assets.len();
        let invented = |range: Range<u16>, prefix: &'static str, network: u8| {
            range.map(move |number| {
                let [high, low] = number.to_be_bytes();
                let address = IpAddr::V4(Ipv4Addr::new(10, network, high, low));
                (format!("{prefix}{number:04}.aperture.local"), address)
            })
        };
        let others =
            invented(1..SERVERS + 1, "fs", 98).chain(invented(1..workstations.max(64) + 1, "ws", 64));
        let hosts = assets
            .into_iter()
            .chain(others.filter(|(_, address)| !taken.contains(address)))
            .map(|(name, address)| Host {
                ip: address.to_string(),
                name,
                address,
            });
        Self {
            hosts: hosts.collect(),
            collectors: (1..=COLLECTORS)
                .map(|number| format!("wec{number}.aperture.local"))
                .collect(),
            assets: count,
            domain_controllers,
        }
    }

    /// The inventory that lists the hosts to protect, as YAML.
    pub fn inventory(&self) -> String {
        let assets = (0..).zip(&self.hosts[..self.assets]);
        assets.fold("assets:\n".to_owned(), |mut text, (number, host)| {
            let role = if self.domain_controllers.contains(&number) {
                "domain-controller"
            } else {
                "tier0"
            };
            let _ = writeln!(
                text,
                "  - name: {}\n    addresses: ['{}']\n    roles: [{role}]",
                host.name, host.ip
            );
            text
        })
    }

    /// The hosts to protect: name and address.
    pub fn assets_by_name(&self) -> impl Iterator<Item = (&str, &str)> {
        let assets = self.hosts[..self.assets].iter();
        assets.map(|host| (host.name.as_str(), host.ip.as_str()))
    }

    /// Where most logons are.
    pub(super) fn domain_controllers(&self) -> &[usize] {
        &self.domain_controllers
    }

    pub(super) fn assets(&self) -> Range<usize> {
        0..self.assets
    }

    pub(super) fn servers(&self) -> Range<usize> {
        self.assets..self.assets + usize::from(SERVERS)
    }

    pub(super) fn workstations(&self) -> Range<usize> {
        self.assets + usize::from(SERVERS)..self.hosts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inventory_of_a_fleet_lists_its_assets() {
        let fleet = Fleet::invented(300, 70);
        let inventory = Inventory::parse(&fleet.inventory(), "test").unwrap();
        assert_eq!(inventory.assets().len(), 300);
        let again = Fleet::of(&inventory, 70);
        assert_eq!(again.hosts[299].name, fleet.hosts[299].name);
        assert_eq!(again.hosts[299].ip, fleet.hosts[299].ip);
        assert_eq!(fleet.workstations().len(), 70);
    }
}
