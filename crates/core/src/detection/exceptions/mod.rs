//! Exceptions: accesses that are known and answered for, by whom and until when.
//!
//! An exception covers an alert, not an access: it must hold for everything in the alert, so that a second account or
//! a second pipe in the same alert is never covered by an entry for the first. Whether it does follows from the alert's
//! key and content alone, and so from the set of observations, whatever their order.
//!
//! Nothing is suppressed by the word of the suspect. An entry suppresses only an alert whose every access a share access
//! names the source of, uncontradicted, where the selectors hold by that word or by the inventory. Whatever is inferred,
//! contradicted, or matched by a name that only the source gives itself is at most downgraded, and an alert without a
//! known source only by an entry that says `broad`.
//!
//! An entry may state where accounts are expected from. Then their use from elsewhere makes an alert worse, and no entry
//! covers it.
//!
//! Expiry is judged by the log's clock: an alert is covered only if it closes, by its key, before the entry expires.
//! So from the moment at which stream time reaches the expiry nothing is covered, no host's own clock can stretch an
//! exception, and no alert has to be judged a second time.

mod expectation;
mod file;
mod reach;
mod subject;
mod times;

use std::collections::BTreeSet;
use std::sync::Arc;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::expectation::Unexpected;
pub use self::file::{ExceptionEntry, PLACEHOLDER, json_schema};
pub use self::reach::Shortfall;
pub use self::subject::Limit;
pub(super) use self::subject::{NamedSource, Subject};
use self::times::Times;
use super::Attribution;
use super::accounts::{AccountName, OneAccount};
use crate::diagnostics::FileError;
use crate::event::{AssetId, Pattern};
use crate::inventory::{Asset, Domains, Inventory, Place, Role};
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

/// The entry that covers an alert, and what it does to it: one that suppresses only downgrades an alert that does not
/// rest on the asset's own word alone.
#[derive(Clone, Debug)]
pub struct Covering {
    /// The entry.
    pub entry: Arc<Exception>,
    /// What it does to this alert.
    pub action: Action,
    /// Why that is less than it says.
    pub limit: Option<Limit>,
}

/// By what the alert shows of it: why an entry does no more is told to those who ask, and is no reason for a revision.
impl PartialEq for Covering {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            entry,
            action,
            limit: _,
        } = self;
        *entry == other.entry && *action == other.action
    }
}

impl Eq for Covering {}

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
    /// What it does to the alert, at most.
    pub action: Action,
    /// Whether it may cover an alert whose source is not known.
    is_broad: bool,
    /// Where accesses come from.
    sources: Option<Sources>,
    /// In whatever way they are written.
    accounts: Option<BTreeSet<AccountName>>,
    /// SIDs of accounts, in upper case.
    #[serde(skip_serializing_if = "Option::is_none")]
    sids: Option<BTreeSet<String>>,
    /// Programs of the source: whole paths, or names of files.
    #[serde(skip_serializing_if = "Option::is_none")]
    processes: Option<BTreeSet<Pattern>>,
    /// When accesses are.
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<Times>,
    /// How the source of each access is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    attribution: Option<BTreeSet<Attribution>>,
    /// Where its accounts are expected from.
    #[serde(skip_serializing_if = "Option::is_none")]
    only_from: Option<Vec<Place>>,
    /// Where accesses go to.
    assets: Option<Assets>,
    /// Rules, by id.
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<BTreeSet<String>>,
    /// Pipes, normalised.
    pipes: Option<BTreeSet<String>>,
    /// Source and asset are systems of one site by the inventory, and every account that is known is the source's own
    /// computer account, in its own domain.
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    networks: Vec<IpNet>,
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

    /// Only what is built in: a system of a site among those of its own site is downgraded.
    pub fn builtin(inventory: Arc<Inventory>) -> Self {
        let own_site = Exception {
            id: OWN_SITE.into(),
            reason: "The systems of a Configuration Manager site read each other's registry.".into(),
            owner: "pipewarden".into(),
            expires: None,
            action: Action::Downgrade,
            is_broad: false,
            sources: None,
            accounts: None,
            sids: None,
            processes: None,
            times: None,
            attribution: None,
            only_from: None,
            assets: None,
            rules: None,
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

    /// What domains are called.
    pub(super) fn domains(&self) -> &Domains {
        self.inventory.domains()
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

    /// What the first entry that covers an alert about this asset, which closes at `closes`, does to it.
    pub(super) fn covering(&self, id: &AssetId, closes: AppendTime, subject: &Subject) -> Option<Covering> {
        let asset = self.inventory.asset(id);
        let mut entries = self.in_force(closes);
        entries.find_map(|entry| entry.covering(id, asset, subject, &self.inventory))
    }

    /// The entries that hold for an alert which closes at `closes`, in order.
    fn in_force(&self, closes: AppendTime) -> impl Iterator<Item = &Arc<Exception>> {
        let entries = self.entries.iter();
        entries.filter(move |entry| entry.expires.is_none_or(|expires| closes < expires))
    }
}

fn has_role(asset: &Asset, roles: &BTreeSet<&'static str>) -> bool {
    asset.roles.iter().any(|role| roles.contains(role.as_str()))
}

/// Whether a role is one in a Configuration Manager site.
const fn is_of_site(role: Role) -> bool {
    match role {
        Role::Cas
        | Role::PrimarySiteServer
        | Role::SecondarySiteServer
        | Role::DistributionPoint
        | Role::ManagementPoint
        | Role::SiteDatabase
        | Role::SmsProvider => true,
        Role::DomainController | Role::Tier0 => false,
    }
}

/// Whether both are systems of one site and `source` uses no account but its own: a machine account of its name in another
/// domain is another machine's. Two assets without a site are of the same one: most inventories hold one site.
fn are_of_one_site(
    source: &Asset,
    asset: &Asset,
    accounts: &BTreeSet<OneAccount>,
    domains: &Domains,
) -> bool {
    let are_systems = [source, asset]
        .iter()
        .all(|one| one.roles.iter().any(|&role| is_of_site(role)));
    let name = source.id.as_str();
    let label = name.split('.').next().expect("splitting gives at least one part");
    let computer_account = format!("{label}$");
    let domain = domains.of_asset(source);
    let is_own = |account: &OneAccount| {
        let domain = domain.as_deref();
        let mut names = account.names.iter();
        domain.is_some_and(|domain| names.all(|name| name.is(&computer_account, domain)))
    };
    are_systems && source.site == asset.site && accounts.iter().all(is_own)
}
