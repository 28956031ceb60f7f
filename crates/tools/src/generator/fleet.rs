//! The hosts that log: those to protect, file servers, workstations.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use pipewarden_core::inventory::Inventory;

/// File servers, which take most of what is benign.
const SERVERS: u16 = 40;

/// Event collectors, which publish what others log.
const COLLECTORS: u16 = 3;

/// Hosts and their addresses. Roles in this order: assets, file servers, workstations.
#[derive(Clone, Debug)]
pub struct Fleet {
    pub(super) hosts: Vec<Host>,
    pub(super) collectors: Vec<String>,
    assets: usize,
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
        Self::with(assets.collect(), workstations)
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
        Self::with(assets.collect(), workstations)
    }

    fn with(assets: Vec<(String, IpAddr)>, workstations: u16) -> Self {
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
        }
    }

    /// The inventory that lists the hosts to protect, as YAML.
    pub fn inventory(&self) -> String {
        self.hosts[..self.assets]
            .iter()
            .fold("assets:\n".to_owned(), |mut text, host| {
                let _ = writeln!(
                    text,
                    "  - name: {}\n    addresses: ['{}']\n    roles: [tier0]",
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
