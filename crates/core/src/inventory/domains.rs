//! Which names of domains mean one domain.

use std::collections::BTreeMap;

use super::Asset;

/// The NetBIOS names of DNS domains, as the inventory's assets give them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domains {
    netbios: BTreeMap<String, String>,
}

impl Domains {
    /// Those of assets; the first to name a domain decides, and a file in which two differ is rejected.
    pub(super) fn of(assets: &[Asset]) -> Self {
        let mut netbios = BTreeMap::new();
        for asset in assets {
            if let (Some(domain), Some(name)) = (asset.dns_domain(), &asset.netbios_domain) {
                netbios
                    .entry(domain.to_owned())
                    .or_insert_with(|| name.to_ascii_lowercase());
            }
        }
        Self { netbios }
    }

    /// The NetBIOS name of a domain, in lower case: that of a DNS domain is what the inventory gives, else its first
    /// label.
    pub fn netbios(&self, domain: &str) -> String {
        let domain = domain.trim_end_matches('.').to_ascii_lowercase();
        match self.netbios.get(&domain) {
            Some(name) => name.clone(),
            None => super::lookup::label(&domain).to_owned(),
        }
    }

    /// The NetBIOS name of the domain that an asset belongs to, in lower case; `None` where the inventory gives neither
    /// that nor a full name.
    pub fn of_asset(&self, asset: &Asset) -> Option<String> {
        match &asset.netbios_domain {
            Some(name) => Some(name.to_ascii_lowercase()),
            None => Some(self.netbios(asset.dns_domain()?)),
        }
    }
}
