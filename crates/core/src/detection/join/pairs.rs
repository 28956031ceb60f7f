//! Which share access and which pipe connection are one access.
//!
//! Of all pairs within `pair_window` the best are taken first, each side once, by [`Rank`]. That is the one stable
//! matching of both sides, since both rank a pair alike; so it can be kept up one observation at a time: who comes takes
//! the best partner that prefers it, and whoever loses a partner that way looks for another. Every step of such a chain
//! takes a pair of higher rank than the one before, so that it ends.

use std::collections::BTreeSet;
use std::time::Duration;

use super::accesses::{Accesses, tuple};
use super::stored::{Slot, Stored, around};
use crate::detection::JoinSettings;
use crate::event::{ObservationId, Outcome};
use crate::time::EventTime;

/// One open often logs two share accesses: of those of one source address, port and pipe that come less than this after
/// the first, only the first pairs.
const REPEATED_WITHIN: Duration = Duration::from_millis(100);

/// How near a share access and a pipe connection are; the smallest wins. A function of the two observations alone, so that
/// the order of arrival cannot show.
type Rank = (Duration, EventTime, ObservationId, EventTime, ObservationId);

/// Either side of a pair.
#[derive(Clone, Copy, Debug)]
enum Side {
    Share(Slot),
    Pipe(Slot),
}

impl Accesses {
    /// Pairs a share access that was added. Returns the pipe connections whose share access is another now.
    pub(super) fn pair_share(&mut self, slot: Slot, settings: &JoinSettings) -> BTreeSet<Slot> {
        let mut moved = BTreeSet::new();
        let (leave, join) = self.count_run(slot, settings);
        for slot in leave {
            let pipe = self.shares.get_mut(&slot).and_then(|share| {
                share.pairs = false;
                share.pipe.take()
            });
            if let Some(pipe) = pipe {
                self.separate(Side::Pipe(pipe), &mut moved);
                self.seek(Side::Pipe(pipe), settings, &mut moved);
            }
        }
        for slot in join {
            if let Some(share) = self.shares.get_mut(&slot) {
                share.pairs = true;
            }
            self.seek(Side::Share(slot), settings, &mut moved);
        }
        moved
    }

    /// Pairs a pipe connection that was added. Returns the pipe connections whose share access is another now.
    pub(super) fn pair_pipe(&mut self, slot: Slot, settings: &JoinSettings) -> BTreeSet<Slot> {
        let mut moved = BTreeSet::new();
        self.seek(Side::Pipe(slot), settings, &mut moved);
        moved
    }

    /// Which share accesses of a new one's source address, port and pipe may pair no longer, and which may from now on.
    fn count_run(&self, slot: Slot, settings: &JoinSettings) -> (Vec<Slot>, Vec<Slot>) {
        let Some(new) = self.shares.get(&slot).filter(|share| may_pair(&share.stored)) else {
            return (Vec::new(), Vec::new());
        };
        let Some((ip, port)) = tuple(&new.stored) else {
            return (Vec::new(), vec![slot]);
        };
        let is_alike = |other: &Stored| may_pair(other) && runs_with(other, &new.stored, settings);
        let mut run: Vec<(EventTime, ObservationId, Slot, bool)> = self
            .shares_with(ip, port)
            .filter(|share| is_alike(&share.stored))
            .map(|share| {
                let stored = &share.stored;
                (stored.time(), stored.observation.id, stored.slot(), share.pairs)
            })
            .collect();
        run.sort_unstable();
        let (mut leave, mut join) = (Vec::new(), Vec::new());
        let mut first: Option<EventTime> = None;
        for (time, _, slot, pairs) in run {
            let is_first = first.is_none_or(|first| first.distance(time) >= REPEATED_WITHIN);
            if is_first {
                first = Some(time);
            }
            match (pairs, is_first) {
                (true, false) => leave.push(slot),
                (false, true) => join.push(slot),
                _ => {}
            }
        }
        (leave, join)
    }

