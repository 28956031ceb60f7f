//! What a process that holds a claim makes of the claims that it reads.

use std::time::Instant;

use super::SILENCE;
use super::claim::Claim;

/// The own claim, and what is known of another process that claims the same name.
#[derive(Debug)]
pub(super) struct Rivalry {
    pub(super) own: Claim,
    /// When the own claim was written last.
    written: Option<Instant>,
    /// The claim of another, and since when it has been what it is.
    rival: Option<(Claim, Instant)>,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Write the own claim.
    Write,
    /// Look again.
    Wait,
    /// This process has the name.
    Yield(Claim),
}

impl Rivalry {
    pub(super) fn new(own: Claim) -> Self {
        Self {
            own,
            written: None,
            rival: None,
        }
    }

    /// The own claim is written.
    pub(super) fn wrote(&mut self, now: Instant) {
        self.written = Some(now);
    }

    /// Whether there may be another.
    pub(super) fn is_open(&self) -> bool {
        self.rival.is_some()
    }

    /// Another has the name if it renews its claim and the own one is not in force, or is not the older one: of two that are
    /// started at once one must stay. A claim alone shows nothing, since a request of a process that has ended may arrive late.
    pub(super) fn see(&mut self, other: Option<Claim>, now: Instant) -> Move {
        let Some(other) = other else {
            self.rival = None;
            return Move::Write;
        };
        let is_in_force = (self.written).is_some_and(|written| now.duration_since(written) < SILENCE);
        let known = self.rival.take();
        let known = known.filter(|(known, _)| known.is_of_the_process(&other));
        let is_renewed = known.as_ref().is_some_and(|(known, _)| *known != other);
        if is_renewed && (!is_in_force || other.since <= self.own.since) {
            return Move::Yield(other);
        }
        let since = match known {
            Some((_, since)) if !is_renewed => since,
            _ => now,
        };
        let has_ended = other.has_visibly_ended() || now.duration_since(since) >= SILENCE;
        if has_ended && !is_in_force {
            self.rival = None;
            return Move::Write;
        }
        self.rival = Some((other, since));
        if is_in_force { Move::Write } else { Move::Wait }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BEAT: Duration = Duration::from_secs(1);

    /// Of another host, started so much later than this process.
    fn other(later: i64) -> Claim {
        let own = Claim::of_this_process();
        let text = own.to_string();
        let text = text.replace(
            &format!("since={}", own.since),
            &format!("since={}", own.since + later),
        );
        let text = text.replace("space=", "space=elsewhere/");
        Claim::parse(&text).unwrap()
    }

    fn renewed(claim: &mut Claim) -> Option<Claim> {
        claim.beat();
        Some(claim.clone())
    }

    #[test]
    fn a_newcomer_yields_to_a_claim_that_is_renewed_and_takes_one_that_is_not() {
        let began = Instant::now();
        let mut first = other(-1_000_000);
        let mut newcomer = Rivalry::new(Claim::of_this_process());
        assert_eq!(newcomer.see(renewed(&mut first), began), Move::Wait);
        assert_eq!(newcomer.see(Some(first.clone()), began + BEAT), Move::Wait);
        let found = renewed(&mut first);
        assert_eq!(newcomer.see(found, began + BEAT * 2), Move::Yield(first.clone()));

        let mut newcomer = Rivalry::new(Claim::of_this_process());
        assert_eq!(newcomer.see(Some(first.clone()), began), Move::Wait);
        assert_eq!(newcomer.see(Some(first), began + SILENCE), Move::Write);
    }

    #[test]
    fn a_claim_that_arrives_late_from_a_process_that_has_ended_ends_nobody() {
        let began = Instant::now();
        let mut own = Rivalry::new(Claim::of_this_process());
        own.wrote(began);
        assert_eq!(own.see(Some(other(-1_000_000)), began + BEAT), Move::Write);
        own.wrote(began + BEAT);
        assert!(own.is_open());
        assert_eq!(own.see(None, began + BEAT * 2), Move::Write);
        assert!(!own.is_open());
    }

    #[test]
    fn of_two_that_are_started_at_once_the_older_stays() {
        let began = Instant::now();
        for (later, stays) in [(1_000, true), (-1_000, false)] {
            let mut twin = other(later);
            let mut own = Rivalry::new(Claim::of_this_process());
            own.wrote(began);
            assert_eq!(own.see(renewed(&mut twin), began + BEAT), Move::Write);
            own.wrote(began + BEAT);
            let seen = own.see(renewed(&mut twin), began + BEAT * 2);
            assert_eq!(seen == Move::Write, stays, "{seen:?}");
        }
    }

    #[test]
    fn a_process_that_slept_does_not_take_its_name_back_from_one_that_renews() {
        let began = Instant::now();
        let mut successor = other(5_000_000);
        let mut sleeper = Rivalry::new(Claim::of_this_process());
        sleeper.wrote(began);
        let awake = began + SILENCE * 3;
        assert_eq!(sleeper.see(renewed(&mut successor), awake), Move::Wait);
        let found = renewed(&mut successor);
        assert_eq!(sleeper.see(found, awake + BEAT), Move::Yield(successor));
    }
}
