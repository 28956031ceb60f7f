//! The router: messages of the input topics in, observations keyed by their destination host out.

mod destinations;

use std::collections::BTreeMap;
use std::sync::Arc;

use pipewarden_core::event::{
    self, AccountNames, AssetId, Decoder, Kind, Observation, Received, SessionEvents, Skip, TimeSource,
};
use pipewarden_core::inventory::{BindingSettings, ResolvedBy, Resolver};
use pipewarden_core::log::{Offset, Partition};

use self::destinations::Destinations;
use super::input_shapes::{InputShapes, UnknownInput};
use super::{DeadLetter, DeadLetterReason, ObservationRecord, Policy};

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
#[expect(
    clippy::large_enum_variant,
    reason = "what is kept of a message is nearly always an observation"
)]
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

    /// The record's value.
    pub fn encode(self) -> Vec<u8> {
        ObservationRecord::Observation(self.observation).encode()
    }

    /// Which of the kinds it is.
    pub fn kind(&self) -> Kind {
        self.observation.kind()
    }

    /// Which clock its time was read from.
    pub fn time_source(&self) -> TimeSource {
        self.observation.event.time_source
    }
}

/// The most that an observation takes as a record's value. Its texts are cut when it is decoded, so none takes half of it.
pub const OBSERVATION_MAX_BYTES: usize = 64 << 10;

/// Why a well-formed message is of no interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It is of none of the kinds.
    Event(Skip),
    /// Its destination is not in the inventory, and unlisted hosts are ignored.
    UnlistedHost,
    /// Nothing names its destination.
    UnresolvedDestination,
    /// Session evidence of a kind that the settings do not keep of such an asset.
    NotKept,
}

impl Reason {
    /// The label in metrics and in `replay`'s summary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event(skip) => skip.as_str(),
            Self::UnlistedHost => "unlisted_host",
            Self::UnresolvedDestination => "unresolved_destination",
            Self::NotKept => "not_kept",
        }
    }
}

/// Decodes messages, collects bindings, resolves destinations. One per worker.
#[derive(Debug)]
pub struct Router {
    decoder: Decoder,
    destinations: Destinations,
    odd_fields: BTreeMap<&'static str, u64>,
    shapes: InputShapes,
    /// Of the last message: shared by what is read from it.
    topic: Arc<str>,
}

/// The most dead letters that one message gives by its elements: a megabyte of commas must not become a thousand of them.
const MOST_LETTERS: u32 = 16;

impl Router {
    /// A router without bindings yet, with their default bounds.
    pub fn new(policy: &Policy) -> Self {
        let mut resolver = Resolver::new(Arc::clone(&policy.inventory), Some(policy.unlisted_hosts));
        resolver.set_timeliness(policy.join.allowed_lateness, policy.join.clock_skew);
        Self {
            decoder: decoder(policy),
            destinations: Destinations {
                resolver,
                session_evidence: policy.join.session_evidence.clone(),
                account_purposes: policy.rules.account_purposes(),
            },
            odd_fields: BTreeMap::new(),
            shapes: InputShapes::default(),
            topic: Arc::from(""),
        }
    }

    /// The same with these bounds.
    pub fn with_bindings(mut self, settings: BindingSettings) -> Self {
        let resolver = self.destinations.resolver;
        self.destinations.resolver = resolver.with_settings(settings);
        self
    }

    /// Puts another policy in force from the next message on. Bindings stay.
    pub fn reload(&mut self, policy: &Policy) {
        self.decoder = decoder(policy);
        self.destinations.session_evidence = policy.join.session_evidence.clone();
        self.destinations.account_purposes = policy.rules.account_purposes();
        self.resolver()
            .set_inventory(Arc::clone(&policy.inventory), policy.unlisted_hosts);
        self.resolver()
            .set_timeliness(policy.join.allowed_lateness, policy.join.clock_skew);
    }

    /// Inventory and bindings.
    pub fn resolver(&mut self) -> &mut Resolver {
        &mut self.destinations.resolver
    }

    /// Routes a message, which may hold several documents, and visits what comes of each.
    pub fn route_each(&mut self, message: Option<&[u8]>, origin: Origin<'_>, visit: &mut dyn FnMut(Routed)) {
        if self.is_skipped(message) {
            return visit(Routed::Skipped(Reason::Event(Skip::Prefiltered)));
        }
        self.visit_each(message, origin, &mut |destinations, read| {
            visit(match read {
                Ok(received) => destinations.resolve(received),
                Err(none) => none.into(),
            });
        });
    }

    /// The first half of [`Router::route_each`]: decodes a message, takes in the bindings that it shows, and visits the
    /// events in it or, for each document without one, the reason.
    pub fn read_each(
        &mut self,
        message: Option<&[u8]>,
        origin: Origin<'_>,
        visit: &mut dyn FnMut(Result<Received, NoEvent>),
    ) {
        if self.is_skipped(message) {
            return visit(Err(NoEvent::Skipped(Skip::Prefiltered)));
        }
        self.visit_each(message, origin, &mut |_, read| visit(read));
    }

