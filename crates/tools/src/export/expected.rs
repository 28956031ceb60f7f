//! Where the inventory expects accounts, as addresses: no other system has its roles and names.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use pipewarden_core::detection::Rule;
use pipewarden_core::inventory::{Inventory, Place};

/// Where an account is expected from, by its name without domain in lower case.
pub(super) type Expected = BTreeMap<String, BTreeSet<IpNet>>;

/// Nobody can list them, and an account used over one may be used by its own host.
const LINK_LOCAL: &str = "fe80::/10";

/// The accounts that a rule watches, each with all addresses from which any account of its name is expected.
pub(super) fn expected(rule: &Rule, inventory: &Inventory) -> Expected {
    let Some(watched) = rule.accounts else {
        return Expected::new();
    };
    let names = inventory.account_names(&BTreeSet::from([watched.purpose]));
    let link_local: IpNet = LINK_LOCAL.parse().expect("it is a network");
    let mut all: Expected = names
        .into_iter()
        .map(|name| (name, BTreeSet::from([link_local])))
        .collect();
    for account in inventory.accounts() {
        let name = account.name.rsplit('\\').next().unwrap_or(&account.name);
        if let Some(networks) = all.get_mut(&name.to_lowercase()) {
            let places = account.expected_from.iter();
            networks.extend(places.flat_map(|place| networks_of(place, inventory)));
        }
    }
    all
}

fn networks_of(place: &Place, inventory: &Inventory) -> Vec<IpNet> {
    let assets = inventory.assets().iter();
    let addresses = |is_meant: &dyn Fn(&pipewarden_core::inventory::Asset) -> bool| {
        let meant = assets.filter(|asset| is_meant(asset));
        let all = meant.flat_map(|asset| asset.addresses.iter().copied().map(IpNet::from));
        all.collect()
    };
    match place {
        Place::Network(network) => vec![network.trunc()],
        Place::Asset(id) => addresses(&|asset| asset.id == *id),
        Place::Role(role) => addresses(&|asset| asset.roles.contains(role)),
    }
}
