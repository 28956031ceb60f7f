//! The inventory, by name and by address.

use std::collections::HashMap;
use std::net::IpAddr;

use super::accounts::{Accounts, ListedAccount};
use super::file;
use super::{Asset, Domains};
use crate::diagnostics::FileError;
use crate::event::AssetId;

/// The hosts to protect.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    assets: Vec<Asset>,
    by_id: HashMap<AssetId, usize>,
    by_address: HashMap<IpAddr, usize>,
    by_name: HashMap<String, usize>,
    /// By first label, unless several assets share it.
    by_label: HashMap<String, Option<usize>>,
    pub(super) domains: Domains,
    pub(super) accounts: Accounts,
}

impl Inventory {
    /// No hosts.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads an inventory from YAML; `origin` names it in errors.
    ///
    /// # Errors
    /// [`FileError`], which names the line.
    pub fn parse(text: &str, origin: &str) -> Result<Self, FileError> {
        file::parse(text, origin).map(|(assets, accounts)| Self::of(assets, accounts))
    }

    fn of(assets: Vec<Asset>, accounts: Vec<ListedAccount>) -> Self {
        let mut inventory = Self::default();
        for (index, asset) in assets.iter().enumerate() {
            inventory.by_id.insert(asset.id.clone(), index);
            inventory
                .by_address
                .extend(asset.addresses.iter().map(|&address| (address, index)));
            for name in [asset.id.as_str()]
                .into_iter()
                .chain(asset.aliases.iter().map(String::as_str))
            {
                inventory.by_name.insert(name.to_owned(), index);
                inventory
                    .by_label
                    .entry(label(name).to_owned())
                    .and_modify(|owner| *owner = owner.filter(|&owner| owner == index))
                    .or_insert(Some(index));
            }
        }
        inventory.domains = Domains::of(&assets);
        inventory.accounts = Accounts::of(accounts, &assets, &inventory.domains);
        inventory.assets = assets;
        inventory
    }

    /// The assets, by name.
    pub fn assets(&self) -> &[Asset] {
        &self.assets
    }

    /// What domains are called.
    pub const fn domains(&self) -> &Domains {
        &self.domains
    }

    /// Whether it lists no host.
    pub fn is_empty(&self) -> bool {
        self.assets.is_empty()
    }

    /// The asset with this canonical name.
    pub fn asset(&self, id: &AssetId) -> Option<&Asset> {
        self.by_id.get(id).map(|&index| &self.assets[index])
    }

    /// The asset that has this address.
    pub fn by_address(&self, address: IpAddr) -> Option<&Asset> {
        self.by_address
            .get(&address.to_canonical())
            .map(|&index| &self.assets[index])
    }

    /// The asset with exactly this name or alias, in any case.
    pub fn by_full_name(&self, name: &str) -> Option<&Asset> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        self.by_name.get(&name).map(|&index| &self.assets[index])
    }

    /// The one asset whose name can be this one with the domain left out on either side: a short name matches an
    /// asset's first label, and a full name an entry that was given short.
    pub fn by_short_name(&self, name: &str) -> Option<&Asset> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if name.contains('.') {
            // Only an entry that names no domain can be meant by a full name of any.
            let index = self.by_name.get(label(&name))?;
            let unique = *self.by_label.get(label(&name))?;
            (unique == Some(*index)).then(|| &self.assets[*index])
        } else {
            let index = (*self.by_label.get(&name)?)?;
            Some(&self.assets[index])
        }
    }
}

/// A name's first label.
pub(super) fn label(name: &str) -> &str {
    name.split_once('.').map_or(name, |(label, _domain)| label)
}
