//! The inventory file: YAML (and so JSON) with one entry per host, and one per account.

mod accounts;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_saphyr::Spanned;

pub use self::accounts::AccountEntry;
pub(crate) use self::accounts::place_named;
use super::accounts::ListedAccount;
use super::{Asset, Role};
use crate::diagnostics::{FileError, Problems, nearest};
use crate::event::AssetId;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Inventory")]
struct File {
    /// The protected hosts.
    assets: Vec<Entry>,
    /// Accounts that rules watch, and where each is used from. The machine account of every asset is among them without an
    /// entry.
    #[serde(default)]
    accounts: Vec<AccountEntry>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
// Public for the schemas of other files that hold such entries.
#[expect(missing_docs, reason = "the schema would show it as a description")]
pub struct Entry {
    /// The canonical name: the full name, or the short one where the domain does not matter.
    #[schemars(with = "String", length(min = 1))]
    name: Spanned<String>,
    /// IPv4 and IPv6 addresses. No two assets share one.
    #[serde(default)]
    #[schemars(with = "Vec<IpAddr>")]
    addresses: Vec<Spanned<String>>,
    /// Other names. No two assets share one.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    aliases: Vec<Spanned<String>>,
    /// What the host is for.
    #[serde(default)]
    #[schemars(with = "Vec<Role>")]
    roles: Vec<Spanned<String>>,
    /// The code of its Configuration Manager site.
    #[serde(default)]
    #[schemars(length(min = 1))]
    site: Option<String>,
    /// The NetBIOS name of its domain, as accounts bear it (`APERTURE\name`), where that is not the first label of the
    /// DNS domain in its full name. It holds for all hosts of that DNS domain.
    #[serde(default)]
    #[schemars(with = "Option<String>", regex(pattern = r"^[^.\\\s]+$"))]
    netbios_domain: Option<Spanned<String>>,
}

/// The JSON Schema of an inventory file.
pub fn json_schema() -> Schema {
    schemars::schema_for!(File)
}

/// Reads the assets and the accounts of an inventory file.
pub(super) fn parse(text: &str, origin: &str) -> Result<(Vec<Asset>, Vec<ListedAccount>), FileError> {
    let origin = origin.to_owned();
    if text.trim().is_empty() {
        let message = "the inventory is empty; write `assets:` and an entry with `name:` below it".to_owned();
        return Err(FileError::Syntax { origin, message });
    }
    let file: File = serde_saphyr::from_str(text).map_err(|error| FileError::Syntax {
        origin: origin.clone(),
        message: error.to_string(),
    })?;
    let mut check = Check::default();
    let mut assets: Vec<Asset> = file
        .assets
        .iter()
        .filter_map(|entry| check.entry(entry))
        .collect();
    assets.sort_by(|a, b| a.id.cmp(&b.id));
    let accounts = file.accounts.iter();
    let accounts = accounts
        .filter_map(|entry| check.account(entry, &assets))
        .collect();
    check
        .problems
        .or((assets, accounts))
        .map_err(|problems| FileError::Entries { origin, problems })
}

/// The role of a word, or the word that was probably meant.
fn role_named(word: &str) -> Result<Role, &'static str> {
    let known = Role::ALL.iter().copied().find(|role| role.as_str() == word);
    known.ok_or_else(|| {
        let words = Role::ALL.iter().map(|role| role.as_str());
        nearest(word, words).expect("there are roles")
    })
}

/// Collects problems, and which asset has which name and address.
#[derive(Default)]
struct Check {
    problems: Problems,
    names: BTreeMap<String, String>,
    addresses: BTreeMap<IpAddr, String>,
    /// NetBIOS names by DNS domain.
    domains: BTreeMap<String, String>,
}

impl Check {
    fn entry(&mut self, entry: &Entry) -> Option<Asset> {
        let name = self.name(&entry.name, &entry.name.value)?;
        let aliases = entry
            .aliases
            .iter()
            .filter_map(|alias| self.name(alias, &name))
            .collect::<BTreeSet<_>>();
        let addresses = entry
            .addresses
            .iter()
            .filter_map(|text| self.address(text, &name))
            .collect::<BTreeSet<_>>();
        let roles = entry
            .roles
            .iter()
            .filter_map(|text| self.role(text, &name))
            .collect::<BTreeSet<_>>();
        Some(Asset {
            id: AssetId::new(&name),
            aliases: aliases.into_iter().collect(),
            addresses: addresses.into_iter().collect(),
            roles: roles.into_iter().collect(),
            site: entry.site.as_deref().map(str::to_ascii_uppercase),
            netbios_domain: (entry.netbios_domain.as_ref()).and_then(|text| self.netbios_domain(text, &name)),
        })
    }

    fn netbios_domain(&mut self, text: &Spanned<String>, owner: &str) -> Option<String> {
        let is_plain = |c: char| !(c.is_whitespace() || c == '.' || c == '\\');
        if text.value.is_empty() || !text.value.chars().all(is_plain) {
            let problem = format!(
                "{:?} of the asset {owner} is not the NetBIOS name of a domain, as APERTURE",
                text.value
            );
            self.complain(text, problem);
            return None;
        }
        if let Some((_label, domain)) = owner.split_once('.') {
            let name = text.value.to_ascii_lowercase();
            let before = self.domains.entry(domain.to_owned()).or_insert(name.clone());
            if *before != name {
                let problem = format!(
                    "the domain {domain} has the NetBIOS name {} of {owner} and {before} of another asset",
                    text.value
                );
                self.complain(text, problem);
            }
        }
        Some(text.value.clone())
    }

    fn name(&mut self, text: &Spanned<String>, owner: &str) -> Option<String> {
        let name = text.value.trim().trim_end_matches('.').to_ascii_lowercase();
        if name.is_empty() || name.contains(char::is_whitespace) {
            self.complain(text, format!("{:?} is not a host name", text.value));
            return None;
        }
        let owner = owner.trim().trim_end_matches('.').to_ascii_lowercase();
        match self.names.insert(name.clone(), owner.clone()) {
            Some(before) if before != owner || name == owner => {
                self.complain(
                    text,
                    format!("the name {name} is already used by the asset {before}"),
                );
                None
            }
            _ => Some(name),
        }
    }

    fn address(&mut self, text: &Spanned<String>, owner: &str) -> Option<IpAddr> {
        let Ok(address) = text.value.trim().parse::<IpAddr>() else {
            self.complain(
                text,
                format!("{:?} of the asset {owner} is not an IP address", text.value),
            );
            return None;
        };
        let address = address.to_canonical();
        if address.is_loopback() || address.is_unspecified() || address.is_multicast() {
            self.complain(
                text,
                format!("{address} of the asset {owner} cannot belong to one host"),
            );
            return None;
        }
        match self.addresses.insert(address, owner.to_owned()) {
            Some(before) if before != owner => {
                self.complain(
                    text,
                    format!("the address {address} of {owner} is already used by {before}"),
                );
                None
            }
            _ => Some(address),
        }
    }

    fn role(&mut self, text: &Spanned<String>, owner: &str) -> Option<Role> {
        match role_named(&text.value) {
            Ok(role) => Some(role),
            Err(nearest) => {
                let problem = format!(
                    "unknown role {:?} of the asset {owner}; did you mean {nearest}?",
                    text.value
                );
                self.complain(text, problem);
                None
            }
        }
    }

    fn complain(&mut self, at: &Spanned<String>, problem: String) {
        self.problems.note(at.referenced.line(), problem);
    }
}
