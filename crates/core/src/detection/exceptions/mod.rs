//! Exceptions: accesses that are known and answered for, by whom and until when.
//!
//! An exception covers an alert, not an access: it must hold for everything in the alert, so that a second account or
//! a second pipe in the same alert is never covered by an entry for the first. Whether it does follows from the alert's
//! key and content alone, and so from the set of observations, whatever their order.
//!
//! Expiry is judged by the log's clock: an alert is covered only if it closes, by its key, before the entry expires.
//! So from the moment at which stream time reaches the expiry nothing is covered, no host's own clock can stretch an
//! exception, and no alert has to be judged a second time.

mod file;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::file::json_schema;
use super::{AlertKey, Content};
use crate::diagnostics::FileError;
use crate::event::{AssetId, same_host};
use crate::inventory::{Asset, Inventory, Role};
use crate::time::AppendTime;

/// What an exception does to the alerts that it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It goes to the suppressed topic.
    Suppress,
    /// It stays an alert, at a quarter of its risk.
    Downgrade,
}

impl Action {
    /// The word used in files, documents and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Suppress => "suppress",
            Self::Downgrade => "downgrade",
        }
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exception {
    /// Stable identifier: lower case letters, digits, `-`, `_`.
    pub id: Arc<str>,
    /// Why this is no attack.
    pub reason: Arc<str>,
    /// Who answers for it.
    pub owner: Arc<str>,
    /// From when on it covers nothing; `None` for what is built in.
    pub expires: Option<AppendTime>,
    /// What it does to the alert.
    pub action: Action,
    /// Where accesses come from.
    sources: Option<Sources>,
    /// `domain\name` in lower case.
    accounts: Option<BTreeSet<String>>,
    /// Where accesses go to.
    assets: Option<Assets>,
    /// Pipes, normalised.
    pipes: Option<BTreeSet<String>>,
    /// The source is a site server in the inventory, the asset a system of its own site, and every account that is
    /// known is the source's own computer account.
    own_site: bool,
}

/// Any of these: a source that one of the lists names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Sources {
    networks: Vec<IpNet>,
    hosts: Vec<String>,
    roles: BTreeSet<&'static str>,
}

/// Any of these: an asset that one of the lists names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Assets {
    names: BTreeSet<AssetId>,
    roles: BTreeSet<&'static str>,
}

/// The entries in force, in order: the first that covers an alert decides.
#[derive(Clone, Debug, Default)]
pub struct Exceptions {
    entries: Vec<Arc<Exception>>,
    inventory: Arc<Inventory>,
}

/// The id of the entry that is built in.
const OWN_SITE: &str = "builtin-own-site";

impl Exceptions {
    /// No entry at all; entries that are added know the assets of `inventory`.
    pub fn none_for(inventory: Arc<Inventory>) -> Self {
        Self {
            entries: Vec::new(),
            inventory,
        }
    }

    /// Only what is built in: a site server that manages the systems of its own site is downgraded.
    pub fn builtin(inventory: Arc<Inventory>) -> Self {
        let own_site = Exception {
            id: OWN_SITE.into(),
            reason: "A site server reads the registry of the site systems that it manages.".into(),
            owner: "pipewarden".into(),
            expires: None,
            action: Action::Downgrade,
            sources: None,
            accounts: None,
            assets: None,
            pipes: None,
            own_site: true,
        };
        Self {
            entries: vec![Arc::new(own_site)],
            inventory,
        }
    }

    /// Reads entries from YAML; `origin` names it in errors. They come before those of `self`.
    ///
    /// # Errors
    /// [`FileError`], which names the line and what to change.
    pub fn and(self, text: &str, origin: &str) -> Result<Self, FileError> {
        let mut entries: Vec<Arc<Exception>> = file::parse(text, origin, &self.inventory)?
            .into_iter()
            .map(Arc::new)
            .collect();
        entries.extend(self.entries);
        Ok(Self { entries, ..self })
    }

    /// The entries, in order: the first that covers an alert decides.
    pub fn entries(&self) -> &[Arc<Exception>] {
        &self.entries
    }

    /// Assets that entries name and the inventory does not list.
    pub fn unlisted_assets(&self) -> impl Iterator<Item = (&Exception, &AssetId)> {
        self.entries.iter().flat_map(|entry| {
            let names = entry.assets.iter().flat_map(|assets| &assets.names);
            names
                .filter(|name| self.inventory.asset(name).is_none())
                .map(|name| (&**entry, name))
        })
    }

    /// Whether an entry covers everything that a source did to an asset: such an asset does not count for a sweep.
    pub(super) fn cover_source(&self, touch: &SourceTouch<'_>, closes: AppendTime) -> bool {
        let subject = Subject {
            sources: vec![NamedSource {
                ip: touch.source,
                hosts: &[],
            }],
            accounts: touch.accounts,
            pipes: touch.pipes,
            is_truncated: touch.is_truncated,
        };
        self.entry_for(touch.asset, closes, &subject).is_some()
    }

    /// The first entry that covers an alert with this key and content, which closes at `closes`.
    pub fn covering(&self, key: &AlertKey, closes: AppendTime, content: &Content) -> Option<Arc<Exception>> {
        self.entry_for(&key.asset, closes, &Subject::of(content)).cloned()
    }

