//! One proposed entry.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use pipewarden_core::detection::Action;
use pipewarden_core::inventory::{Inventory, Role};

use super::group::Group;
use super::occurrence::{Campaign, Occurrence, Oddity};

/// An entry asks for a time of day only if it was seen on so many days ..
const DAYS: usize = 3;
/// .. and never outside so many hours.
const HOURS: u8 = 6;
/// Hosts are named by a role only if so many have it.
const OF_ROLE: usize = 3;

/// An entry, and what it was seen of.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) action: Action,
    pub(super) sources: BTreeSet<IpAddr>,
    /// None where no account is known.
    pub(super) accounts: BTreeSet<String>,
    pub(super) pipes: BTreeSet<String>,
    /// Roles of the inventory, all of whose hosts were seen.
    pub(super) roles: BTreeSet<Role>,
    /// Hosts that none of these roles means.
    pub(super) hosts: BTreeSet<String>,
    /// The part of the day in UTC, as the file writes it.
    pub(super) times: Option<String>,
    pub(super) rule: String,
    pub(super) alerts: usize,
    pub(super) oddity: Option<Oddity>,
    /// The greatest campaign of one of its sources, in hosts, and the rule of one that is a chain.
    pub(super) campaign: Option<usize>,
    pub(super) chain: Option<String>,
    pub(super) seen: Group,
}

/// What two entries must have in common to be one with several sources: then it covers nothing that was not seen of both.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Same {
    rule: String,
    accounts: BTreeSet<String>,
    is_certain: bool,
    oddity: Option<Oddity>,
    assets: BTreeSet<String>,
    pipes: BTreeSet<String>,
    times: Option<String>,
}

/// Entries for groups: those that suppress first, since the first that covers decides, and of each the most frequent first.
pub(super) fn entries(
    groups: Vec<Group>,
    inventory: &Inventory,
    campaigns: &BTreeMap<IpAddr, Vec<&Campaign>>,
) -> Vec<Entry> {
    let mut merged: BTreeMap<Same, (BTreeSet<IpAddr>, Group)> = BTreeMap::new();
    for group in groups {
        let same = Same {
            rule: group.common.rule.clone(),
            accounts: group.common.accounts.clone(),
            is_certain: group.common.is_certain,
            oddity: group.common.oddity,
            assets: group.assets.keys().cloned().collect(),
            pipes: group.pipes.clone(),
            times: times(&group),
        };
        let source = group.common.source;
        match merged.get_mut(&same) {
            Some((sources, known)) => {
                sources.insert(source);
                known.merge(group);
            }
            None => {
                merged.insert(same, (BTreeSet::from([source]), group));
            }
        }
    }
    let merged = merged.into_iter();
    let mut entries: Vec<Entry> = merged
        .map(|(same, (sources, group))| entry(same, sources, group, inventory, campaigns))
        .collect();
    entries.sort_by(|a, b| (a.action, b.alerts, &a.rule, &a.id).cmp(&(b.action, a.alerts, &b.rule, &b.id)));
    let mut known: BTreeMap<String, u32> = BTreeMap::new();
    for entry in &mut entries {
        let number = known.entry(entry.id.clone()).or_default();
        *number += 1;
        if *number > 1 {
            entry.id = format!("{}-no{number}", entry.id);
        }
    }
    entries
}

fn entry(
    same: Same,
    sources: BTreeSet<IpAddr>,
    group: Group,
    inventory: &Inventory,
    campaigns: &BTreeMap<IpAddr, Vec<&Campaign>>,
) -> Entry {
    let (roles, hosts) = roles(&same.assets, inventory);
    let of_sources = || {
        sources
            .iter()
            .filter_map(|source| campaigns.get(source))
            .flatten()
    };
    let chain = of_sources().find_map(|campaign| campaign.chain.clone());
    let campaign = of_sources().map(|campaign| campaign.assets).max();
    Entry {
        id: id(&same, &sources),
        action: if same.is_certain {
            Action::Suppress
        } else {
            Action::Downgrade
        },
        sources,
        accounts: same.accounts,
        pipes: same.pipes,
        roles,
        hosts,
        times: same.times,
        rule: same.rule,
        alerts: group.alerts,
        oddity: same.oddity,
        campaign,
        chain,
        seen: group,
    }
}

/// `svc-scan-10-1-9-7-detect-8`
fn id(same: &Same, sources: &BTreeSet<IpAddr>) -> String {
    let account = same.accounts.first().map_or("any", |account| {
        account
            .rsplit('\\')
            .next()
            .unwrap_or(account)
            .trim_end_matches('$')
    });
    let source = sources.first().map(ToString::to_string).unwrap_or_default();
    let all = format!("{account}-{source}-{}", same.rule).to_lowercase();
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' {
            c
        } else {
            '-'
        }
    };
    all.chars().map(plain).take(80).collect()
}

