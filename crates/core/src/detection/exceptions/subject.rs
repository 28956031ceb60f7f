//! What the selectors of exceptions are compared with.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Action, Assets, Covering, Exception, Sources, are_of_one_site, has_role};
use crate::detection::Attribution;
use crate::detection::accounts::OneAccount;
use crate::event::{AssetId, Pattern, Process, same_host};
use crate::inventory::{Asset, Inventory};
use crate::time::EventTime;

/// An alert as selectors see it: whole, before the bounds of the document cut any list.
#[derive(Debug, Default)]
pub(in crate::detection) struct Subject {
    /// Its rule.
    pub(in crate::detection) rule: Arc<str>,
    /// The source or, where it is not known, every candidate.
    pub(in crate::detection) sources: Vec<NamedSource>,
    /// Whether the source is known.
    pub(in crate::detection) is_attributed: bool,
    /// Whether a share access names the source of every access.
    pub(in crate::detection) is_audited: bool,
    /// Whether something contradicts an access, or casts doubt on its source.
    pub(in crate::detection) is_contradicted: bool,
    /// How the source of each access is known; empty where that is not told.
    pub(in crate::detection) attributions: BTreeSet<Attribution>,
    /// Spans, both ends included, that hold the times of all accesses; empty where these are not told.
    pub(in crate::detection) times: BTreeSet<(EventTime, EventTime)>,
    pub(in crate::detection) accounts: BTreeSet<OneAccount>,
    pub(in crate::detection) pipes: BTreeSet<Arc<str>>,
    /// What else was opened: no entry that names pipes covers any of it.
    pub(in crate::detection) paths: BTreeSet<Arc<str>>,
    /// Whether a bound has dropped an account or a pipe: what was dropped might be what no entry covers.
    pub(in crate::detection) is_truncated: bool,
}

/// A source, and what it says in its own log.
#[derive(Debug)]
pub(in crate::detection) struct NamedSource {
    pub(in crate::detection) ip: IpAddr,
    /// What it calls itself.
    pub(in crate::detection) own_names: BTreeSet<Arc<str>>,
    /// What connected.
    pub(in crate::detection) processes: BTreeSet<Process>,
}

impl NamedSource {
    /// One of which no log of its own is there.
    pub(in crate::detection) const fn silent(ip: IpAddr) -> Self {
        Self {
            ip,
            own_names: BTreeSet::new(),
            processes: BTreeSet::new(),
        }
    }
}

