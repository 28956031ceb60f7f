//! Which entries do less than they say, by the inventory and the rules in force.

use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;

use super::{Action, Exception, Exceptions, has_role};
use crate::detection::{Attribution, Rule};
use crate::event::same_host;
use crate::inventory::{Asset, Place};

/// Why an entry does less than it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortfall {
    /// The inventory gives no address to a host that it names: what a host calls itself suppresses nothing.
    NamesOnly,
    /// No 5145 bears a pipe that it names, and nothing else suppresses.
    NotAudited,
    /// It names processes, which only the client's own log shows.
    ByProcess,
    /// It leaves out alerts whose every access is audited, or asks that some is not.
    NeverAudited,
    /// It names nothing but attributions without a known source, and does not say `broad`.
    NeedsBroad,
    /// It asks that all accesses are audited, and no 5145 bears a pipe that it names.
    AuditedAtNoPipe,
    /// No address is both where its sources and where its accounts are expected.
    NowhereBoth,
    /// The inventory gives no address to a host with a role that it names as a source.
    NoSource,
    /// No rule watches a pipe that it names.
    NotWatched,
    /// No rule that it names is on.
    NoRule,
}

impl Shortfall {
    /// Whether it covers nothing at all, where others only downgrade.
    const fn is_whole(self) -> bool {
        match self {
            Self::NamesOnly | Self::NotAudited | Self::ByProcess | Self::NeverAudited => false,
            Self::NeedsBroad
            | Self::AuditedAtNoPipe
            | Self::NowhereBoth
            | Self::NoSource
            | Self::NotWatched
            | Self::NoRule => true,
        }
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NamesOnly => {
                "never suppresses, it only downgrades: the inventory gives an address to none of its sources.hosts, and what a \
                 host calls itself in its own log is not enough"
            }
            Self::NotAudited => {
                "never suppresses, it only downgrades: no rule watches its pipes under a name of 5145, and only alerts whose \
                 every access 5145 names the source of are suppressed"
            }
            Self::ByProcess => {
                "never suppresses, it only downgrades: which processes connected is known by the client's own log alone"
            }
            Self::NeverAudited => {
                "never suppresses, it only downgrades: only alerts whose every access is audited are suppressed, and its \
                 attribution leaves audited out"
            }
            Self::NeedsBroad => {
                "covers nothing: its attribution names only alerts without a known source, which no entry covers that does not say \
                 `broad: true`"
            }
            Self::AuditedAtNoPipe => {
                "covers nothing: its attribution asks for audited accesses, and no rule watches its pipes under a name of 5145"
            }
            Self::NowhereBoth => "covers nothing: no address of its sources is one of its only_from",
            Self::NoSource => {
                "covers nothing: the inventory gives an address to no host that its sources.roles name"
            }
            Self::NotWatched => "covers nothing: no rule that is on watches any of its pipes",
            Self::NoRule => "covers nothing: none of its rules is on",
        })
    }
}

impl Exceptions {
    /// The entries that do less than they say, in order, and why; of several reasons the gravest.
    pub fn shortfalls(&self, rules: &[Rule]) -> Vec<(&Exception, Shortfall)> {
        let entries = self.entries.iter().map(|entry| &**entry);
        let short = entries.filter_map(|entry| Some((entry, self.shortfall(entry, rules)?)));
        short.collect()
    }

    fn shortfall(&self, entry: &Exception, rules: &[Rule]) -> Option<Shortfall> {
        let reasons = [
            entry.pipes_fall_short(rules),
            self.sources_fall_short(entry),
            entry.processes.as_ref().map(|_| Shortfall::ByProcess),
            entry.attribution_falls_short(rules),
            entry.places_fall_short(),
            entry.rules_fall_short(rules),
        ];
        let reasons = reasons.into_iter().flatten();
        let felt = reasons.filter(|reason| reason.is_whole() || entry.action == Action::Suppress);
        felt.max_by_key(|reason| reason.is_whole())
    }

    fn sources_fall_short(&self, entry: &Exception) -> Option<Shortfall> {
        let sources = entry
            .sources
            .as_ref()
            .filter(|sources| sources.networks.is_empty())?;
        let is_meant = |asset: &Asset| {
            let names = asset.aliases.iter().map(String::as_str);
            let is_named = |name: &str| sources.hosts.iter().any(|host| same_host(host, name));
            has_role(asset, &sources.roles) || names.chain([asset.id.as_str()]).any(is_named)
        };
        let mut owners = self.inventory.assets().iter();
        if owners.any(|asset| !asset.addresses.is_empty() && is_meant(asset)) {
            None
        } else if sources.hosts.is_empty() {
            Some(Shortfall::NoSource)
        } else {
            Some(Shortfall::NamesOnly)
        }
    }
}

impl Exception {
    /// Whether a rule watches one of its pipes under a name of 5145, or it names none.
    fn has_audited_pipe(&self, rules: &[Rule]) -> bool {
        self.pipes.as_ref().is_none_or(|pipes| {
            let is_named = |pipe: &Arc<str>| pipes.contains(&**pipe);
            let mut rules = rules.iter();
            rules.any(|rule| rule.pipes.share_access.iter().any(is_named))
        })
    }

    fn attribution_falls_short(&self, rules: &[Rule]) -> Option<Shortfall> {
        let known = self.attribution.as_ref()?;
        let has_source = known.contains(&Attribution::Audited) || known.contains(&Attribution::Inferred);
        if !has_source && !self.is_broad {
            Some(Shortfall::NeedsBroad)
        } else if !known.contains(&Attribution::Audited) {
            Some(Shortfall::NeverAudited)
        } else if known.len() == 1 && !self.has_audited_pipe(rules) {
            Some(Shortfall::AuditedAtNoPipe)
        } else {
            None
        }
    }

