//! The router: messages of the input topics in, observations keyed by their destination host out.

use std::sync::Arc;

use pipewarden_core::event::{AssetId, Decoder, Event, Kind, Observation, Sighting, Skip, TimeSource};
use pipewarden_core::inventory::{BindingSettings, Outcome, ResolvedBy, Resolver};
use pipewarden_core::log::{Offset, Partition};

use super::{DeadLetter, ObservationRecord, Policy};

/// The place of a message.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Its topic, or the file it was read from.
    pub topic: &'a str,
    /// Its partition.
    pub partition: Partition,
    /// Its offset, or its line from 1.
    pub offset: Offset,
}

/// The outcome of one message.
#[derive(Clone, Debug, PartialEq)]
pub enum Routed {
    /// It is an observation of this asset.
    Observation(RoutedObservation),
    /// It could not be decoded: the record to keep of it.
    DeadLetter(DeadLetter),
    /// It is well-formed and of no interest.
    Skipped(Reason),
}

/// The outcome of a message that gives no event.
#[derive(Clone, Debug, PartialEq)]
pub enum NoEvent {
    /// It could not be decoded: the record to keep of it.
    DeadLetter(DeadLetter),
    /// It is well-formed and no event that Pipewarden reads.
    Skipped(Skip),
}

impl From<NoEvent> for Routed {
    fn from(none: NoEvent) -> Self {
        match none {
            NoEvent::DeadLetter(letter) => Self::DeadLetter(letter),
            NoEvent::Skipped(skip) => Self::Skipped(Reason::Event(skip)),
        }
    }
}

/// An observation on its way to the observations topic.
#[derive(Clone, Debug, PartialEq)]
pub struct RoutedObservation {
    /// The observation itself.
    pub observation: Observation,
    /// What named the destination.
    pub resolved_by: ResolvedBy,
    /// Whether the destination's address and name disagree; the address won.
    pub conflict: bool,
}

impl RoutedObservation {
    /// The Kafka key: the destination host.
    pub fn key(&self) -> &AssetId {
        &self.observation.asset
    }

    /// The record for the partition of its source, if it is an access that names one.
    pub fn sighting(&self) -> Option<Sighting> {
        Sighting::of(&self.observation)
    }

    /// The record's value.
    pub fn encode(self) -> Vec<u8> {
        ObservationRecord::Observation(self.observation).encode()
    }

    /// Which of the three kinds it is.
    pub fn kind(&self) -> Kind {
        self.observation.kind()
    }

    /// Which clock its time was read from.
    pub fn time_source(&self) -> TimeSource {
        self.observation.event.time_source
    }
}

/// Why a well-formed message is of no interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It is of none of the three kinds.
    Event(Skip),
    /// Its destination is not in the inventory, and unlisted hosts are ignored.
    UnlistedHost,
    /// Its source is the asset itself.
    LocalAccess,
    /// Nothing names its destination.
    UnresolvedDestination,
}

impl Reason {
    /// The label in metrics and in `replay`'s summary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event(skip) => skip.as_str(),
            Self::UnlistedHost => "unlisted_host",
            Self::LocalAccess => "local_access",
            Self::UnresolvedDestination => "unresolved_destination",
        }
    }
}

/// Decodes messages, collects bindings, resolves destinations. One per worker.
#[derive(Debug)]
pub struct Router {
    decoder: Decoder,
    resolver: Resolver,
}

impl Router {
    /// A router without bindings yet, with their default bounds.
    pub fn new(policy: &Policy) -> Self {
        Self {
            decoder: decoder(policy),
            resolver: Resolver::new(Arc::clone(&policy.inventory), Some(policy.unlisted_hosts)),
        }
    }

    /// The same with these bounds.
    pub fn with_bindings(mut self, settings: BindingSettings) -> Self {
        self.resolver = self.resolver.with_settings(settings);
        self
    }

    /// Puts another policy in force from the next message on. Bindings stay.
    pub fn reload(&mut self, policy: &Policy) {
        self.decoder = decoder(policy);
        self.resolver
            .set_inventory(Arc::clone(&policy.inventory), policy.unlisted_hosts);
    }

    /// Inventory and bindings.
    pub fn resolver(&mut self) -> &mut Resolver {
        &mut self.resolver
    }

    /// Routes one message.
    pub fn route(&mut self, message: &[u8], origin: Origin<'_>) -> Routed {
        match self.read(message, origin) {
            Ok(event) => self.resolve(event),
            Err(none) => none.into(),
        }
    }

