//! The protected hosts, which of them an event is about, and accounts with the places where they are expected.

mod accounts;
mod bindings;
mod domains;
mod file;
mod lookup;
mod resolver;
mod tuples;

use std::fmt;
use std::net::IpAddr;

pub use accounts::{ListedAccount, Place, Purpose};
pub use bindings::{
    BINDING_MAX_BYTES, BindingRecord, BindingRecordError, BindingSettings, Bindings, BindingsSize, Dropped,
    Seen, Span, json_schema as binding_json_schema,
};
pub use domains::Domains;
pub(crate) use file::place_named;
pub use file::{AccountEntry, Entry, json_schema};
pub use lookup::Inventory;
pub use resolver::{Outcome, Resolution, ResolvedBy, Resolver};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
pub use tuples::Tuples;

use crate::event::AssetId;

/// A host to protect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Its canonical name, in lower case.
    pub id: AssetId,
    /// Other names, in lower case, sorted.
    pub aliases: Vec<String>,
    /// Its addresses, sorted; IPv4-mapped IPv6 is kept as IPv4.
    pub addresses: Vec<IpAddr>,
    /// What it is for, sorted.
    pub roles: Vec<Role>,
    /// The code of its Configuration Manager site, in upper case.
    pub site: Option<String>,
    /// The NetBIOS name of its domain, as written.
    pub netbios_domain: Option<String>,
}

impl Asset {
    /// The domain of its canonical name, in lower case.
    pub(crate) fn dns_domain(&self) -> Option<&str> {
        let (_label, domain) = self.id.as_str().split_once('.')?;
        Some(domain)
    }
}

macro_rules! roles {
    ($($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        /// What a host is for.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        pub enum Role { $($(#[$doc])* #[serde(rename = $word)] $variant),+ }

        impl Role {
            /// Every role that an inventory may name.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word used in files and documents.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

roles! {
    /// A domain controller.
    DomainController = "domain-controller",
    /// A central administration site.
    Cas = "cas",
    /// A primary site server.
    PrimarySiteServer = "primary-site-server",
    /// A secondary site server.
    SecondarySiteServer = "secondary-site-server",
    /// A distribution point.
    DistributionPoint = "distribution-point",
    /// A management point.
    ManagementPoint = "management-point",
    /// A site database server.
    SiteDatabase = "site-database",
    /// An SMS provider.
    SmsProvider = "sms-provider",
    /// Any other Tier 0 host.
    Tier0 = "tier0",
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The role of a host that no inventory lists, in watch mode.
pub const UNLISTED: &str = "unlisted";

/// What to do with hosts that the inventory does not list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnlistedHosts {
    /// Drop what concerns them; the default with an inventory.
    Ignore,
    /// Treat every destination as an asset; the default without one.
    Watch,
}

impl UnlistedHosts {
    /// The default for this inventory.
    pub fn default_for(inventory: &Inventory) -> Self {
        if inventory.is_empty() {
            Self::Watch
        } else {
            Self::Ignore
        }
    }
}
