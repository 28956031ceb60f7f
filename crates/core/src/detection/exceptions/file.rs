//! The exceptions file: YAML with one entry per exception.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Action, Assets, Exception, Sources};
use crate::detection::accounts::AccountName;
use crate::diagnostics::{FileError, Problems, nearest};
use crate::event::{AssetId, normalise_pipe};
use crate::inventory::{Inventory, Role};
use crate::time::AppendTime;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Exceptions")]
struct File {
    /// The entries. The first that covers an alert decides.
    exceptions: Vec<ExceptionEntry>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExceptionEntry {
    /// Stable identifier: lower case letters, digits, `-`, `_`.
    #[schemars(with = "String", regex(pattern = "^[a-z0-9_-]+$"))]
    id: Spanned<String>,
    /// Why this is no attack.
    #[schemars(with = "String", length(min = 1))]
    reason: Spanned<String>,
    /// Who answers for it.
    #[schemars(with = "String", length(min = 1))]
    owner: Spanned<String>,
    /// The last day on which it holds (`2027-06-30`, in UTC), or the moment at which it ends (`2027-06-30T12:00:00Z`).
    #[schemars(with = "String")]
    expires: Spanned<String>,
    /// What becomes of the alerts it covers. `suppress` downgrades those whose source is inferred, contradicted, or known
    /// only by the name that it gives itself.
    action: Action,
    /// Whether one kind of selector is enough, and whether it may downgrade alerts whose source is not known. Default
    /// false: at least two kinds are required.
    #[serde(default)]
    broad: bool,
    /// Where accesses come from: any of these.
    #[serde(default)]
    sources: SourceEntry,
    /// `DOMAIN\name`, any of these, without case; the domain by its NetBIOS or its DNS name.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    accounts: Vec<Spanned<String>>,
    /// Where accesses go to: any of these.
    #[serde(default)]
    assets: AssetEntry,
    /// Pipes, as the destination names them: any of these.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pipes: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct SourceEntry {
    /// Addresses (`10.1.9.7`) and networks (`10.1.9.0/24`).
    #[schemars(with = "Vec<String>")]
    addresses: Vec<Spanned<String>>,
    /// Names of hosts: of the inventory or, which only downgrades, those that a host gives itself in its own log.
    #[schemars(with = "Vec<String>")]
    hosts: Vec<Spanned<String>>,
    /// Roles of assets in the inventory.
    #[schemars(with = "Vec<Role>")]
    roles: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct AssetEntry {
    /// Names of assets.
    #[schemars(with = "Vec<String>")]
    names: Vec<Spanned<String>>,
    /// Roles of assets.
    #[schemars(with = "Vec<Role>")]
    roles: Vec<Spanned<String>>,
}

/// The JSON Schema of an exceptions file.
pub fn json_schema() -> Schema {
    schemars::schema_for!(File)
}

/// Reads the entries of a file, in their order.
pub(super) fn parse(text: &str, origin: &str, inventory: &Inventory) -> Result<Vec<Exception>, FileError> {
    let syntax = |message: String| FileError::Syntax {
        origin: origin.to_owned(),
        message,
    };
    if text.trim().is_empty() {
        return Err(syntax(
            "the file is empty; write `exceptions: []` where there is none".to_owned(),
        ));
    }
    let file: File = serde_saphyr::from_str(text).map_err(|error| syntax(error.to_string()))?;
    let mut check = Check {
        problems: Problems::default(),
        ids: BTreeSet::new(),
        inventory,
    };
    let exceptions = file.exceptions.iter().map(|entry| check.entry(entry)).collect();
    check
        .problems
        .or(exceptions)
        .map_err(|problems| FileError::Entries {
            origin: origin.to_owned(),
            problems,
        })
}

/// Collects what is wrong. What is wrong is left out of the entry, which is then never used.
struct Check<'a> {
    problems: Problems,
    ids: BTreeSet<String>,
    inventory: &'a Inventory,
}

impl Check<'_> {
    fn entry(&mut self, entry: &ExceptionEntry) -> Exception {
        let id = &entry.id;
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if id.value.is_empty() || !id.value.bytes().all(is_plain) {
            let problem = format!(
                "the id {:?} may hold lower case letters, digits, - and _ only",
                id.value
            );
            self.complain(id, problem);
        } else if id.value.starts_with("builtin-") {
            self.complain(id, format!("the id {} is kept for what is built in", id.value));
        } else if !self.ids.insert(id.value.clone()) {
            self.complain(id, format!("another exception has the id {}", id.value));
        }
        for (name, text) in [("reason", &entry.reason), ("owner", &entry.owner)] {
            if text.value.trim().is_empty() {
                self.complain(text, format!("the {name} of {} is empty", id.value));
            }
        }
        let kinds = [
            !entry.sources.is_empty(),
            !entry.accounts.is_empty(),
            !entry.assets.is_empty(),
            !entry.pipes.is_empty(),
        ];
        let kinds = kinds.into_iter().filter(|is_given| *is_given).count();
        if kinds < 2 && !(entry.broad && kinds == 1) {
            let problem = format!(
                "{} names {kinds} kind(s) of selector and needs two of sources, accounts, assets, pipes; with `broad: \
                 true` one is enough",
                id.value
            );
            self.complain(id, problem);
        }
        Exception {
            id: id.value.as_str().into(),
            reason: entry.reason.value.as_str().into(),
            owner: entry.owner.value.as_str().into(),
            expires: self.expiry(&entry.expires),
            action: entry.action,
            is_broad: entry.broad,
            sources: (!entry.sources.is_empty()).then(|| self.sources(&entry.sources)),
            accounts: (!entry.accounts.is_empty()).then(|| self.accounts(&entry.accounts)),
            assets: (!entry.assets.is_empty()).then(|| self.assets(&entry.assets)),
            pipes: (!entry.pipes.is_empty()).then(|| {
                let names = entry.pipes.iter().map(|pipe| normalise_pipe(&pipe.value));
                names.collect()
            }),
            own_site: false,
        }
    }