    /// The first half of [`Router::route`]: decodes a message and takes in the bindings that it shows.
    ///
    /// # Errors
    /// [`NoEvent`] for a message that gives none.
    pub fn read(&mut self, message: &[u8], origin: Origin<'_>) -> Result<Event, NoEvent> {
        let decoded = self
            .decoder
            .decode(message)
            .map_err(|error| NoEvent::DeadLetter(DeadLetter::new(&error, origin, message)))?;
        decoded
            .claims
            .iter()
            .for_each(|claim| self.resolver.apply_claim(claim));
        decoded.outcome.map_err(NoEvent::Skipped)
    }

    /// The second half: finds the asset that an event is about, by the bindings so far.
    pub fn resolve(&self, event: Event) -> Routed {
        let resolution = self.resolver.resolve(&event);
        match resolution.outcome {
            Outcome::Asset(asset) => Routed::Observation(RoutedObservation {
                observation: Observation::new(asset, event),
                resolved_by: resolution.resolved_by,
                conflict: resolution.conflict,
            }),
            Outcome::Ignored => Routed::Skipped(Reason::UnlistedHost),
            Outcome::Local => Routed::Skipped(Reason::LocalAccess),
            Outcome::Unresolved => Routed::Skipped(Reason::UnresolvedDestination),
        }
    }
}

fn decoder(policy: &Policy) -> Decoder {
    Decoder::new(policy.rules.watched(), policy.join.allowed_lateness)
}

#[cfg(test)]
mod tests {
    use pipewarden_core::detection::{JoinSettings, RuleSet};
    use pipewarden_core::inventory::{Inventory, UnlistedHosts};

    use super::*;

    const RULE: &str = "{id: own, name: Own, risk: 1, pipes: {pipe_connected: [own], share_access: [own]}}";

    fn policy(rules: RuleSet, inventory: Inventory) -> Policy {
        let (inventory, join) = (Arc::new(inventory), JoinSettings::default());
        Policy::new(rules, inventory, UnlistedHosts::Watch, join, "test".to_owned())
    }

    fn routed(router: &mut Router, message: &str) -> String {
        let origin = Origin {
            topic: "test",
            partition: Partition::ZERO,
            offset: Offset::ZERO,
        };
        match router.route(message.as_bytes(), origin) {
            Routed::Observation(observation) => observation.key().to_string(),
            Routed::Skipped(reason) => reason.as_str().to_owned(),
            Routed::DeadLetter(letter) => letter.message,
        }
    }

    #[test]
    fn another_policy_is_in_force_from_the_next_message_on_and_bindings_stay() {
        let connection = |computer: &str, ip: &str, to: &str| {
            format!(
                r#"{{"@timestamp":"2024-10-24T15:02:05Z","winlog":{{"provider_name":"Microsoft-Windows-Sysmon",
                "event_id":3,"computer_name":"{computer}","event_data":{{"Protocol":"tcp","Initiated":"true",
                "SourceIp":"{ip}","DestinationIp":"{to}","DestinationPort":"445"}}}}}}"#
            )
        };
        let pipe = r#"{"@timestamp":"2024-10-24T15:02:05Z","winlog":{"provider_name":"Microsoft-Windows-Sysmon",
            "event_id":18,"computer_name":"atlas","event_data":{"PipeName":"\\own","Image":"System"}}}"#;
        let mut router = Router::new(&policy(RuleSet::builtin(), Inventory::empty()));
        routed(
            &mut router,
            &connection("portal.example", "192.0.2.9", "198.51.100.1"),
        );
        let to_portal = connection("client.example", "203.0.113.1", "192.0.2.9");
        assert_eq!(routed(&mut router, &to_portal), "portal.example");
        assert_eq!(routed(&mut router, pipe), "other_pipe");

        let other = Inventory::parse("assets: [{name: wheatley, addresses: [203.0.113.1]}]", "test").unwrap();
        router.reload(&policy(RuleSet::parse(RULE, "test").unwrap(), other));
        assert_eq!(routed(&mut router, pipe), "atlas");
        assert_eq!(routed(&mut router, &to_portal), "portal.example");
        let to_client = connection("portal.example", "192.0.2.9", "203.0.113.1");
        assert_eq!(routed(&mut router, &to_client), "wheatley");
    }
}
