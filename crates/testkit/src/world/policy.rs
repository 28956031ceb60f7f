//! The rules and exceptions of worlds.

use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::detection::{Attack, Exceptions, Pipes, Rule, WatchedCallBack};
use pipewarden_core::event::{Pattern, WatchedShare};
use pipewarden_core::inventory::Inventory;

/// A rule that watches `winreg` on both sides, and one that watches a pipe with different names by side, and paths of a share.
pub fn rules() -> Vec<Rule> {
    let rule = |id: &str, connected: &str, shared: &str| Rule {
        id: id.into(),
        name: format!("Remote connection to the {connected} named pipe"),
        pipes: Pipes {
            pipe_connected: [Arc::from(connected)].into(),
            share_access: [Arc::from(shared)].into(),
        },
        risk: 73,
        attack: vec![Attack {
            tactic: "TA0007".into(),
            technique: "T1012".into(),
        }],
        ..Rule::default()
    };
    let of_paths = Rule {
        shares: [WatchedShare {
            share: Pattern::new("REMINST"),
            path: Pattern::new("SMSTemp*"),
        }]
        .into(),
        ..rule("samr", "lsass", "samr")
    };
    vec![rule("detect-8", "winreg", "winreg"), of_paths]
}

/// A rule that watches whether an asset connects back, to be put beside the others.
pub fn rule_with_callback() -> Rule {
    Rule {
        id: "callback".into(),
        callback: Some(WatchedCallBack {
            ports: [445, 80].into(),
            within: Duration::from_secs(5),
            risk_by: 20,
        }),
        ..rules().swap_remove(0)
    }
}

/// Exceptions of every kind, one of which ends within short worlds. [`crate::reference`] implements the same slowly.
pub fn exceptions() -> Arc<Exceptions> {
    let text = r"
exceptions:
  - {id: scanner, reason: test, owner: test, expires: 2040-01-01, action: suppress,
     sources: {addresses: [10.1.0.1/32]}, pipes: [winreg, lsass]}
  - {id: passing, reason: test, owner: test, expires: '2024-10-24T15:25:00Z', action: suppress,
     accounts: ['APERTURE\user0', 'aperture\USER1'], assets: {names: [asset0.aperture.local]}}
  - {id: known-host, reason: test, owner: test, expires: 2040-01-01, action: downgrade,
     sources: {hosts: [client2]}, assets: {names: [asset1.aperture.local]}}
  - {id: hours, reason: test, owner: test, expires: 2040-01-01, action: suppress, sources: {addresses: [10.1.0.0]},
     pipes: [winreg, lsass], attribution: [audited], times: {between: ['15:04-15:08', '17:12-17:20'], zone: UTC}}
  - {id: expected, reason: test, owner: test, expires: 2040-01-01, action: downgrade, accounts: ['APERTURE\user2'],
     only_from: [10.1.0.1]}
";
    let inventory = Arc::new(Inventory::empty());
    Arc::new(Exceptions::none_for(inventory).and(text, "world").unwrap())
}