    /// The first moment at which the entry no longer holds.
    fn expiry(&mut self, text: &Spanned<String>) -> Option<AppendTime> {
        let day_after = |date: Date| {
            let day = date.checked_add(1.day()).ok()?;
            TimeZone::UTC.to_timestamp(day.to_datetime(Time::midnight())).ok()
        };
        let moment = match text.value.parse::<Timestamp>() {
            Ok(moment) => Some(moment),
            Err(_) => text.value.parse().ok().and_then(day_after),
        };
        if moment.is_none() {
            let problem = format!(
                "expires: {:?} is neither a day (2027-06-30) nor a moment (2027-06-30T12:00:00Z)",
                text.value
            );
            self.complain(text, problem);
        }
        moment.map(|moment| AppendTime::from_millis(moment.as_millisecond()))
    }

    fn sources(&mut self, entry: &SourceEntry) -> Sources {
        let networks = entry.addresses.iter().filter_map(|text| self.network(text));
        Sources {
            networks: networks.collect(),
            hosts: entry.hosts.iter().map(|host| host.value.clone()).collect(),
            roles: self.roles(&entry.roles),
        }
    }

    fn network(&mut self, text: &Spanned<String>) -> Option<IpNet> {
        let written = text.value.trim();
        let address = written.parse::<IpAddr>();
        let network = match address {
            Ok(address) => Ok(IpNet::from(address.to_canonical())),
            Err(_) => written.parse::<IpNet>(),
        };
        if network.is_err() {
            let problem = format!(
                "{:?} is neither an address nor a network like 10.1.9.0/24",
                text.value
            );
            self.complain(text, problem);
        }
        network.ok().map(|network| network.trunc())
    }

    fn accounts(&mut self, accounts: &[Spanned<String>]) -> BTreeSet<AccountName> {
        for account in accounts {
            if !account.value.contains('\\') {
                let problem = format!("the account {:?} must be written as DOMAIN\\name", account.value);
                self.complain(account, problem);
            }
        }
        accounts
            .iter()
            .map(|account| AccountName::of_text(&account.value, self.inventory.domains()))
            .collect()
    }

    /// By any name the inventory knows them by; a host that it does not list, by its own.
    fn assets(&mut self, entry: &AssetEntry) -> Assets {
        let inventory = self.inventory;
        let id = |name: &Spanned<String>| {
            let listed = inventory
                .by_full_name(&name.value)
                .or_else(|| inventory.by_short_name(&name.value));
            listed.map_or_else(|| AssetId::new(&name.value), |asset| asset.id.clone())
        };
        Assets {
            names: entry.names.iter().map(id).collect(),
            roles: self.roles(&entry.roles),
        }
    }

    fn roles(&mut self, roles: &[Spanned<String>]) -> BTreeSet<&'static str> {
        let words = || Role::ALL.iter().map(|role| role.as_str());
        let mut known = BTreeSet::new();
        for role in roles {
            match words().find(|word| *word == role.value) {
                Some(word) => {
                    known.insert(word);
                }
                None => {
                    let meant = nearest(&role.value, words()).expect("there are roles");
                    self.complain(
                        role,
                        format!("unknown role {:?}; did you mean {meant}?", role.value),
                    );
                }
            }
        }
        known
    }

    fn complain(&mut self, at: &Spanned<String>, problem: String) {
        self.problems.note(at.referenced.line(), problem);
    }
}

impl SourceEntry {
    fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.hosts.is_empty() && self.roles.is_empty()
    }
}

impl AssetEntry {
    fn is_empty(&self) -> bool {
        self.names.is_empty() && self.roles.is_empty()
    }
}
