//! Which asset an event is about.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::bindings::Bindings;
use super::{Asset, BindingSettings, Inventory, Role, Tuples, UnlistedHosts};
use crate::event::{AddressClaim, AssetId, Detail, Event, NetworkConnection, is_local};
use crate::time::EventTime;

/// The inventory, and the bindings that the stream has shown.
#[derive(Debug)]
pub struct Resolver {
    inventory: Arc<Inventory>,
    bindings: Bindings,
    unlisted_hosts: UnlistedHosts,
    contradicted: u64,
    /// How late an event may come, and how far ahead of its time, to teach anything.
    timeliness: Option<(Duration, Duration)>,
}

/// The asset of an event, and how it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The destination, or why the event does not matter.
    pub outcome: Outcome,
    /// What named the destination.
    pub resolved_by: ResolvedBy,
    /// Whether the destination's address and name belong to different assets; the address won.
    pub conflict: bool,
    /// Whether the source is the destination itself.
    pub is_local: bool,
}

/// Which asset an event is about, if any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This asset.
    Asset(AssetId),
    /// A host that is not listed, under the name that it would have, and those are ignored.
    Ignored(AssetId),
    /// Unknown: nothing names the destination.
    Unresolved,
}

/// What named a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResolvedBy {
    /// Its address in the inventory.
    Address,
    /// Its full name in the inventory.
    FullName,
    /// Its short name in the inventory.
    ShortName,
    /// A binding.
    Binding,
    /// Nothing: it is an unlisted host under the name that the event gives it.
    Unlisted,
}

impl ResolvedBy {
    /// The word used in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::FullName => "full_name",
            Self::ShortName => "short_name",
            Self::Binding => "binding",
            Self::Unlisted => "unlisted",
        }
    }
}

/// A destination: an asset of the inventory, or a name for one that is not listed.
enum Found<'a> {
    Listed(&'a Asset, ResolvedBy),
    Unlisted(String, ResolvedBy),
}

impl Resolver {
    /// With no bindings yet. `unlisted_hosts` is the inventory's default where `None`.
    pub fn new(inventory: Arc<Inventory>, unlisted_hosts: Option<UnlistedHosts>) -> Self {
        let unlisted_hosts = unlisted_hosts.unwrap_or_else(|| UnlistedHosts::default_for(&inventory));
        Self {
            inventory,
            bindings: Bindings::default(),
            unlisted_hosts,
            contradicted: 0,
            timeliness: None,
        }
    }

    /// The same with these bounds of bindings, and without any yet.
    pub fn with_settings(mut self, settings: BindingSettings) -> Self {
        self.bindings = Bindings::new(settings);
        self
    }

    /// Puts another inventory in force. Bindings stay: they never depend on the inventory.
    pub fn set_inventory(&mut self, inventory: Arc<Inventory>, unlisted_hosts: UnlistedHosts) {
        self.inventory = inventory;
        self.unlisted_hosts = unlisted_hosts;
    }

    /// From here on only an event that comes no later than `allowed_lateness`, and no more than `clock_skew` before its time,
    /// teaches a service anything: nobody can have been anywhere, in 1970 or in 9999.
    pub const fn set_timeliness(&mut self, allowed_lateness: Duration, clock_skew: Duration) {
        self.timeliness = Some((allowed_lateness, clock_skew));
    }

    /// Applies a claim to the bindings, if it is timely.
    pub fn apply_claim(&mut self, claim: &AddressClaim) {
        if let Some((allowed_lateness, clock_skew)) = self.timeliness
            && !self.bindings.is_timely(claim.time, allowed_lateness, clock_skew)
        {
            return;
        }
        if let Some(asset) = self.inventory.by_address(claim.address) {
            let is_its_own =
                matches!(self.listed(&claim.computer), Some(Found::Listed(other, _)) if other.id == asset.id);
            self.contradicted += u64::from(!is_its_own);
        }
        self.bindings.apply_claim(claim);
    }