    /// The second half: finds the asset that an event is about, by the bindings so far.
    pub fn resolve(&self, received: impl Into<Received>) -> Routed {
        self.destinations.resolve(received.into())
    }

    /// Whether a message is skipped unparsed. Nine of ten messages are, and end here, with nothing that would have to be moved.
    fn is_skipped(&mut self, message: Option<&[u8]>) -> bool {
        content(message).is_ok_and(|message| {
            self.shapes.sample(&self.decoder, message);
            !self.decoder.can_matter(message)
        })
    }

    /// Visits the documents of a message that is not skipped.
    fn visit_each(
        &mut self,
        message: Option<&[u8]>,
        origin: Origin<'_>,
        visit: &mut dyn FnMut(&Destinations, Result<Received, NoEvent>),
    ) {
        let Self {
            decoder,
            destinations,
            odd_fields,
            shapes,
            topic,
        } = self;
        if **topic != *origin.topic {
            *topic = origin.topic.into();
        }
        let letter = |reason, text: &str, element| {
            let letter = DeadLetter::of(reason, text.to_owned(), origin, b"");
            Err(NoEvent::DeadLetter(letter.of_element(element)))
        };
        let message = match content(message) {
            Ok(content) => content,
            Err((reason, text)) => return visit(destinations, letter(reason, text, None)),
        };
        let (mut letters, mut unwritten) = (0, 0_u64);
        decoder.decode_each_unfiltered(message, &mut |element, text, decoded| match decoded {
            Ok(decoded) => {
                for claim in &decoded.claims {
                    destinations.resolver.apply_claim(claim);
                }
                for field in decoded.odd_fields {
                    *odd_fields.entry(field).or_default() += 1;
                }
                if !matches!(decoded.outcome, Err(Skip::Prefiltered)) {
                    shapes.read();
                }
                let received = |event| Received {
                    event,
                    agent: decoded.agent.clone(),
                    origin: Some(origin_of(topic, origin, element)),
                };
                let outcome = decoded.outcome.map(received).map_err(NoEvent::Skipped);
                visit(destinations, outcome);
                if let Some(event) = decoded.call_back.filter(|event| destinations.keeps(event)) {
                    visit(destinations, Ok(received(event)));
                }
            }
            Err(error) if letters < MOST_LETTERS => {
                letters += 1;
                let letter = DeadLetter::new(&error, origin, text).of_element(element);
                visit(destinations, Err(NoEvent::DeadLetter(letter)));
            }
            Err(_) => unwritten += 1,
        });
        if unwritten > 0 {
            let text = format!("{unwritten} more elements of the message cannot be read");
            let letter = letter(DeadLetterReason::NotWinlogbeat, &text, Some(u32::MAX));
            visit(destinations, letter);
        }
    }

    /// What was read so far, if it holds no document of a shape that is read.
    pub fn unknown_input(&self) -> Option<UnknownInput> {
        self.shapes.unknown()
    }

    /// The same, once, and only after so many messages that it is no chance.
    pub fn take_unknown_input(&mut self) -> Option<UnknownInput> {
        self.shapes.take_unknown()
    }

    /// How many messages had which shape, of those that were looked at since this was last called. The words are those of
    /// [`Shape`](pipewarden_core::event::Shape).
    pub fn take_shapes(&mut self) -> BTreeMap<&'static str, u64> {
        self.shapes.take_counts()
    }

    /// How often which field could not be read and was left out, since this was last called.
    pub fn take_odd_fields(&mut self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.odd_fields)
    }
}

/// Where a document lies: `element` is its place in the record at `at`.
fn origin_of(topic: &Arc<str>, at: Origin<'_>, element: Option<u32>) -> event::Origin {
    event::Origin::Record {
        topic: Arc::clone(topic),
        partition: at.partition,
        offset: at.offset,
        element,
    }
}

/// What a record holds, or why it holds nothing.
const fn content(value: Option<&[u8]>) -> Result<&[u8], (DeadLetterReason, &'static str)> {
    match value {
        None => Err((DeadLetterReason::NullValue, "the record has no value")),
        Some([]) => Err((DeadLetterReason::EmptyValue, "the value is empty")),
        Some(content) => Ok(content),
    }
}

fn decoder(policy: &Policy) -> Decoder {
    let decoder = Decoder::new(policy.rules.watched(), policy.join.allowed_lateness);
    let watched = policy.inventory.account_names(&policy.rules.account_purposes());
    decoder.with_session_events(SessionEvents {
        watched_accounts: AccountNames::new(watched),
        ..policy.join.session_evidence.events(&policy.inventory)
    })
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
        let mut all = Vec::new();
        router.route_each(Some(message.as_bytes()), origin, &mut |routed| {
            all.push(match routed {
                Routed::Observation(observation) => observation.key().to_string(),
                Routed::Skipped(reason) => reason.as_str().to_owned(),
                Routed::DeadLetter(letter) => letter.message,
            });
        });
        all.join(", ")
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
