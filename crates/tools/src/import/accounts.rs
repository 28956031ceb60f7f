//! Accounts of what was gathered, where a place is known that they are expected from.

use pipewarden_core::inventory::Purpose;
use pipewarden_core::text::plural;
use serde::Serialize;

use super::export::ServiceAccount;
use super::hosts::Host;

/// An account, as an inventory file has it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct AccountEntry<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    purpose: &'static str,
    expected_from: Vec<&'a str>,
}

/// The machine accounts of hosts with addresses, then accounts of services that may be used on some of these hosts.
pub(super) fn of<'a>(
    listed: &[(&'a String, &'a Host)],
    services: &'a [ServiceAccount],
    notes: &mut Vec<String>,
) -> Vec<AccountEntry<'a>> {
    let located = || listed.iter().filter(|(_, host)| !host.addresses.is_empty());
    let machines = located().filter_map(|&(name, host)| {
        let (account, sid) = host.account.as_ref()?;
        Some(AccountEntry {
            name: account,
            sid: Some(sid),
            purpose: Purpose::Machine.as_str(),
            expected_from: vec![name],
        })
    });
    let mut accounts: Vec<AccountEntry<'a>> = machines.collect();
    let mut unplaced = 0;
    for service in services {
        let is_user = |name: &str| {
            let label = name.split('.').next().unwrap_or(name);
            service.hosts.iter().any(|host| host == label)
        };
        let users = located().filter(|(name, _)| is_user(name));
        let users: Vec<&str> = users.map(|&(name, _)| name.as_str()).collect();
        if users.is_empty() {
            unplaced += 1;
            continue;
        }
        accounts.push(AccountEntry {
            name: &service.name,
            sid: service.sid.as_deref(),
            purpose: Purpose::Service.as_str(),
            expected_from: users,
        });
    }
    if unplaced > 0 {
        notes.push(format!(
            "{} left out, since no listed host with addresses may use it",
            plural(unplaced, "service account")
        ));
    }
    accounts
}
