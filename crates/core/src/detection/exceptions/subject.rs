//! What the selectors of exceptions are compared with.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Action, Covering, Exception, Sources, are_of_one_site, has_role};
use crate::detection::accounts::OneAccount;
use crate::event::{AssetId, same_host};
use crate::inventory::{Asset, Inventory};

/// An alert as selectors see it: whole, before the bounds of the document cut any list.
#[derive(Debug, Default)]
pub(in crate::detection) struct Subject {
    /// The source or, where it is not known, every candidate.
    pub(in crate::detection) sources: Vec<NamedSource>,
    /// Whether the source is known.
    pub(in crate::detection) is_attributed: bool,
    /// Whether a share access names the source of every access, and nothing contradicts any.
    pub(in crate::detection) is_certain: bool,
    pub(in crate::detection) accounts: BTreeSet<OneAccount>,
    pub(in crate::detection) pipes: BTreeSet<Arc<str>>,
    /// What else was opened: no entry that names pipes covers any of it.
    pub(in crate::detection) paths: BTreeSet<Arc<str>>,
    /// Whether a bound has dropped an account or a pipe: what was dropped might be what no entry covers.
    pub(in crate::detection) is_truncated: bool,
}

/// A source, and the names that it gave itself in its own log.
#[derive(Debug)]
pub(in crate::detection) struct NamedSource {
    pub(in crate::detection) ip: IpAddr,
    pub(in crate::detection) own_names: BTreeSet<Arc<str>>,
}

/// How well selectors hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Held {
    Not,
    /// By the word of the source itself.
    ByItsWord,
    /// By the asset's own log or the inventory.
    Surely,
}

impl Held {
    const fn surely(is_so: bool) -> Self {
        if is_so { Self::Surely } else { Self::Not }
    }

    /// As well as the least of several; of none not at all.
    fn all(held: impl Iterator<Item = Self>) -> Self {
        held.min().unwrap_or(Self::Not)
    }
}

impl Exception {
    /// What the entry does to an alert, if all its selectors hold.
    pub(super) fn covering(
        self: &Arc<Self>,
        id: &AssetId,
        asset: Option<&Asset>,
        subject: &Subject,
        inventory: &Inventory,
    ) -> Option<Covering> {
        let held = [
            Held::surely(subject.is_attributed || self.is_broad),
            self.sources(subject, inventory),
            Held::surely(self.names_accounts(subject) && self.names_pipes(subject)),
            Held::surely(self.names_asset(id, asset) && self.is_within_site(asset, subject, inventory)),
        ];
        let held = Held::all(held.into_iter());
        let action = match held {
            Held::Not => return None,
            Held::Surely if subject.is_attributed && subject.is_certain => self.action,
            Held::Surely | Held::ByItsWord => Action::Downgrade,
        };
        Some(Covering {
            entry: Arc::clone(self),
            action,
        })
    }

    fn sources(&self, subject: &Subject, inventory: &Inventory) -> Held {
        let Some(sources) = &self.sources else {
            return Held::Surely;
        };
        let named = subject.sources.iter();
        Held::all(named.map(|source| sources.name(source, inventory)))
    }

    fn names_accounts(&self, subject: &Subject) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| {
            let is_named = |account: &OneAccount| account.names.iter().any(|name| accounts.contains(name));
            !subject.is_truncated && !subject.accounts.is_empty() && subject.accounts.iter().all(is_named)
        })
    }

    fn names_pipes(&self, subject: &Subject) -> bool {
        self.pipes.as_ref().is_none_or(|pipes| {
            let is_named = |pipe: &Arc<str>| pipes.contains(&**pipe);
            subject.paths.is_empty() && !subject.pipes.is_empty() && subject.pipes.iter().all(is_named)
        })
    }

    fn names_asset(&self, id: &AssetId, asset: Option<&Asset>) -> bool {
        self.assets.as_ref().is_none_or(|assets| {
            assets.names.contains(id) || asset.is_some_and(|asset| has_role(asset, &assets.roles))
        })
    }

    fn is_within_site(&self, asset: Option<&Asset>, subject: &Subject, inventory: &Inventory) -> bool {
        let is_near = |source: &NamedSource, asset| {
            let owner = inventory.by_address(source.ip);
            owner.is_some_and(|owner| are_of_one_site(owner, asset, &subject.accounts, inventory.domains()))
        };
        !self.own_site
            || asset.is_some_and(|asset| {
                !subject.sources.is_empty() && subject.sources.iter().all(|source| is_near(source, asset))
            })
    }
}

impl Sources {
    fn name(&self, source: &NamedSource, inventory: &Inventory) -> Held {
        let owner = inventory.by_address(source.ip);
        let is_listed = |name: &str| self.hosts.iter().any(|named| same_host(named, name));
        let is_owned = owner.is_some_and(|owner| {
            let names = owner.aliases.iter().map(String::as_str);
            has_role(owner, &self.roles) || names.chain([owner.id.as_str()]).any(is_listed)
        });
        if is_owned || self.networks.iter().any(|network| network.contains(&source.ip)) {
            Held::Surely
        } else if !source.own_names.is_empty() && source.own_names.iter().all(|name| is_listed(name)) {
            Held::ByItsWord
        } else {
            Held::Not
        }
    }
}