/// Hosts by roles of which all hosts are among them, and the others by name.
fn roles(assets: &BTreeSet<String>, inventory: &Inventory) -> (BTreeSet<Role>, BTreeSet<String>) {
    let with = |role: Role| {
        let listed = inventory.assets().iter();
        let listed = listed.filter(move |asset| asset.roles.contains(&role));
        listed.map(|asset| asset.id.as_str()).collect::<BTreeSet<&str>>()
    };
    let mut roles = BTreeSet::new();
    let mut left = assets.clone();
    for &role in Role::ALL {
        let hosts = with(role);
        let is_new = hosts.iter().any(|host| left.contains(*host));
        if hosts.len() >= OF_ROLE && is_new && hosts.iter().all(|host| assets.contains(*host)) {
            left.retain(|host| !hosts.contains(host.as_str()));
            roles.insert(role);
        }
    }
    (roles, left)
}

/// The shortest part of the day that holds all hours, if these are few on several days.
fn times(group: &Group) -> Option<String> {
    let first = *group.hours.first()?;
    if group.days.len() < DAYS {
        return None;
    }
    let hours: Vec<u8> = group.hours.iter().copied().collect();
    let following = hours.iter().skip(1).copied().chain([first + 24]);
    // It begins after the longest pause.
    let (begins, pause) = hours
        .iter()
        .zip(following)
        .map(|(hour, next)| (next % 24, next - hour))
        .max_by_key(|(begins, pause)| (*pause, *begins))?;
    let length = 25 - pause;
    let ends = (begins + length) % 24;
    let ends = if ends == 0 { 24 } else { ends };
    (length <= HOURS).then(|| format!("{begins:02}:00-{ends:02}:00"))
}

impl Entry {
    /// Whether it may cover an alert: whatever the engine finds covered is covered here.
    pub(super) fn may_cover(&self, alert: &Occurrence) -> bool {
        let name = |account: &String| account.rsplit('\\').next().unwrap_or_default().to_lowercase();
        let names: BTreeSet<String> = self.accounts.iter().map(name).collect();
        let has_role = |role: &Role| alert.roles.contains(role.as_str());
        alert.source.is_some_and(|source| self.sources.contains(&source))
            && (names.is_empty()
                || alert
                    .accounts
                    .iter()
                    .all(|account| names.contains(&name(account))))
            && alert.pipes.is_subset(&self.pipes)
            && (self.hosts.contains(&alert.asset) || self.roles.iter().any(has_role))
    }
}

#[cfg(test)]
mod tests {
    use pipewarden_core::time::EventTime;
    use proptest::prelude::*;

    use super::*;
    use crate::propose::group::Common;

    fn group(hours: &[u8], days: i64) -> Group {
        let common = Common {
            rule: "detect-8".to_owned(),
            source: IpAddr::from([10, 0, 0, 1]),
            accounts: BTreeSet::new(),
            is_certain: true,
            oddity: None,
        };
        let mut group = Group::new(common, EventTime::from_micros(0));
        group.hours.extend(hours);
        group.days.extend((0..days).map(EventTime::from_micros));
        group
    }

    #[test]
    fn a_time_of_day_is_asked_for_where_few_hours_recur_on_several_days() {
        for (hours, days, expected) in [
            (vec![1, 2], 3, Some("01:00-03:00")),
            (vec![1, 2], 2, None),
            (vec![23, 0, 1], 5, Some("23:00-02:00")),
            (vec![22, 23], 5, Some("22:00-24:00")),
            (vec![0], 5, Some("00:00-01:00")),
            (vec![0, 5], 5, Some("00:00-06:00")),
            (vec![0, 6], 5, None),
            ((0..24).collect(), 5, None),
        ] {
            assert_eq!(
                times(&group(&hours, days)).as_deref(),
                expected,
                "{hours:?} {days}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_hour_that_was_seen_is_outside_the_time_of_day(
            hours in proptest::collection::btree_set(0u8..24, 1..8)
        ) {
            let hours: Vec<u8> = hours.into_iter().collect();
            if let Some(times) = times(&group(&hours, 7)) {
                let number = |text: &str| text[..2].parse::<u8>().unwrap();
                let (from, to) = times.split_once('-').unwrap();
                let (from, to) = (number(from), number(to));
                for hour in hours {
                    let is_in = if from < to {
                        (from..to).contains(&hour)
                    } else {
                        hour >= from || hour < to
                    };
                    prop_assert!(is_in, "{hour} in {times}");
                }
            }
        }
    }

    #[test]
    fn hosts_are_named_by_a_role_only_where_all_that_have_it_were_seen() {
        let inventory = Inventory::parse(
            "assets:
  - {name: dp1, roles: [distribution-point]}
  - {name: dp2, roles: [distribution-point]}
  - {name: dp3, roles: [distribution-point]}
  - {name: dc1, roles: [domain-controller]}
",
            "test",
        )
        .unwrap();
        let found = |names: &[&str]| {
            let assets = names.iter().map(ToString::to_string).collect();
            let (roles, hosts) = roles(&assets, &inventory);
            (roles.len(), hosts.into_iter().collect::<Vec<_>>().join(" "))
        };
        assert_eq!(found(&["dp1", "dp2", "dp3", "dc1"]), (1, "dc1".to_owned()));
        assert_eq!(found(&["dp1", "dp2", "dc1"]), (0, "dc1 dp1 dp2".to_owned()));
    }
}
