//! Who else opened a pipe at the time of an access whose pair may be theirs, or may have been taken by them.
//!
//! Pairs follow from times alone. So a pipe connection or a share access that somebody forged may be nearer to one half of a true
//! access than the other half is, and leaves that on its own: then the alert of the half that is left says who else there was.

use super::accesses::{Accesses, Share};
use super::conflicts;
use super::members::Members;
use super::pairs::may_pair;
use super::stored::{Origin, Stored};
use crate::detection::{Conflict, JoinSettings};
use crate::time::EventTime;

/// Somebody else, and the half of an access that is left on its own near his share access.
type Rival<'a> = (Origin, &'a Stored);

/// What casts doubt on the halves of accesses that an alert has.
pub(super) fn conflicts(
    members: &Members<'_>,
    own: Option<Origin>,
    accesses: &Accesses,
    settings: &JoinSettings,
) -> impl Iterator<Item = Conflict> {
    let alone = members.alone.iter().map(|pipe| &pipe.stored);
    let is_incomplete = alone.clone().any(|pipe| {
        let times = (pipe.time(), pipe.time());
        accesses.dropped_shares.near(times, pipe.arrival, settings) > 0
    });
    let mut left_over = members.audited().filter(|share| is_left_over(share));
    let lacks_a_pipe = left_over.any(|share| {
        let (time, arrival) = (share.stored.time(), share.stored.arrival);
        accesses.dropped_pipes.near((time, time), arrival, settings) > 0
    });
    let rivals = [
        of_pipes(alone, own, accesses, settings),
        of_shares(members.audited(), own, accesses, settings),
    ];
    let rivals = rivals.into_iter().flatten();
    let rivals = rivals.map(|(other, seen)| conflicts::other_opener(other, seen));
    rivals
        .chain(is_incomplete.then(conflicts::dropped_share))
        .chain(lacks_a_pipe.then(conflicts::dropped_pipe))
}

/// Of pipe connections that no share access explains the first near which somebody else has one, and the least of those.
fn of_pipes<'a>(
    pipes: impl Iterator<Item = &'a Stored>,
    own: Option<Origin>,
    accesses: &Accesses,
    settings: &JoinSettings,
) -> Option<Rival<'a>> {
    let others = |from: EventTime, to: EventTime| {
        let shares = accesses.shares.range((from, 0)..=(to, u64::MAX));
        let shares = shares.map(|(_, share)| &share.stored);
        let others = shares.filter(|share| may_pair(share)).filter_map(|share| {
            let origin = share.share_origin().filter(|origin| Some(*origin) != own);
            Some((share.time(), share, origin?))
        });
        others.collect()
    };
    first(pipes.collect(), others, settings)
}

/// Of share accesses that no pipe connection is paired with the first near which one is paired with somebody else's, and the least of
/// those.
fn of_shares<'a>(
    shares: impl Iterator<Item = &'a Share>,
    own: Option<Origin>,
    accesses: &Accesses,
    settings: &JoinSettings,
) -> Option<Rival<'a>> {
    let left_over = shares.filter(|share| is_left_over(share));
    let others = |from: EventTime, to: EventTime| {
        let pipes = accesses.pipes.range((from, 0)..=(to, u64::MAX));
        let others = pipes.filter_map(|(_, pipe)| {
            let share = accesses.shares.get(&pipe.share?)?;
            let origin = share.stored.share_origin().filter(|origin| Some(*origin) != own);
            Some((pipe.stored.time(), &pipe.stored, origin?))
        });
        others.collect()
    };
    first(left_over.map(|share| &share.stored).collect(), others, settings)
}

/// Whether a share access could have a pipe connection and has none.
pub(super) fn is_left_over(share: &Share) -> bool {
    share.pairs && share.pipe.is_none()
}

/// The first that somebody else is near, of the others between two times in order of time.
fn first<'a, 'b>(
    mut left: Vec<&'a Stored>,
    others: impl Fn(EventTime, EventTime) -> Vec<(EventTime, &'b Stored, Origin)>,
    settings: &JoinSettings,
) -> Option<Rival<'a>> {
    left.sort_by_key(|seen| (seen.time(), seen.observation.id));
    let window = settings.pair_window;
    let from = left.first()?.time().minus(window);
    let others = others(from, left.last()?.time().plus(window));
    left.into_iter().find_map(|seen| {
        let (from, to) = (seen.time().minus(window), seen.time().plus(window));
        let start = others.partition_point(|(time, ..)| *time < from);
        let near = others[start..].iter().take_while(|(time, ..)| *time <= to);
        let joined = near.filter(|(_, other, _)| other.within_span(seen, settings.join_span()));
        Some((joined.map(|(.., origin)| *origin).min()?, seen))
    })
}