    /// Applies what exact tuples show of addresses, in so far as neither inventory nor bindings know these.
    pub fn apply_tuples(&mut self, tuples: Tuples, window: Duration) {
        let is_known = |address| self.inventory.by_address(address).is_some() || self.bindings.has(address);
        for claim in tuples.claims(window, is_known) {
            self.apply_claim(&claim);
        }
    }

    /// The inventory in force.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// The roles of an asset; none of a host that is not listed.
    pub fn roles(&self, asset: &AssetId) -> &[Role] {
        let asset = self.inventory.asset(asset);
        asset.map_or(&[], |asset| asset.roles.as_slice())
    }

    /// The bindings.
    pub fn bindings(&mut self) -> &mut Bindings {
        &mut self.bindings
    }

    /// How many claims since the last call were about an address that the inventory gives to another host. The
    /// inventory won.
    pub fn take_conflicts(&mut self) -> u64 {
        std::mem::take(&mut self.contradicted)
    }

    /// The asset that an event is about.
    pub fn resolve(&self, event: &Event) -> Resolution {
        let (found, conflict) = match &event.detail {
            Detail::NetworkConnection(connection)
                if connection.is_within_one_host() || connection.of_client =>
            {
                (Some(self.logger(event)), false)
            }
            Detail::NetworkConnection(connection) if connection.initiated => {
                self.destination(connection, event.time)
            }
            Detail::NetworkConnection(connection) => (self.logged_by_server(event, connection), false),
            Detail::Logon(_)
            | Detail::ShareSession(_)
            | Detail::PipeConnected(_)
            | Detail::ShareAccess(_) => (Some(self.logger(event)), false),
        };
        let Some(found) = found else {
            let outcome = Outcome::Unresolved;
            return Resolution {
                outcome,
                resolved_by: ResolvedBy::Unlisted,
                conflict,
                is_local: false,
            };
        };
        let resolved_by = match &found {
            Found::Listed(_, by) | Found::Unlisted(_, by) => *by,
        };
        let is_local = self.is_local(event, &found);
        let outcome = match found {
            Found::Listed(asset, _) => Outcome::Asset(asset.id.clone()),
            Found::Unlisted(name, _) if self.unlisted_hosts == UnlistedHosts::Watch => {
                Outcome::Asset(AssetId::new(&name))
            }
            Found::Unlisted(name, _) => Outcome::Ignored(AssetId::new(&name)),
        };
        Resolution {
            outcome,
            resolved_by,
            conflict,
            is_local,
        }
    }

    /// What a binding calls the source of an event, unless the inventory lists that or the source logged the event itself.
    pub fn source_name(&self, event: &Event) -> Option<Arc<str>> {
        let source = match &event.detail {
            Detail::NetworkConnection(connection) if connection.initiated => return None,
            Detail::NetworkConnection(connection) => connection.source_ip,
            Detail::Logon(logon) => logon.source_ip,
            Detail::ShareSession(session) => session.source_ip,
            Detail::ShareAccess(share) => share.source_ip?,
            Detail::PipeConnected(_) => return None,
        };
        if self.inventory.by_address(source).is_some() {
            return None;
        }
        let computer = self
            .bindings
            .host_at(source, event.time, |name| self.is_listed_by_name_alone(name));
        computer.cloned()
    }

    /// The destination of a connection that its client logged: by address, by name, by binding.
    fn destination(&self, connection: &NetworkConnection, time: EventTime) -> (Option<Found<'_>>, bool) {
        let name = connection.destination_host.as_deref();
        let named = name.and_then(|name| self.listed(name));
        if let Some(asset) = connection
            .destination_ip
            .and_then(|ip| self.inventory.by_address(ip))
        {
            let conflict = matches!(named, Some(Found::Listed(other, _)) if other.id != asset.id);
            return (Some(Found::Listed(asset, ResolvedBy::Address)), conflict);
        }
        let found = named
            .or_else(|| self.lookup(connection.destination_ip?, time))
            .or_else(|| Some(self.unlisted(name?)))
            .or_else(|| {
                Some(Found::Unlisted(
                    connection.destination_ip?.to_string(),
                    ResolvedBy::Unlisted,
                ))
            });
        (found, false)
    }

