//! The id of everything that decisions depend on.

use serde_json::json;
use xxhash_rust::xxh3::xxh3_128;

use crate::detection::{Exceptions, JoinSettings, RuleSet};
use crate::inventory::{Inventory, UnlistedHosts};

/// Differs whenever settings of the join, rules, inventory, the treatment of unlisted hosts or exceptions differ. Of the
/// order of entries it depends on that of exceptions alone, where the first that covers decides. 32 hexadecimal digits.
pub fn policy_id(
    join: &JoinSettings,
    rules: &RuleSet,
    inventory: &Inventory,
    unlisted_hosts: UnlistedHosts,
    exceptions: &Exceptions,
) -> String {
    let assets: Vec<_> = inventory
        .assets()
        .iter()
        .map(|asset| {
            let roles: Vec<&str> = asset.roles.iter().map(|role| role.as_str()).collect();
            json!([
                asset.id,
                asset.aliases,
                asset.addresses,
                roles,
                asset.site,
                asset.netbios_domain
            ])
        })
        .collect();
    let accounts = inventory.accounts().iter();
    let accounts: Vec<_> = accounts
        .map(|account| json!([account.name, account.sid, account.purpose, account.expected_from]))
        .collect();
    let all = json!([
        join,
        rules.rules(),
        assets,
        accounts,
        unlisted_hosts,
        exceptions.entries()
    ]);
    format!("{:032x}", xxh3_128(all.to_string().as_bytes()))
}