    fn rules_fall_short(&self, rules: &[Rule]) -> Option<Shortfall> {
        let ids = self.rules.as_ref()?;
        let is_any_on = rules.iter().any(|rule| ids.contains(&*rule.id));
        (!is_any_on).then_some(Shortfall::NoRule)
    }

    /// Of networks alone: who has a role, or a name, is at addresses that change.
    fn places_fall_short(&self) -> Option<Shortfall> {
        let (places, sources) = (self.only_from.as_ref()?, self.sources.as_ref()?);
        let meets = |network: &IpNet| {
            places.iter().any(|place| match place {
                Place::Network(place) => place.contains(network) || network.contains(place),
                Place::Role(_) | Place::Asset(_) => true,
            })
        };
        let is_apart =
            sources.hosts.is_empty() && sources.roles.is_empty() && !sources.networks.iter().any(meets);
        is_apart.then_some(Shortfall::NowhereBoth)
    }

    fn pipes_fall_short(&self, rules: &[Rule]) -> Option<Shortfall> {
        let pipes = self.pipes.as_ref()?;
        let is_named = |pipe: &Arc<str>| pipes.contains(&**pipe);
        if self.has_audited_pipe(rules) {
            None
        } else if rules
            .iter()
            .any(|rule| rule.pipes.pipe_connected.iter().any(is_named))
        {
            Some(Shortfall::NotAudited)
        } else {
            Some(Shortfall::NotWatched)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::Pipes;
    use crate::inventory::Inventory;

    fn rule(connected: &[&str], shared: &[&str]) -> Rule {
        let set = |names: &[&str]| names.iter().map(|&name| Arc::from(name)).collect();
        Rule {
            id: "svcctl".into(),
            name: "Service control".to_owned(),
            pipes: Pipes {
                pipe_connected: set(connected),
                share_access: set(shared),
            },
            risk: 47,
            ..Rule::default()
        }
    }

    /// Of an entry with these selectors, beside a rule that watches `ntsvcs` of Sysmon 18 and `svcctl` of 5145.
    fn shortfall(action: &str, selectors: &str) -> Option<Shortfall> {
        let text = format!(
            "exceptions: [{{id: one, reason: r, owner: o, expires: 2040-01-01, action: {action}, {selectors}}}]"
        );
        let exceptions = Exceptions::none_for(Arc::new(Inventory::empty()))
            .and(&text, "test")
            .unwrap();
        let found = exceptions.shortfalls(&[rule(&["ntsvcs"], &["svcctl"])]);
        found.first().map(|(_, shortfall)| *shortfall)
    }

    #[test]
    fn what_can_never_suppress_or_never_hold_is_known_by_its_selectors() {
        for (selectors, expected) in [
            (
                "processes: [mon.exe], accounts: ['A\\x']",
                Some(Shortfall::ByProcess),
            ),
            (
                "accounts: ['A\\x'], pipes: [svcctl], attribution: [inferred]",
                Some(Shortfall::NeverAudited),
            ),
            (
                "accounts: ['A\\x'], pipes: [svcctl], attribution: [ambiguous, none]",
                Some(Shortfall::NeedsBroad),
            ),
            (
                "broad: true, pipes: [svcctl], attribution: [ambiguous]",
                Some(Shortfall::NeverAudited),
            ),
            (
                "accounts: ['A\\x'], pipes: [ntsvcs], attribution: [audited]",
                Some(Shortfall::AuditedAtNoPipe),
            ),
            (
                "accounts: ['A\\x'], only_from: [10.1.0.0/16], sources: {addresses: [10.2.0.1]}",
                Some(Shortfall::NowhereBoth),
            ),
            (
                "accounts: ['A\\x'], only_from: [10.1.0.7], sources: {addresses: [10.1.0.0/16]}",
                None,
            ),
            (
                "accounts: ['A\\x'], pipes: [svcctl], rules: [samr]",
                Some(Shortfall::NoRule),
            ),
            ("accounts: ['A\\x'], pipes: [svcctl], rules: [samr, svcctl]", None),
            (
                "accounts: ['A\\x'], pipes: [svcctl], attribution: [audited, inferred], times: {between: ['22:00-04:00']}",
                None,
            ),
        ] {
            assert_eq!(shortfall("suppress", selectors), expected, "{selectors}");
        }
        for selectors in [
            "processes: [mon.exe], accounts: ['A\\x']",
            "accounts: ['A\\x'], pipes: [svcctl], attribution: [inferred]",
        ] {
            assert_eq!(
                shortfall("downgrade", selectors),
                None,
                "it says no more than that"
            );
        }
    }

    #[test]
    fn a_pipe_by_its_name_of_sysmon_alone_is_never_audited() {
        let short = |action: &str, pipe: &str| shortfall(action, &format!("broad: true, pipes: [{pipe}]"));
        assert_eq!(short("suppress", "ntsvcs"), Some(Shortfall::NotAudited));
        assert_eq!(short("downgrade", "ntsvcs"), None);
        assert_eq!(
            short("suppress", "'ntsvcs, svcctl'"),
            Some(Shortfall::NotWatched),
            "one name"
        );
        assert_eq!(short("suppress", "ntsvcs, svcctl"), None);
        assert_eq!(short("downgrade", "winreg"), Some(Shortfall::NotWatched));
    }
}
