//! What every target is made from: the pairs that the join knows, each on its own key, from the surest to the weakest.

use std::time::Duration;

use pipewarden_core::detection::{Confidence, JoinSettings, Rule};

/// One kind of event, with the names of its own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// Sysmon 3 to an SMB port, whoever logged it.
    Connection,
    /// The same, logged by the host that was connected to.
    ConnectionSeenByDestination,
    /// The same, logged by the host that connected.
    ConnectionSeenBySource,
    /// Sysmon 18 on a watched pipe.
    PipeConnected,
    /// Security 5145 on a watched pipe.
    ShareAccess,
    /// Security 5145 on a watched path of another share.
    PathAccess,
    /// Sysmon 3 to a port that the rule watches call-backs to, logged by the host that connects.
    CallBack,
    /// Security 4624 over the network by a watched account, from where the inventory does not expect it.
    AccountUse,
}

impl Part {
    /// A name that is an identifier in every language.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "network_connection",
            Self::ConnectionSeenByDestination => "network_connection_seen_by_destination",
            Self::ConnectionSeenBySource => "network_connection_seen_by_source",
            Self::PipeConnected => "pipe_connected",
            Self::ShareAccess => "share_access",
            Self::PathAccess => "path_access",
            Self::CallBack => "call_back",
            Self::AccountUse => "account_use",
        }
    }
}

/// What two events must share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// The source's address and port.
    SourceTuple,
    /// The computer that logged both.
    Computer,
    /// The destination's name in one, the logging computer in the other.
    DestinationName,
    /// The computer that logged both, and the source's address in one and the destination's in the other.
    WayBack,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One event.
    Alone(Part),
    /// Two within a span, in either order.
    Pair(Part, Part, Key, Duration),
}

/// One search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Search {
    /// An identifier, unique among the searches of a rule.
    pub(super) name: &'static str,
    /// What a hit means.
    pub(super) meaning: &'static str,
    /// How sure a hit is of its source.
    pub(super) confidence: Confidence,
    pub(super) shape: Shape,
}

/// The searches of a rule.
pub(super) fn searches(rule: &Rule, settings: &JoinSettings) -> Vec<Search> {
    if rule.accounts.is_some() {
        return vec![of_accounts()];
    }
    let of_paths = of_paths(settings).into_iter().filter(|_| !rule.shares.is_empty());
    let way_back = rule.callback.as_ref();
    let way_back = way_back.filter(|_| !rule.pipes.share_access.is_empty());
    let way_back = way_back.map(|watched| Search {
        name: "called_back",
        meaning: "Windows audited the access, and the host connected to its source soon after it: what was opened made it do so.",
        confidence: Confidence::High,
        shape: Shape::Pair(Part::ShareAccess, Part::CallBack, Key::WayBack, watched.within),
    });
    of_pipes(rule, settings)
        .into_iter()
        .chain(of_paths)
        .chain(way_back)
        .collect()
}

/// Those of the pipes that it watches.
fn of_pipes(rule: &Rule, settings: &JoinSettings) -> Vec<Search> {
    use Confidence::{High, Low, Medium};
    use Key::{Computer, DestinationName, SourceTuple};
    use Part::{Connection, ConnectionSeenByDestination, ConnectionSeenBySource, PipeConnected, ShareAccess};
    let has_pipe = !rule.pipes.pipe_connected.is_empty();
    let has_share = !rule.pipes.share_access.is_empty();
    let all = [
        (
            has_share,
            "audited_connection",
            "Windows audited the access, and its source address and port are those of a connection that Sysmon logged.",
            High,
            Shape::Pair(ShareAccess, Connection, SourceTuple, settings.tuple_window),
        ),
        (
            has_share && has_pipe,
            "audited_pipe",
            "Windows audited the access, and Sysmon saw the pipe opened at the same moment.",
            High,
            Shape::Pair(PipeConnected, ShareAccess, Computer, settings.pair_window),
        ),
        (
            has_share,
            "audited",
            "Windows audited the access: it names the source.",
            Medium,
            Shape::Alone(ShareAccess),
        ),
        (
            has_pipe,
            "inferred_by_destination",
            "The pipe was opened while a connection that the host itself logged was made: its source may be the one.",
            Medium,
            Shape::Pair(
                PipeConnected,
                ConnectionSeenByDestination,
                Computer,
                settings.attribution_window,
            ),
        ),
        (
            has_pipe,
            "inferred_by_source",
            "The pipe was opened while a connection to the host, logged by its source, was made: that may be the one.",
            Medium,
            Shape::Pair(
                PipeConnected,
                ConnectionSeenBySource,
                DestinationName,
                settings.attribution_window,
            ),
        ),
        (
            has_pipe,
            "unattributed",
            "The pipe was opened: nothing names the source.",
            Low,
            Shape::Alone(PipeConnected),
        ),
    ];
    let possible = all.into_iter().filter(|(is_possible, ..)| *is_possible);
    let searches = possible.map(|(_, name, meaning, confidence, shape)| Search {
        name,
        meaning,
        confidence,
        shape,
    });
    searches.collect()
}

/// The search of a rule that watches accounts.
const fn of_accounts() -> Search {
    Search {
        name: "account_elsewhere",
        meaning: "An account of the inventory logged on over the network from where the inventory does not expect it.",
        confidence: Confidence::Medium,
        shape: Shape::Alone(Part::AccountUse),
    }
}

/// The searches of a rule that watches paths.
fn of_paths(settings: &JoinSettings) -> [Search; 2] {
    [
        Search {
            name: "audited_path_connection",
            meaning: "Windows audited the access to a path, and its source address and port are those of a connection that Sysmon \
                      logged.",
            confidence: Confidence::High,
            shape: Shape::Pair(
                Part::PathAccess,
                Part::Connection,
                Key::SourceTuple,
                settings.tuple_window,
            ),
        },
        Search {
            name: "audited_path",
            meaning: "Windows audited the access to a path: it names the source.",
            confidence: Confidence::Medium,
            shape: Shape::Alone(Part::PathAccess),
        },
    ]
}

/// A pipe's name as Sysmon 18 may write it.
pub(super) fn as_sysmon_writes(pipe: &str) -> [String; 2] {
    [format!("\\{pipe}"), pipe.to_owned()]
}

/// A span in the greatest unit that holds it exactly; below a second in milliseconds, rounded up.
pub(super) fn span(span: Duration) -> String {
    let millis = span.as_nanos().div_ceil(1_000_000);
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

/// The same for languages that know nothing below a second, rounded up.
pub(super) fn span_of_seconds(whole: Duration) -> String {
    span(Duration::from_secs(
        u64::try_from(whole.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_written_in_the_greatest_unit_that_holds_it() {
        let written = |millis| span(Duration::from_millis(millis));
        assert_eq!([900_000, 10_000, 1_500].map(written), ["15m", "10s", "1500ms"]);
        assert_eq!([7_200_000, 86_400_000, 1].map(written), ["2h", "1d", "1ms"]);
        assert_eq!(span_of_seconds(Duration::from_millis(1_500)), "2s");
        assert_eq!(span_of_seconds(Duration::from_millis(1)), "1s");
    }
}
