//! Which entries do less than they say, by the inventory and the rules in force.

use std::fmt;
use std::sync::Arc;

use super::{Action, Exception, Exceptions, has_role};
use crate::detection::Rule;
use crate::event::same_host;
use crate::inventory::Asset;

/// Why an entry does less than it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortfall {
    /// The inventory gives no address to a host that it names: what a host calls itself suppresses nothing.
    NamesOnly,
    /// No 5145 bears a pipe that it names, and nothing else suppresses.
    NotAudited,
    /// The inventory gives no address to a host with a role that it names as a source.
    NoSource,
    /// No rule watches a pipe that it names.
    NotWatched,
}

impl Shortfall {
    /// Whether it covers nothing at all, where others only downgrade.
    const fn is_whole(self) -> bool {
        matches!(self, Self::NoSource | Self::NotWatched)
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
            Self::NoSource => {
                "covers nothing: the inventory gives an address to no host that its sources.roles name"
            }
            Self::NotWatched => "covers nothing: no rule that is on watches any of its pipes",
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
        let reasons = [entry.pipes_fall_short(rules), self.sources_fall_short(entry)];
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
    fn pipes_fall_short(&self, rules: &[Rule]) -> Option<Shortfall> {
        let pipes = self.pipes.as_ref()?;
        let is_named = |pipe: &Arc<str>| pipes.contains(&**pipe);
        if rules
            .iter()
            .any(|rule| rule.pipes.share_access.iter().any(is_named))
        {
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

    #[test]
    fn a_pipe_by_its_name_of_sysmon_alone_is_never_audited() {
        let short = |action: &str, pipe: &str| {
            let text = format!(
                "exceptions: [{{id: one, reason: r, owner: o, expires: 2040-01-01, action: {action}, broad: true, pipes: \
                 [{pipe}]}}]"
            );
            let exceptions = Exceptions::none_for(Arc::new(Inventory::empty()))
                .and(&text, "test")
                .unwrap();
            let found = exceptions.shortfalls(&[rule(&["ntsvcs"], &["svcctl"])]);
            found.first().map(|(_, shortfall)| *shortfall)
        };
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
