//! Accounts whose use from elsewhere tells something: what each is for, and where it is expected from.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Asset, Domains, Inventory, Role};
use crate::event::{Account, AssetId};

macro_rules! purposes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        /// What an account is for.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        pub enum Purpose { $($(#[$doc])* #[serde(rename = $word)] $variant),+ }

        impl Purpose {
            /// Every purpose that an inventory may name.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word used in files and documents.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

purposes! {
    /// The account of a computer. That of each asset is known without an entry.
    Machine = "machine",
    /// Installs the client of Configuration Manager on hosts.
    ClientPush = "client-push",
    /// Clients of Configuration Manager reach content with it that they may not reach by themselves.
    NetworkAccess = "network-access",
    /// Joins computers to the domain.
    DomainJoin = "domain-join",
    /// Runs a service.
    Service = "service",
    /// A person administers hosts with it.
    Administration = "administration",
}

/// An account that the inventory lists, or the machine account of an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedAccount {
    /// As written: `DOMAIN\name`, or a name alone, which is one of any domain.
    pub name: String,
    /// Its SID.
    pub sid: Option<String>,
    /// What it is for.
    pub purpose: Purpose,
    /// Where it is used from.
    pub expected_from: Vec<Place>,
}

/// From where an account is expected to be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Place {
    /// From every asset with this role.
    Role(Role),
    /// From this asset.
    Asset(AssetId),
    /// From these addresses.
    Network(IpNet),
}

/// As the file writes it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => write!(f, "role:{role}"),
            Self::Asset(asset) => asset.fmt(f),
            Self::Network(network) if network.prefix_len() == network.max_prefix_len() => {
                network.addr().fmt(f)
            }
            Self::Network(network) => network.fmt(f),
        }
    }
}

/// The accounts of an inventory, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts {
    all: Vec<ListedAccount>,
    /// By name without domain, in lower case.
    by_name: HashMap<String, Vec<usize>>,
}

/// `sAMAccountName` of a computer holds this many characters of its name.
const MACHINE_NAME: usize = 15;

impl Accounts {
    /// Those that the file lists, and those of the assets whose addresses it lists: of others nobody can tell where they are.
    pub(super) fn of(listed: Vec<ListedAccount>, assets: &[Asset], domains: &Domains) -> Self {
        let machines = assets.iter().filter(|asset| !asset.addresses.is_empty());
        let machines = machines.map(|asset| ListedAccount {
            name: machine_account(asset, domains),
            sid: None,
            purpose: Purpose::Machine,
            expected_from: vec![Place::Asset(asset.id.clone())],
        });
        let all: Vec<ListedAccount> = listed.into_iter().chain(machines).collect();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, account) in all.iter().enumerate() {
            by_name.entry(account.bare_name()).or_default().push(index);
        }
        Self { all, by_name }
    }
}

/// As Windows writes the account of a host: `ATLAS$`, before it the domain where that is known.
fn machine_account(asset: &Asset, domains: &Domains) -> String {
    let label = asset.id.as_str().split('.').next().unwrap_or_default();
    let name: String = label.chars().take(MACHINE_NAME).collect();
    let name = format!("{}$", name.to_uppercase());
    match domains.of_asset(asset) {
        Some(domain) => format!("{}\\{name}", domain.to_uppercase()),
        None => name,
    }
}

impl ListedAccount {
    /// Its name without domain, in lower case.
    fn bare_name(&self) -> String {
        let name = self.name.split_once('\\').map_or(&*self.name, |(_, name)| name);
        name.to_lowercase()
    }

    /// Whether it is an account that bears its name: by their SIDs where both have one that lasts, else by their domains, where an
    /// unknown one may be any.
    fn is(&self, account: &Account, domains: &Domains) -> bool {
        if let (Some(own), Some(sid)) = (&self.sid, account.lasting_sid()) {
            return own.eq_ignore_ascii_case(sid);
        }
        let own = self.name.split_once('\\').map(|(domain, _)| domain);
        match (own, &account.domain) {
            (Some(own), Some(domain)) => domains.netbios(own) == domains.netbios(domain),
            _ => true,
        }
    }
}

impl Inventory {
    /// The accounts that the file lists, then the machine accounts of assets.
    pub fn accounts(&self) -> &[ListedAccount] {
        &self.accounts.all
    }

    /// The names of accounts with one of these purposes, without domains, in lower case.
    pub fn account_names(&self, purposes: &BTreeSet<Purpose>) -> BTreeSet<String> {
        let of_purpose = |account: &&ListedAccount| purposes.contains(&account.purpose);
        let accounts = self.accounts.all.iter().filter(of_purpose);
        accounts.map(ListedAccount::bare_name).collect()
    }

    /// The purposes of an account, written `DOMAIN\\name` or bare; none of one that is not listed.
    pub fn purposes_of(&self, account: &str) -> BTreeSet<Purpose> {
        let (domain, name) = match account.split_once('\\') {
            Some((domain, name)) => (Some(domain), name),
            None => (None, account),
        };
        let account = Account {
            name: name.into(),
            domain: domain.map(Into::into),
            sid: None,
            logon_id: None,
        };
        let entries = self.entries_of(&account);
        entries.into_iter().map(|entry| entry.purpose).collect()
    }

