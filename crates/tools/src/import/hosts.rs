//! Hosts gathered from many rows, merged by name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use pipewarden_core::inventory::Role;

/// What is known of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) addresses: BTreeSet<IpAddr>,
    pub(super) roles: BTreeSet<Role>,
    /// Its machine account: name and SID. Of several the least.
    pub(super) account: Option<(String, String)>,
}

impl Host {
    fn merge(&mut self, other: Self) {
        self.addresses.extend(other.addresses);
        self.roles.extend(other.roles);
        self.account = [self.account.take(), other.account].into_iter().flatten().min();
    }
}

/// Hosts by name in lower case, as the rows gave it.
#[derive(Debug, Default)]
pub(super) struct Hosts(BTreeMap<String, Host>);

impl Hosts {
    /// Adds the content of a row.
    pub(super) fn add(&mut self, name: String, addresses: Vec<IpAddr>, role: Option<Role>) {
        let host = Host {
            addresses: addresses.into_iter().collect(),
            roles: role.into_iter().collect(),
            account: None,
        };
        self.0.entry(name).or_default().merge(host);
    }

    /// Adds the machine account of a host.
    pub(super) fn add_account(&mut self, name: &str, account: (String, String)) {
        let host = Host {
            account: Some(account),
            ..Host::default()
        };
        self.0.entry(name.to_owned()).or_default().merge(host);
    }

    /// Joins each short name with the full name that begins so, where there is only one, and takes addresses away that
    /// several hosts claim: an inventory must not guess, and rejects them. Reports what was not certain.
    pub(super) fn merge(self) -> (BTreeMap<String, Host>, Vec<String>) {
        let mut notes = Vec::new();
        let (mut hosts, short): (BTreeMap<_, _>, BTreeMap<_, _>) =
            self.0.into_iter().partition(|(name, _)| name.contains('.'));
        let mut by_label: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in hosts.keys() {
            let label = name.split('.').next().unwrap_or(name);
            by_label.entry(label.to_owned()).or_default().push(name.clone());
        }
        for (name, host) in short {
            match by_label.get(&name).map(Vec::as_slice) {
                Some([full]) => {
                    hosts.entry(full.clone()).or_default().merge(host);
                }
                Some(several) => {
                    notes.push(format!(
                        "{name} may be any of {}; it is listed on its own",
                        several.join(", ")
                    ));
                    hosts.insert(name, host);
                }
                None => {
                    hosts.insert(name, host);
                }
            }
        }
        let mut claims: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
        for (name, host) in &hosts {
            for &address in &host.addresses {
                claims.entry(address).or_default().push(name.clone());
            }
        }
        for (address, names) in claims.into_iter().filter(|(_, names)| names.len() > 1) {
            notes.push(format!(
                "{address} is claimed by {}; it is left out",
                names.join(" and ")
            ));
            for host in hosts.values_mut() {
                host.addresses.remove(&address);
            }
        }
        (hosts, notes)
    }
}
