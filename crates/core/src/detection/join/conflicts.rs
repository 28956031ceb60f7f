//! What contradicts an alert.

use std::collections::BTreeSet;

use super::asset::AssetState;
use super::stored::{Origin, Stored};
use crate::detection::{Conflict, ConflictKind, JoinSettings};

/// Whether something bears the record id of an observation and says something else.
pub(super) fn is_contradicted(stored: &Stored, asset: &AssetState, settings: &JoinSettings) -> bool {
    asset.contradicting(stored, settings).next().is_some()
}

/// The contradictions of these observations, each record once.
pub(super) fn of_records<'a>(
    members: impl Iterator<Item = &'a Stored>,
    asset: &AssetState,
    settings: &JoinSettings,
) -> BTreeSet<Conflict> {
    let contradicted = members.filter(|stored| is_contradicted(stored, asset, settings));
    contradicted.map(of_record).collect()
}

fn of_record(stored: &Stored) -> Conflict {
    let event = &stored.observation.event;
    let record = event.record_id.unwrap_or_default();
    Conflict {
        kind: ConflictKind::DecisiveValues,
        text: format!(
            "two messages bear the record {record} of {} in {} and say different things",
            event.first_label(),
            event.channel,
        ),
        computer: Some(event.first_label().into()),
        record_id: event.record_id,
    }
}

/// Another source that the pipe connection of an access may belong to; none is known where a bound has dropped what would
/// have shown it.
pub(super) fn other_source(other: Option<Origin>, pipe: &Stored) -> Conflict {
    let Some(who) = other else {
        return dropped_evidence();
    };
    Conflict {
        kind: ConflictKind::OtherStrongSource,
        text: format!(
            "{who} was connected as well when the pipe was opened, by the host's own log, and no share_access explains that"
        ),
        computer: Some(pipe.observation.event.computer.clone()),
        record_id: None,
    }
}

/// Somebody else opened the pipe at that time by a share access, and which connection of the pipe is whose follows from the
/// times alone.
pub(super) fn other_opener(other: Origin, seen: &Stored) -> Conflict {
    Conflict {
        kind: ConflictKind::OtherStrongSource,
        text: format!(
            "{other} opened the pipe at that time as well, by a share_access of the host: which connection of the pipe is whose follows from the times alone"
        ),
        computer: Some(seen.observation.event.computer.clone()),
        record_id: None,
    }
}

/// A share access that no bound left room for may be the other half of an opened pipe.
pub(super) fn dropped_share() -> Conflict {
    dropped(
        "there were more share_accesses near an opened pipe than are kept whole: one of them may explain it",
    )
}

/// A pipe connection that no bound left room for may be the other half of a share access.
pub(super) fn dropped_pipe() -> Conflict {
    dropped(
        "there were more opened pipes near a share_access than are kept whole: one of them may be its own",
    )
}

/// The logon id of a share access without an address is of sessions from several.
pub(super) fn several_sources(share: &Stored) -> Conflict {
    Conflict {
        kind: ConflictKind::OtherStrongSource,
        text: "sessions with the logon id of a share_access that names no address come from several sources"
            .to_owned(),
        computer: Some(share.observation.event.computer.clone()),
        record_id: share.observation.event.record_id,
    }
}

/// Another source may have been connected, and nobody knows any more.
pub(super) fn dropped_evidence() -> Conflict {
    dropped(
        "there was more session evidence near the accesses than is kept: it may have shown another source",
    )
}

fn dropped(text: &str) -> Conflict {
    Conflict {
        kind: ConflictKind::DroppedEvidence,
        text: text.to_owned(),
        computer: None,
        record_id: None,
    }
}
