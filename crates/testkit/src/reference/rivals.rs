//! Who else opened the pipe of an access of which only one half is there.

use pipewarden_core::detection::{Conflict, ConflictKind, Who};
use pipewarden_core::event::Outcome;

use super::candidates::Origin;
use super::pairs::pairing_shares;
use super::{Scene, Seen, distance, named, pipe_connected, share_access};

/// Of pipe connections without a share access and of share access without a pipe connection the first of each near which
/// there is somebody else.
pub(super) fn conflicts(
    scene: &Scene<'_>,
    who: Who,
    audited: &[Seen<'_>],
    others: &[Seen<'_>],
) -> Vec<Conflict> {
    let own = match who {
        Who::Source(ip) => Some(Origin::Remote(ip)),
        Who::Local => Some(Origin::Local),
        Who::Unattributed => None,
    };
    let pipes = others
        .iter()
        .copied()
        .filter(|seen| pipe_connected(seen).is_some());
    let shares = audited.iter().copied().filter(|seen| is_left_over(scene, seen));
    let of_pipe = |pipe: Seen<'_>| {
        let shares = scene.here.iter().copied().filter(|seen| {
            let opens_a_pipe = share_access(seen)
                .is_some_and(|share| share.share.is_none() && share.outcome != Some(Outcome::Failure));
            opens_a_pipe && scene.is_access(seen) && distance(seen, pipe) <= scene.settings.pair_window
        });
        least(shares.collect(), own)
    };
    let of_share = |share: Seen<'_>| {
        let pairs = scene.pairs.iter();
        let near =
            pairs.filter(|&(&pipe, _)| distance(scene.here[pipe], share) <= scene.settings.pair_window);
        least(near.map(|(_, &taker)| scene.here[taker]).collect(), own)
    };
    let first_pipe = in_order(pipes.collect())
        .into_iter()
        .find_map(|pipe| Some((of_pipe(pipe)?, pipe)));
    let first_share = in_order(shares.collect())
        .into_iter()
        .find_map(|share| Some((of_share(share)?, share)));
    let found = [first_pipe, first_share].into_iter().flatten();
    found.map(|(other, seen)| conflict(other, seen)).collect()
}

fn in_order<'a>(mut all: Vec<Seen<'a>>) -> Vec<Seen<'a>> {
    all.sort_by_key(|seen| (seen.event.time, seen.id));
    all
}

fn is_left_over(scene: &Scene<'_>, share: Seen<'_>) -> bool {
    let place = scene.here.iter().position(|seen| seen.id == share.id).unwrap();
    pairing_shares(&scene.here, scene.rule).contains(&place) && scene.pipe_of(share).is_none()
}

/// The least of those whose share accesses these are, by their own word, but for `own`.
fn least(shares: Vec<Seen<'_>>, own: Option<Origin>) -> Option<Origin> {
    let origins = shares.into_iter().filter_map(|share| match share.is_local {
        true => Some(Origin::Local),
        false => named(share).map(Origin::Remote),
    });
    origins.filter(|origin| Some(*origin) != own).min()
}

fn conflict(other: Origin, seen: Seen<'_>) -> Conflict {
    let who = other.word();
    Conflict {
        kind: ConflictKind::OtherStrongSource,
        text: format!(
            "{who} opened the pipe at that time as well, by a share_access of the host: which connection of the pipe is whose follows from the times alone"
        ),
        computer: Some(seen.event.computer.clone()),
        record_id: None,
    }
}