    /// Lets one side find its best partner, and whoever loses its own by that, until nobody does.
    fn seek(&mut self, mut side: Side, settings: &JoinSettings, moved: &mut BTreeSet<Slot>) {
        while let Some((share, pipe)) = self.best(side, settings) {
            let displaced = match side {
                Side::Share(_) => self.pipes[&pipe].share.map(Side::Share),
                Side::Pipe(_) => self.shares[&share].pipe.map(Side::Pipe),
            };
            if let Some(displaced) = displaced {
                self.separate(displaced, moved);
            }
            if let (Some(share_of), Some(pipe_of)) = (self.shares.get_mut(&share), self.pipes.get_mut(&pipe))
            {
                share_of.pipe = Some(pipe);
                pipe_of.share = Some(share);
            }
            moved.insert(pipe);
            match displaced {
                Some(displaced) => side = displaced,
                None => return,
            }
        }
    }

    /// Takes its partner from a side.
    fn separate(&mut self, side: Side, moved: &mut BTreeSet<Slot>) {
        match side {
            Side::Share(slot) => {
                if let Some(share) = self.shares.get_mut(&slot) {
                    share.pipe = None;
                }
            }
            Side::Pipe(slot) => {
                if let Some(pipe) = self.pipes.get_mut(&slot) {
                    pipe.share = None;
                }
                moved.insert(slot);
            }
        }
    }

    /// The best pair of a side with somebody who is free, or likes it better than what it has.
    fn best(&self, side: Side, settings: &JoinSettings) -> Option<(Slot, Slot)> {
        let window = settings.pair_window;
        let mut best: Option<(Rank, Slot, Slot)> = None;
        let mut offer = |share: &Stored, pipe: &Stored, current: Option<Rank>| {
            if !share.within_span(pipe, settings.join_span()) {
                return;
            }
            let rank = rank(share, pipe);
            if current.is_none_or(|current| rank < current) && best.is_none_or(|(before, ..)| rank < before) {
                best = Some((rank, share.slot(), pipe.slot()));
            }
        };
        match side {
            Side::Share(slot) => {
                let share = &self.shares.get(&slot)?.stored;
                for (_, pipe) in self.pipes.range(around(share.time(), window)) {
                    let has = pipe.share.and_then(|slot| self.shares.get(&slot));
                    offer(
                        share,
                        &pipe.stored,
                        has.map(|has| rank(&has.stored, &pipe.stored)),
                    );
                }
            }
            Side::Pipe(slot) => {
                let pipe = &self.pipes.get(&slot)?.stored;
                for (_, share) in self.shares.range(around(pipe.time(), window)) {
                    if !share.pairs {
                        continue;
                    }
                    let has = share.pipe.and_then(|slot| self.pipes.get(&slot));
                    offer(
                        &share.stored,
                        pipe,
                        has.map(|has| rank(&share.stored, &has.stored)),
                    );
                }
            }
        }
        best.map(|(_, share, pipe)| (share, pipe))
    }
}

/// Whether a share access opened a pipe, as far as it is known.
pub(super) fn may_pair(share: &Stored) -> bool {
    share
        .share()
        .is_some_and(|share| share.pipe().is_some() && share.outcome != Some(Outcome::Failure))
}

/// Whether two share accesses of one source address and port may be one open: of the same pipe, and both timely or of one
/// arrival bucket.
fn runs_with(a: &Stored, b: &Stored, settings: &JoinSettings) -> bool {
    let pipe = |stored: &Stored| stored.share().map(|share| share.path.clone());
    pipe(a) == pipe(b) && a.arrival_bucket(settings) == b.arrival_bucket(settings)
}

fn rank(share: &Stored, pipe: &Stored) -> Rank {
    (
        share.time().distance(pipe.time()),
        share.time(),
        share.observation.id,
        pipe.time(),
        pipe.observation.id,
    )
}
