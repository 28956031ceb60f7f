//! Asset lists of other tools as an inventory: exports of Configuration Manager and of Active Directory, as PowerShell
//! writes them.
//!
//! A row's columns show what it is. Rows of all files merge by host. A row that cannot be used is reported with file
//! and line, and the rest goes on.

mod accounts;
mod export;
mod hosts;
mod rows;

use std::collections::BTreeMap;
use std::fmt;

use pipewarden_core::diagnostics::FileError;
use pipewarden_core::inventory::{Inventory, Role};
use pipewarden_core::text::plural;
use serde::Serialize;
use thiserror::Error;

use self::accounts::AccountEntry;
use self::export::{Claim, Meaning, ServiceAccount, SiteRole};
use self::hosts::Hosts;
pub use self::rows::RowsError;

/// Gathers the rows of exports.
#[derive(Debug, Default)]
pub struct Import {
    hosts: Hosts,
    /// `SMS_Site.Type` by site code, where an export of Get-CMSite has it.
    sites: BTreeMap<String, Role>,
    /// Site servers whose kind of site is not known yet, by host and site code.
    site_servers: Vec<(String, Option<String>)>,
    service_accounts: Vec<ServiceAccount>,
    problems: Vec<Problem>,
    /// Roles without a counterpart in an inventory, and unknown roles: rows, and the place of the first.
    without_counterpart: BTreeMap<String, usize>,
    unknown_roles: BTreeMap<String, (usize, String)>,
    rows: usize,
    disabled: usize,
}

/// A row, or a part of it, that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub origin: String,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.origin, self.line, self.message)
    }
}

/// What to do with hosts that no export gives a role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WithoutRole {
    /// List them without one.
    #[default]
    Keep,
    /// List them with this one.
    Give(Role),
    /// Leave them out: an export of a whole domain then only adds names and addresses.
    Drop,
}

/// The outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The inventory file.
    pub yaml: String,
    /// How many assets it lists.
    pub assets: usize,
    /// How many rows were read.
    pub rows: usize,
    /// What could not be used, in the order of files and lines.
    pub problems: Vec<Problem>,
    /// What was decided and had better be known.
    pub notes: Vec<String>,
}

/// Why there is no inventory.
#[derive(Debug, Error)]
pub enum ImportError {
    /// Nothing could be used, and an inventory without assets would watch every host.
    #[error("no row of the exports names a host that the inventory could list")]
    Empty,
    /// The program's own mistake.
    #[error("the inventory that was made does not pass its own check")]
    Unsound(#[from] FileError),
}

#[derive(Serialize)]
struct File<'a> {
    assets: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accounts: Vec<AccountEntry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<&'static str>,
}

impl Import {
    /// Takes in one export: CSV or JSON, UTF-8 or UTF-16. `origin` names it in messages.
    ///
    /// # Errors
    /// [`RowsError`] where it cannot be read at all.
    pub fn add(&mut self, bytes: &[u8], origin: &str) -> Result<(), RowsError> {
        let problem = |line, message| Problem {
            origin: origin.to_owned(),
            line,
            message,
        };
        let rows = rows::read(bytes)?;
        self.rows += rows.rows.len() + rows.unreadable.len();
        let mut problems: Vec<Problem> = rows
            .unreadable
            .into_iter()
            .map(|(line, message)| problem(line, message))
            .collect();
        for row in rows.rows {
            match export::read(&row) {
                Err(message) => problems.push(problem(row.line, message)),
                Ok(meaning) => {
                    let ignored = self.take(meaning, &format!("{origin}:{}", row.line));
                    problems.extend(ignored.into_iter().map(|message| problem(row.line, message)));
                }
            }
        }
        problems.sort_by_key(|problem| problem.line);
        self.problems.append(&mut problems);
        Ok(())
    }