    /// The destination of a connection that its server logged is that server. Its address is used only where the
    /// inventory does not list its name.
    fn logged_by_server(&self, event: &Event, connection: &NetworkConnection) -> Option<Found<'_>> {
        let by_address = || {
            let asset = self.inventory.by_address(connection.destination_ip?)?;
            Some(Found::Listed(asset, ResolvedBy::Address))
        };
        self.listed(&event.computer)
            .or_else(by_address)
            .or_else(|| Some(self.unlisted(&event.computer)))
    }

    /// The computer that logged the event.
    fn logger(&self, event: &Event) -> Found<'_> {
        self.listed(&event.computer)
            .unwrap_or_else(|| self.unlisted(&event.computer))
    }

    /// By full name, then by short name.
    fn listed(&self, name: &str) -> Option<Found<'_>> {
        let full = self
            .inventory
            .by_full_name(name)
            .map(|asset| (asset, ResolvedBy::FullName));
        let found = full.or_else(|| Some((self.inventory.by_short_name(name)?, ResolvedBy::ShortName)));
        found.map(|(asset, by)| Found::Listed(asset, by))
    }

    /// By the computer that had the address at that time: its asset, where the inventory lists it.
    fn lookup(&self, address: IpAddr, time: EventTime) -> Option<Found<'_>> {
        let computer = self
            .bindings
            .host_at(address, time, |name| self.is_listed_by_name_alone(name))?;
        Some(match self.listed(computer) {
            Some(Found::Listed(asset, _)) => Found::Listed(asset, ResolvedBy::Binding),
            _ => Found::Unlisted(computer.to_string(), ResolvedBy::Binding),
        })
    }

    /// Whether the inventory lists this computer and leaves it to the stream to show its addresses. Of one whose addresses it
    /// lists another address is as little its own as anybody's.
    fn is_listed_by_name_alone(&self, computer: &str) -> bool {
        matches!(self.listed(computer), Some(Found::Listed(asset, _)) if asset.addresses.is_empty())
    }

    /// A host that is not listed, under its full name where a binding has it.
    fn unlisted(&self, name: &str) -> Found<'_> {
        let full = if name.contains('.') {
            None
        } else {
            self.bindings.host_named(name)
        };
        match full {
            Some(full) => Found::Unlisted(full.to_string(), ResolvedBy::Binding),
            None => Found::Unlisted(name.to_owned(), ResolvedBy::Unlisted),
        }
    }

    /// Whether the source is the destination itself, by the destination's own log: what another computer says of the two
    /// never makes an access local, nor does a binding, which may be stale or forged.
    fn is_local(&self, event: &Event, found: &Found<'_>) -> bool {
        let (source, destination) = match &event.detail {
            Detail::NetworkConnection(connection) if connection.of_client => (None, None),
            Detail::NetworkConnection(connection) => (Some(connection.source_ip), connection.destination_ip),
            Detail::Logon(logon) => (Some(logon.source_ip), None),
            Detail::ShareSession(session) => (Some(session.source_ip), None),
            Detail::ShareAccess(share) => (share.source_ip, None),
            Detail::PipeConnected(_) => (None, None),
        };
        let Some(source) = source else { return false };
        let is_own = match found {
            Found::Listed(asset, _) => asset.addresses.contains(&source),
            Found::Unlisted(..) => false,
        };
        (is_own || is_local(source) || destination == Some(source)) && self.is_by(event, found)
    }

    /// Whether the host that was found logged the event.
    fn is_by(&self, event: &Event, found: &Found<'_>) -> bool {
        match (found, self.logger(event)) {
            (Found::Listed(asset, _), Found::Listed(logger, _)) => asset.id == logger.id,
            (Found::Unlisted(name, _), Found::Unlisted(logger, _)) => name.eq_ignore_ascii_case(&logger),
            _ => false,
        }
    }
}
