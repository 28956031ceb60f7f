//! Where observations belong, and which of them are kept.

use pipewarden_core::detection::SessionEvidence;
use pipewarden_core::event::{Observation, Received};
use pipewarden_core::inventory::{Outcome, ResolvedBy, Resolver};

use super::{Reason, Routed, RoutedObservation};

/// Where observations belong.
#[derive(Debug)]
pub(super) struct Destinations {
    pub(super) resolver: Resolver,
    pub(super) session_evidence: SessionEvidence,
}

impl Destinations {
    pub(super) fn resolve(&self, received: Received) -> Routed {
        let resolution = self.resolver.resolve(&received.event);
        let asset = match resolution.outcome {
            Outcome::Asset(asset) => asset,
            Outcome::Ignored => return Routed::Skipped(Reason::UnlistedHost),
            Outcome::Unresolved => return Routed::Skipped(Reason::UnresolvedDestination),
        };
        let roles = self.resolver.roles(&asset);
        if !self.session_evidence.keeps(&received.event.detail, roles) {
            return Routed::Skipped(Reason::NotKept);
        }
        let is_local = resolution.is_local;
        let source_name = (!is_local)
            .then(|| self.resolver.source_name(&received.event))
            .flatten();
        Routed::Observation(RoutedObservation {
            observation: Observation::new(asset, received)
                .local_where(is_local)
                .bound_where(resolution.resolved_by == ResolvedBy::Binding)
                .with_source_name(source_name),
            resolved_by: resolution.resolved_by,
            conflict: resolution.conflict,
        })
    }
}