    /// Takes in what a row means; gives back what of it cannot be used.
    fn take(&mut self, meaning: Meaning, place: &str) -> Vec<String> {
        match meaning {
            Meaning::Disabled => self.disabled += 1,
            Meaning::Host(Claim {
                name,
                addresses,
                role,
                account,
                ignored,
            }) => {
                if let Some(account) = account {
                    self.hosts.add_account(&name, account);
                }
                self.hosts.add(name, addresses, role);
                return ignored;
            }
            Meaning::ServiceAccount(account) => self.service_accounts.push(account),
            Meaning::Site { name, code, role } => {
                self.sites.insert(code, role);
                self.hosts.add(name, Vec::new(), Some(role));
            }
            Meaning::SiteSystem { name, code, role } => {
                let mut known = None;
                match role {
                    SiteRole::SiteServer => self.site_servers.push((name.clone(), code)),
                    SiteRole::Counterpart(role) => known = Some(role),
                    SiteRole::WithoutCounterpart(name) => {
                        *self.without_counterpart.entry(name).or_default() += 1
                    }
                    SiteRole::Unknown(name) => {
                        let entry = self.unknown_roles.entry(name).or_insert((0, place.to_owned()));
                        entry.0 += 1;
                    }
                }
                self.hosts.add(name, Vec::new(), known);
            }
        }
        Vec::new()
    }

    /// Merges everything and writes the inventory.
    ///
    /// # Errors
    /// [`ImportError`] where no host is left.
    pub fn finish(mut self, without_role: WithoutRole) -> Result<Imported, ImportError> {
        let mut notes = Vec::new();
        self.place_site_servers(&mut notes);
        let (hosts, shared) = std::mem::take(&mut self.hosts).merge();
        notes.extend(shared);
        let mut bare = 0;
        let (mut entries, mut listed) = (Vec::new(), Vec::new());
        for (name, host) in &hosts {
            let mut roles: Vec<Role> = host.roles.iter().copied().collect();
            if roles.is_empty() {
                bare += 1;
                match without_role {
                    WithoutRole::Keep => {}
                    WithoutRole::Give(role) => roles.push(role),
                    WithoutRole::Drop => continue,
                }
            }
            listed.push((name, host));
            entries.push(Entry {
                name,
                addresses: host.addresses.iter().map(ToString::to_string).collect(),
                roles: roles.iter().map(|role| role.as_str()).collect(),
            });
        }
        if bare > 0 {
            notes.push(match without_role {
                WithoutRole::Keep => format!(
                    "{} without a role; --only-with-role leaves them out",
                    plural(bare, "host")
                ),
                WithoutRole::Give(role) => format!("{} without a role got {role}", plural(bare, "host")),
                WithoutRole::Drop => format!("{} without a role left out", plural(bare, "host")),
            });
        }
        self.note_left_out(&mut notes);
        if entries.is_empty() {
            return Err(ImportError::Empty);
        }
        let assets = entries.len();
        // Plain structs of strings have no way to fail.
        let accounts = accounts::of(&listed, &self.service_accounts, &mut notes);
        let file = File {
            assets: entries,
            accounts,
        };
        let yaml = serde_saphyr::to_string(&file).unwrap_or_default();
        Inventory::parse(&yaml, "inventory")?;
        Ok(Imported {
            yaml,
            assets,
            rows: self.rows,
            problems: self.problems,
            notes,
        })
    }

    /// What rows said that an inventory has no place for.
    fn note_left_out(&self, notes: &mut Vec<String>) {
        if self.disabled > 0 {
            notes.push(format!(
                "{} disabled in Active Directory left out",
                plural(self.disabled, "host")
            ));
        }
        for (role, rows) in &self.without_counterpart {
            notes.push(format!(
                "{role} ({}) is no role of an inventory; its hosts are listed without it",
                plural(*rows, "row")
            ));
        }
        for (role, (rows, place)) in &self.unknown_roles {
            notes.push(format!(
                "unknown role {role:?} ({}, first at {place}); its hosts are listed without it",
                plural(*rows, "row")
            ));
        }
    }

    /// `SMS Site Server` does not name the kind of site: an export of Get-CMSite does, in whatever file it is.
    fn place_site_servers(&mut self, notes: &mut Vec<String>) {
        for (name, code) in std::mem::take(&mut self.site_servers) {
            let known = code.as_ref().and_then(|code| self.sites.get(code));
            if known.is_none() {
                notes.push(format!(
                    "{name} is taken for a primary site server; add an export of Get-CMSite to be sure"
                ));
            }
            let role = known.copied().unwrap_or(Role::PrimarySiteServer);
            self.hosts.add(name, Vec::new(), Some(role));
        }
    }
}
