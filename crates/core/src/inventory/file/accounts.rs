//! The accounts of an inventory file.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Check, role_named};
use crate::diagnostics::nearest;
use crate::inventory::Asset;
use crate::inventory::accounts::{ListedAccount, Place, Purpose};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
// Public for the schemas of other files that hold such entries.
#[expect(missing_docs, reason = "the schema would show it as a description")]
pub struct AccountEntry {
    /// `DOMAIN\name`, or a name alone, which is one of any domain.
    #[schemars(with = "String", length(min = 1))]
    name: Spanned<String>,
    /// Its SID, which tells it from others of this name.
    #[serde(default)]
    #[schemars(with = "Option<String>", regex(pattern = "^[Ss]-1-"))]
    sid: Option<Spanned<String>>,
    /// What it is for: what rules about accounts name.
    #[schemars(with = "Purpose")]
    purpose: Spanned<String>,
    /// Where it is used from: `role:` and a role, the name of an asset, an address, or a network as `10.1.0.0/24`. A machine
    /// account of an asset is expected from that asset without an entry.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    expected_from: Vec<Spanned<String>>,
}

impl Check {
    /// An account, once all assets have been read.
    pub(super) fn account(&mut self, entry: &AccountEntry, assets: &[Asset]) -> Option<ListedAccount> {
        let name = entry.name.value.trim();
        let parts: Vec<&str> = name.split('\\').collect();
        if parts.len() > 2 || parts.iter().any(|part| part.trim().is_empty()) || name.contains('@') {
            let problem = format!(
                "{:?} is not the name of an account, as APERTURE\\svc-push",
                entry.name.value
            );
            self.complain(&entry.name, problem);
            return None;
        }
        let sid = entry.sid.as_ref();
        if let Some(sid) = sid.filter(|sid| !sid.value.to_ascii_uppercase().starts_with("S-1-")) {
            self.complain(sid, format!("{:?} of the account {name} is not a SID", sid.value));
        }
        let purpose = self.purpose(&entry.purpose, name)?;
        if entry.expected_from.is_empty() && purpose != Purpose::Machine {
            let problem =
                format!("the account {name} is expected from nowhere; say from where under expected_from");
            self.complain(&entry.name, problem);
        }
        let places = entry.expected_from.iter();
        let places: Vec<Place> = places.filter_map(|text| self.place(text, name, assets)).collect();
        Some(ListedAccount {
            name: name.to_owned(),
            sid: sid.map(|sid| sid.value.trim().to_owned()),
            purpose,
            expected_from: places,
        })
    }

    fn purpose(&mut self, text: &Spanned<String>, owner: &str) -> Option<Purpose> {
        let mut all = Purpose::ALL.iter().copied();
        let known = all.find(|purpose| purpose.as_str() == text.value);
        if known.is_none() {
            let words = Purpose::ALL.iter().map(|purpose| purpose.as_str());
            let nearest = nearest(&text.value, words).expect("there are purposes");
            let problem = format!(
                "unknown purpose {:?} of the account {owner}; did you mean {nearest}?",
                text.value
            );
            self.complain(text, problem);
        }
        known
    }

    /// A place. One whose addresses nobody lists would make every use one from elsewhere.
    fn place(&mut self, text: &Spanned<String>, owner: &str, assets: &[Asset]) -> Option<Place> {
        let place = place_named(&text.value, &format!("the account {owner}"), assets);
        place.map_err(|problem| self.complain(text, problem)).ok()
    }
}

/// The place that files call so, from where `owner` is expected.
///
/// # Errors
/// There is no such place, or nobody could be at it: no address of an asset that it means is listed.
pub(crate) fn place_named(written: &str, owner: &str, assets: &[Asset]) -> Result<Place, String> {
    let written = written.trim();
    if let Ok(address) = written.parse::<IpAddr>() {
        return Ok(Place::Network(IpNet::from(address.to_canonical())));
    }
    if let Ok(network) = written.parse::<IpNet>() {
        return Ok(Place::Network(network));
    }
    let place = match written.strip_prefix("role:") {
        Some(role) => role_named(role.trim())
            .map(Place::Role)
            .map_err(|nearest| format!("unknown role {role:?} of {owner}; did you mean {nearest}?"))?,
        None => asset_named(written, assets)
            .map(|asset| Place::Asset(asset.id.clone()))
            .ok_or_else(|| {
                format!(
                    "{written:?}, from where {owner} is expected, is no asset, address or network; a role is written role:tier0"
                )
            })?,
    };
    let is_meant = |asset: &&Asset| match &place {
        Place::Role(role) => asset.roles.contains(role),
        Place::Asset(id) => asset.id == *id,
        Place::Network(_) => false,
    };
    let mut meant = assets.iter().filter(is_meant);
    match meant.find(|asset| asset.addresses.is_empty()) {
        Some(unknown) => Err(format!(
            "{owner} is expected from {written}, and no address of {} is listed; list them, or name networks",
            unknown.id
        )),
        None => Ok(place),
    }
}

/// An asset by one of its names, or by its first label where that is one asset's.
fn asset_named<'a>(written: &str, assets: &'a [Asset]) -> Option<&'a Asset> {
    let name = written.trim_end_matches('.').to_ascii_lowercase();
    let names = |asset: &'a Asset| {
        let aliases = asset.aliases.iter().map(String::as_str);
        aliases.chain([asset.id.as_str()])
    };
    let mut exact = assets
        .iter()
        .filter(|asset| names(asset).any(|known| known == name));
    if let Some(asset) = exact.next() {
        return Some(asset);
    }
    let is_label = |known: &str| known.split('.').next() == Some(name.as_str());
    let mut by_label = assets.iter().filter(|asset| names(asset).any(is_label));
    by_label.next().filter(|_| by_label.next().is_none())
}

#[cfg(test)]
mod tests {
    use crate::inventory::Inventory;

    #[test]
    fn every_mistake_of_an_account_is_an_error_with_its_line_and_what_would_be_right() {
        for (account, expected) in [
            (
                r"{name: 'APERTURE\svc\push', purpose: service, expected_from: [atlas]}",
                "as APERTURE\\svc-push",
            ),
            (
                "{name: svc@aperture.local, purpose: service, expected_from: [atlas]}",
                "as APERTURE\\svc-push",
            ),
            (
                "{name: svc, purpose: servce, expected_from: [atlas]}",
                "did you mean service?",
            ),
            ("{name: svc, purpose: service}", "expected from nowhere"),
            (
                "{name: svc, purpose: service, expected_from: ['role:tier']}",
                "did you mean tier0?",
            ),
            (
                "{name: svc, purpose: service, expected_from: [nobody]}",
                "is no asset",
            ),
            (
                "{name: svc, purpose: service, expected_from: [chell]}",
                "no address of chell.aperture.local is listed",
            ),
            (
                "{name: svc, purpose: service, expected_from: ['role:tier0']}",
                "no address of chell.aperture.local is listed",
            ),
            (
                "{name: svc, sid: '1105', purpose: service, expected_from: [atlas]}",
                "is not a SID",
            ),
        ] {
            let text = format!(
                "assets:\n  - {{name: atlas.aperture.local, addresses: [10.1.0.50]}}\n  \
                 - {{name: chell.aperture.local, roles: [tier0]}}\naccounts:\n  - {account}\n"
            );
            let error = Inventory::parse(&text, "hosts.yaml").unwrap_err().to_string();
            assert!(
                error.contains(expected) && error.contains('5'),
                "{account}: {error}"
            );
        }
    }
}
