//! Which session evidence is near enough to an access to show a candidate for it.

use std::time::Duration;

use super::asset::AssetState;
use super::connections::Connections;
use super::links;
use super::stored::Stored;
use crate::detection::{JoinSettings, Strength};
use crate::time::EventTime;

/// How long after an access the asset may log the connection behind it: Sysmon 3 comes up to 2 s after the access.
const LOGGED_AFTER: Duration = Duration::from_secs(3);

/// How long after an access Windows may log the session behind it: its own logs are in order, but for their writing.
const WRITTEN_AFTER: Duration = Duration::from_secs(1);

/// How far session evidence may come after an access that it shows a candidate for. What the client logged has the
/// client's clock.
fn after(connection: &Stored, settings: &JoinSettings) -> Duration {
    let bound = match connection.connection() {
        Some(named) if named.initiated && !connection.observation.is_local => {
            return settings.attribution_window;
        }
        Some(_) => LOGGED_AFTER,
        None => WRITTEN_AFTER,
    };
    settings.attribution_window.min(bound)
}

/// How well session evidence shows who was connected: strong where the asset's own log says so.
pub(super) fn shows(evidence: &Stored, asset: &AssetState, settings: &JoinSettings) -> Strength {
    let is_strong = if evidence.is_logon() {
        links::is_linked(evidence, asset, settings)
    } else {
        evidence.is_by_asset()
    };
    if is_strong {
        Strength::Strong
    } else {
        Strength::Weak
    }
}

/// The event times of the accesses that session evidence shows a candidate for, both included.
pub(super) fn accesses_of(connection: &Stored, settings: &JoinSettings) -> (EventTime, EventTime) {
    let time = connection.time();
    (
        time.minus(after(connection, settings)),
        time.plus(settings.attribution_window),
    )
}

/// What a piece of session evidence, which shows somebody as well as `shows` says, is for an access. `None` where it is not
/// near.
pub(super) fn strength(
    access: &Stored,
    connection: &Stored,
    shows: Strength,
    settings: &JoinSettings,
) -> Option<Strength> {
    if !access.within_span(connection, settings.join_span()) {
        return None;
    }
    let (from, to) = accesses_of(connection, settings);
    let time = access.time();
    if (from..=to).contains(&time) {
        Some(shows)
    } else if to < time && time <= connection.time().plus(settings.tuple_window) {
        Some(Strength::Earlier)
    } else {
        None
    }
}

/// Whether the asset's session with itself can be the access itself, and not merely one near it.
pub(super) fn is_at_access(access: &Stored, connection: &Stored, settings: &JoinSettings) -> bool {
    let (time, connected) = (access.time(), connection.time());
    let window = if connected < time || connection.connection().is_none() {
        settings.pair_window
    } else {
        settings.attribution_window.min(LOGGED_AFTER)
    };
    time.distance(connected) <= window
}

/// All session evidence near an access, in order of time. More than what shows a candidate.
pub(super) fn evidence<'a>(
    access: &Stored,
    connections: &'a Connections,
    settings: &JoinSettings,
) -> impl DoubleEndedIterator<Item = &'a Stored> {
    let window = settings.attribution_window;
    connections.between(access.time().minus(window), access.time().plus(window))
}
