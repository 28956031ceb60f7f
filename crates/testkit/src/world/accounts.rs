//! Accounts that are used where they are not expected.

use std::sync::Arc;

use pipewarden_core::detection::{Rule, UsedFrom, WatchedAccounts};
use pipewarden_core::event::{Detail, Observation};
use pipewarden_core::inventory::{Inventory, Purpose};

/// A rule that watches accounts, to be put beside the others.
pub fn rule_about_accounts() -> Rule {
    Rule {
        id: "accounts".into(),
        name: "Service account used from elsewhere".to_owned(),
        accounts: Some(WatchedAccounts {
            purpose: Purpose::Service,
            from: UsedFrom::Elsewhere,
        }),
        risk: 47,
        ..Rule::default()
    }
}

/// An inventory without hosts, with accounts that [`rule_about_accounts`] watches.
pub fn accounts() -> Arc<Inventory> {
    let text = r"
assets: []
accounts:
  - {name: APERTURE\user0, purpose: service, expected_from: [10.1.0.1]}
  - {name: user2, purpose: service, expected_from: [10.1.0.0/31]}
  - {name: APERTURE\user1, purpose: network-access, expected_from: [10.1.0.1]}
";
    Arc::new(Inventory::parse(text, "world").unwrap())
}

/// Whether an observation is the logon of one of these accounts from where it is not expected.
pub fn is_use_from_elsewhere(seen: &Observation) -> bool {
    let Detail::Logon(logon) = &seen.event.detail else {
        return false;
    };
    let source = logon.source_ip.to_string();
    let name = logon.account.as_ref().map(|account| account.name.to_string());
    !seen.is_local
        && match name.as_deref() {
            Some("user0") => source != "10.1.0.1",
            Some("user2") => source != "10.1.0.0" && source != "10.1.0.1",
            _ => false,
        }
}