    fn entry_for(&self, id: &AssetId, closes: AppendTime, subject: &Subject<'_>) -> Option<&Arc<Exception>> {
        let asset = self.inventory.asset(id);
        let covers = |entry: &&Arc<Exception>| {
            entry.expires.is_none_or(|expires| closes < expires)
                && entry.covers(id, asset, subject, &self.inventory)
        };
        self.entries.iter().find(covers)
    }
}

/// What a source did to an asset, as far as it is known. A source has an address here and no name.
pub(super) struct SourceTouch<'a> {
    pub(super) source: IpAddr,
    pub(super) asset: &'a AssetId,
    pub(super) accounts: &'a [Arc<str>],
    pub(super) pipes: &'a [Arc<str>],
    pub(super) is_truncated: bool,
}

/// What the selectors of exceptions are compared with. A list that the bounds of the document have truncated is covered
/// by nothing: what was left out might be what no entry covers.
struct Subject<'a> {
    sources: Vec<NamedSource<'a>>,
    accounts: &'a [Arc<str>],
    pipes: &'a [Arc<str>],
    is_truncated: bool,
}

/// A source, and its names as far as connections give them.
struct NamedSource<'a> {
    ip: IpAddr,
    hosts: &'a [Arc<str>],
}

impl<'a> Subject<'a> {
    fn of(content: &'a Content) -> Self {
        let sources = match content.source_ip {
            Some(ip) => vec![NamedSource {
                ip,
                hosts: &content.hosts,
            }],
            None => content
                .candidates
                .iter()
                .map(|candidate| NamedSource {
                    ip: candidate.ip,
                    hosts: &candidate.hosts,
                })
                .collect(),
        };
        Self {
            sources,
            accounts: &content.accounts,
            pipes: &content.pipes,
            is_truncated: content.omitted.candidates > 0 || content.omitted.others > 0,
        }
    }
}

/// Whether there is something and all of it is so.
fn all_non_empty<T>(items: &[T], is_so: impl FnMut(&T) -> bool) -> bool {
    !items.is_empty() && items.iter().all(is_so)
}

impl Exception {
    fn covers(
        &self,
        id: &AssetId,
        asset: Option<&Asset>,
        subject: &Subject<'_>,
        inventory: &Inventory,
    ) -> bool {
        let by_sources = self.sources.as_ref().is_none_or(|sources| {
            all_non_empty(&subject.sources, |source| {
                sources.name(source.ip, source.hosts, inventory)
            })
        });
        let by_accounts = self.accounts.as_ref().is_none_or(|accounts| {
            all_non_empty(subject.accounts, |account| {
                accounts.contains(&account.to_ascii_lowercase())
            })
        });
        let by_pipes = self
            .pipes
            .as_ref()
            .is_none_or(|pipes| all_non_empty(subject.pipes, |pipe| pipes.contains(&**pipe)));
        let by_asset = self.assets.as_ref().is_none_or(|assets| {
            assets.names.contains(id) || asset.is_some_and(|asset| has_role(asset, &assets.roles))
        });
        let by_site = !self.own_site
            || asset.is_some_and(|asset| {
                all_non_empty(&subject.sources, |source| {
                    inventory
                        .by_address(source.ip)
                        .is_some_and(|source| manages(source, asset, subject.accounts))
                })
            });
        !subject.is_truncated && by_sources && by_accounts && by_pipes && by_asset && by_site
    }
}

impl Sources {
    fn name(&self, ip: IpAddr, hosts: &[Arc<str>], inventory: &Inventory) -> bool {
        self.networks.iter().any(|network| network.contains(&ip))
            || all_non_empty(hosts, |host| {
                self.hosts.iter().any(|named| same_host(named, host))
            })
            || inventory
                .by_address(ip)
                .is_some_and(|asset| has_role(asset, &self.roles))
    }
}

fn has_role(asset: &Asset, roles: &BTreeSet<&'static str>) -> bool {
    asset.roles.iter().any(|role| roles.contains(role.as_str()))
}

/// Whether `source` is the site server of `asset`'s site and uses no account but its own. Two assets without a site are
/// of the same one: most inventories hold one site.
fn manages(source: &Asset, asset: &Asset, accounts: &[Arc<str>]) -> bool {
    let is_server = source.roles.iter().any(|role| {
        matches!(
            role,
            Role::Cas | Role::PrimarySiteServer | Role::SecondarySiteServer
        )
    });
    let is_system = asset.roles.iter().any(|role| {
        matches!(
            role,
            Role::DistributionPoint | Role::ManagementPoint | Role::SiteDatabase | Role::SmsProvider
        )
    });
    let name = source.id.as_str();
    let label = name.split('.').next().expect("splitting gives at least one part");
    let computer_account = format!("{label}$");
    let is_own = |account: &Arc<str>| {
        let name = account
            .rsplit('\\')
            .next()
            .expect("splitting gives at least one part");
        name.eq_ignore_ascii_case(&computer_account)
    };
    is_server && is_system && source.site == asset.site && accounts.iter().all(is_own)
}
