//! Where observations belong, and which of them are kept.

use std::collections::BTreeSet;

use pipewarden_core::detection::SessionEvidence;
use pipewarden_core::event::{AssetId, Detail, Event, Observation, Received};
use pipewarden_core::inventory::{Outcome, Purpose, ResolvedBy, Resolver};

use super::{Reason, Routed, RoutedObservation};

/// Where observations belong.
#[derive(Debug)]
pub(super) struct Destinations {
    pub(super) resolver: Resolver,
    pub(super) session_evidence: SessionEvidence,
    /// The purposes of accounts that some rule watches.
    pub(super) account_purposes: BTreeSet<Purpose>,
}

impl Destinations {
    pub(super) fn resolve(&self, received: Received) -> Routed {
        let resolution = self.resolver.resolve(&received.event);
        let is_local = resolution.is_local;
        let is_use = |asset: &AssetId| !is_local && self.is_use_from_elsewhere(&received.event.detail, asset);
        let asset = match resolution.outcome {
            Outcome::Asset(asset) => asset,
            Outcome::Ignored(asset) if is_use(&asset) => asset,
            Outcome::Ignored(_) => return Routed::Skipped(Reason::UnlistedHost),
            Outcome::Unresolved => return Routed::Skipped(Reason::UnresolvedDestination),
        };
        let roles = self.resolver.roles(&asset);
        if !self.session_evidence.keeps(&received.event.detail, roles) && !is_use(&asset) {
            return Routed::Skipped(Reason::NotKept);
        }
        let names_its_destination = match &received.event.detail {
            Detail::NetworkConnection(connection) => connection.initiated,
            _ => false,
        };
        let source_name = (!is_local)
            .then(|| self.resolver.source_name(&received.event))
            .flatten();
        Routed::Observation(RoutedObservation {
            observation: Observation::new(asset, received)
                .local_where(is_local)
                .bound_where(names_its_destination && resolution.resolved_by == ResolvedBy::Binding)
                .with_source_name(source_name),
            resolved_by: resolution.resolved_by,
            conflict: resolution.conflict,
        })
    }

    /// Whether the host is watched that an event is about.
    pub(super) fn keeps(&self, event: &Event) -> bool {
        matches!(self.resolver.resolve(event).outcome, Outcome::Asset(_))
    }

    /// Whether it is the logon of an account that a rule watches, from where that is not expected: on whichever host.
    fn is_use_from_elsewhere(&self, detail: &Detail, asset: &AssetId) -> bool {
        let Detail::Logon(logon) = detail else {
            return false;
        };
        let Some(account) = logon
            .account
            .as_ref()
            .filter(|_| !self.account_purposes.is_empty())
        else {
            return false;
        };
        let inventory = self.resolver.inventory();
        let purposes = inventory.used_elsewhere(account, logon.source_ip, asset);
        !purposes.is_disjoint(&self.account_purposes)
    }
}