/// Why an entry that suppresses only downgrades an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// No 5145 of the host names the source of some access.
    NotAudited,
    /// Something contradicts the alert.
    Contradicted,
    /// The source is matched by what it says of itself in its own log: a name or a process.
    OwnWord,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAudited => "no 5145 names the source of every access",
            Self::Contradicted => "something contradicts it",
            Self::OwnWord => "the source is matched by what it says of itself",
        })
    }
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
            self.processes(subject),
            Held::surely(self.is_expected(subject, id, inventory)),
            Held::surely(
                self.names_accounts(subject) && self.names_sids(subject) && self.names_pipes(subject),
            ),
            Held::surely(self.holds_then(subject) && self.holds_so_known(subject)),
            Held::surely(self.names_rule(subject)),
            Held::surely(self.names_asset(id, asset) && self.is_within_site(asset, subject, inventory)),
        ];
        let limit = match Held::all(held.into_iter()) {
            Held::Not => return None,
            _ if !subject.is_attributed || !subject.is_audited => Some(Limit::NotAudited),
            _ if subject.is_contradicted => Some(Limit::Contradicted),
            Held::ByItsWord => Some(Limit::OwnWord),
            Held::Surely => None,
        };
        let limit = limit.filter(|_| self.action == Action::Suppress);
        Some(Covering {
            entry: Arc::clone(self),
            action: limit.map_or(self.action, |_| Action::Downgrade),
            limit,
        })
    }

    fn sources(&self, subject: &Subject, inventory: &Inventory) -> Held {
        let Some(sources) = &self.sources else {
            return Held::Surely;
        };
        let named = subject.sources.iter();
        Held::all(named.map(|source| sources.name(source, inventory)))
    }

    /// By the word of the source itself, whatever else is known: no other log names its programs.
    fn processes(&self, subject: &Subject) -> Held {
        let Some(listed) = &self.processes else {
            return Held::Surely;
        };
        // Where Sysmon writes `<unknown process>` nobody knows which it was.
        let is_listed = |process: &Process| {
            let image = process.image.as_deref().unwrap_or_default().to_lowercase();
            let file = image.rsplit('\\').next().unwrap_or_default();
            let fits = |pattern: &Pattern| pattern.fits(if pattern.has('\\') { &image } else { file });
            !image.is_empty() && !image.starts_with('<') && listed.iter().any(fits)
        };
        let is_named =
            |source: &NamedSource| !source.processes.is_empty() && source.processes.iter().all(is_listed);
        if !subject.sources.is_empty() && subject.sources.iter().all(is_named) {
            Held::ByItsWord
        } else {
            Held::Not
        }
    }

    /// Whether every source is where the entry expects its accounts.
    fn is_expected(&self, subject: &Subject, id: &AssetId, inventory: &Inventory) -> bool {
        let Some(places) = &self.only_from else {
            return true;
        };
        let is_there =
            |source: &NamedSource| places.iter().any(|place| inventory.is_at(place, source.ip, id));
        !subject.sources.is_empty() && subject.sources.iter().all(is_there)
    }

    /// Whether all accesses are at its times.
    fn holds_then(&self, subject: &Subject) -> bool {
        self.times.as_ref().is_none_or(|times| {
            !subject.times.is_empty() && subject.times.iter().all(|&span| times.cover(span))
        })
    }

    /// Whether the source of each access is known as it says.
    fn holds_so_known(&self, subject: &Subject) -> bool {
        let known = self.attribution.as_ref();
        known.is_none_or(|known| !subject.attributions.is_empty() && subject.attributions.is_subset(known))
    }

    fn names_sids(&self, subject: &Subject) -> bool {
        self.sids.as_ref().is_none_or(|sids| {
            let is_named = |account: &OneAccount| {
                !account.lacks_sid && account.sids.iter().all(|sid| sids.contains(sid))
            };
            !subject.is_truncated && !subject.accounts.is_empty() && subject.accounts.iter().all(is_named)
        })
    }

    fn names_accounts(&self, subject: &Subject) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| {
            let is_named = |account: &OneAccount| account.names.iter().any(|name| accounts.contains(name));
            !subject.is_truncated && !subject.accounts.is_empty() && subject.accounts.iter().all(is_named)
        })
    }

    /// Whether it is about the rule of the alert.
    pub(super) fn names_rule(&self, subject: &Subject) -> bool {
        self.rules
            .as_ref()
            .is_none_or(|rules| rules.contains(&*subject.rule))
    }

    fn names_pipes(&self, subject: &Subject) -> bool {
        self.pipes.as_ref().is_none_or(|pipes| {
            let is_named = |pipe: &Arc<str>| pipes.contains(&**pipe);
            subject.paths.is_empty() && !subject.pipes.is_empty() && subject.pipes.iter().all(is_named)
        })
    }

    fn names_asset(&self, id: &AssetId, asset: Option<&Asset>) -> bool {
        self.assets
            .as_ref()
            .is_none_or(|assets| assets.names.contains(id) || asset.is_some_and(|asset| assets.mean(asset)))
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

impl Assets {
    /// Whether an asset has one of the roles, or all of its addresses are in the networks.
    pub(super) fn mean(&self, asset: &Asset) -> bool {
        let is_within = |ip: &IpAddr| self.networks.iter().any(|network| network.contains(ip));
        has_role(asset, &self.roles) || !asset.addresses.is_empty() && asset.addresses.iter().all(is_within)
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