    /// The entries that list an account.
    fn entries_of(&self, account: &Account) -> Vec<&ListedAccount> {
        let named = self.accounts.by_name.get(&account.name.to_lowercase());
        let entries = named
            .into_iter()
            .flatten()
            .map(|&index| &self.accounts.all[index]);
        entries.filter(|entry| entry.is(account, &self.domains)).collect()
    }

    /// The purposes of an account that is used on `asset` from an address which none of its entries expects; none where one
    /// does, and none of an account that is not listed.
    pub fn used_elsewhere(&self, account: &Account, source: IpAddr, asset: &AssetId) -> BTreeSet<Purpose> {
        let entries = self.entries_of(account);
        let mut places = entries.iter().flat_map(|entry| &entry.expected_from);
        if places.any(|place| self.is_at(place, source, asset)) {
            return BTreeSet::new();
        }
        entries.into_iter().map(|entry| entry.purpose).collect()
    }

    /// Whether an address is that of a place. A link-local one is listed nowhere: used on an asset, it may be its own.
    pub(crate) fn is_at(&self, place: &Place, source: IpAddr, asset: &AssetId) -> bool {
        let is_link_local = matches!(source, IpAddr::V6(ip) if ip.is_unicast_link_local());
        match place {
            Place::Role(role) => (self.by_address(source)).is_some_and(|owner| owner.roles.contains(role)),
            Place::Asset(id) => {
                let is_own = self.by_address(source).is_some_and(|owner| owner.id == *id);
                is_own || is_link_local && id == asset
            }
            Place::Network(network) => network.contains(&source.to_canonical()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVENTORY: &str = r"
assets:
  - {name: atlas.aperture.local, addresses: [10.1.0.50, 'fd00::50'], roles: [primary-site-server]}
  - {name: distributionpoint.aperture.local, addresses: [10.1.1.51], roles: [distribution-point]}
  - {name: unknown.aperture.local, roles: [tier0]}
accounts:
  - {name: APERTURE\svc-push, purpose: client-push, expected_from: ['role:primary-site-server', 10.9.0.0/24]}
  - {name: svc-old, sid: S-1-5-21-1-2-3-1105, purpose: service, expected_from: [distributionpoint]}
  - {name: APERTURE\ATLAS$, purpose: machine, expected_from: [10.1.0.60]}
";

    fn used(account: &str, sid: Option<&str>, source: &str, asset: &str) -> Vec<&'static str> {
        let (domain, name) = account.split_once('\\').unwrap();
        let account = Account {
            name: name.into(),
            domain: Some(domain.into()),
            sid: sid.map(Into::into),
            logon_id: None,
        };
        let inventory = Inventory::parse(INVENTORY, "test").unwrap();
        let found = inventory.used_elsewhere(&account, source.parse().unwrap(), &AssetId::new(asset));
        found.into_iter().map(Purpose::as_str).collect()
    }

    #[test]
    fn an_account_is_elsewhere_where_none_of_its_entries_expects_it() {
        let dp = "distributionpoint.aperture.local";
        for (account, source, expected) in [
            (r"APERTURE\svc-push", "10.1.0.50", vec![]),
            (r"aperture.local\SVC-Push", "fd00::50", vec![]),
            (r"APERTURE\svc-push", "10.9.0.7", vec![]),
            (r"APERTURE\svc-push", "10.1.0.101", vec!["client-push"]),
            (r"APERTURE\svc-push", "10.1.1.51", vec!["client-push"]),
            (r"BLACKMESA\svc-push", "10.1.0.101", vec![]),
            (r"APERTURE\alice", "10.1.0.101", vec![]),
        ] {
            assert_eq!(used(account, None, source, dp), expected, "{account} {source}");
        }
    }

    #[test]
    fn the_machine_account_of_an_asset_is_expected_from_it_and_from_what_its_entry_adds() {
        let dp = "distributionpoint.aperture.local";
        for (account, source, expected) in [
            (r"APERTURE\ATLAS$", "10.1.0.50", vec![]),
            (r"APERTURE\ATLAS$", "10.1.0.60", vec![]),
            (r"APERTURE\ATLAS$", "10.1.1.51", vec!["machine"]),
            // The name of the account has fifteen letters of the host's.
            (r"APERTURE\DISTRIBUTIONPOI$", "10.1.0.101", vec!["machine"]),
            (r"APERTURE\DISTRIBUTIONPOI$", "10.1.1.51", vec![]),
            // Nobody knows where it is.
            (r"APERTURE\UNKNOWN$", "10.1.0.101", vec![]),
            (r"APERTURE\ATLAS$", "fe80::1", vec!["machine"]),
        ] {
            assert_eq!(used(account, None, source, dp), expected, "{account} {source}");
        }
        let itself = used(r"APERTURE\ATLAS$", None, "fe80::1", "atlas.aperture.local");
        assert_eq!(itself, Vec::<&str>::new());
    }

    #[test]
    fn a_sid_tells_two_accounts_of_one_name_apart_and_one_of_every_machine_does_not() {
        for (sid, expected) in [
            (Some("S-1-5-21-1-2-3-1105"), vec!["service"]),
            (Some("S-1-5-21-1-2-3-9999"), vec![]),
            (Some("S-1-5-18"), vec!["service"]),
            (None, vec!["service"]),
        ] {
            assert_eq!(used(r"ANY\svc-old", sid, "10.1.0.101", "x"), expected, "{sid:?}");
        }
        assert_eq!(used(r"ANY\svc-old", None, "10.1.1.51", "x"), Vec::<&str>::new());
    }
}
