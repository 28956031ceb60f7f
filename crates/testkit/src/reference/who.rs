//! Whose an access is, and how sure that is.

use std::collections::BTreeSet;

use pipewarden_core::detection::{Attribution, Confidence, Strength, Who};
use pipewarden_core::event::Outcome;

use super::candidates::{Origin, origin, strengths};
use super::sessions::session;
use super::{Scene, Seen, distance, named, network_connection, share_access};

/// Whose an access is.
#[derive(Clone, Copy)]
pub(super) struct Verdict {
    pub(super) who: Who,
    pub(super) attribution: Attribution,
    pub(super) confidence: Confidence,
}

impl Scene<'_> {
    pub(super) fn verdict(&self, access: Seen<'_>) -> Verdict {
        if share_access(access).is_some() && self.is_own(access) {
            return self.audited(access, Who::Local);
        }
        let by_logon = session(access).map(|session| session.ip);
        match named(access).or(by_logon) {
            Some(ip) => self.audited(access, Who::Source(ip)),
            None => match self.by_logon(access) {
                Some(origin) => self.named_by_logon(access, origin),
                None => self.inferred(access),
            },
        }
    }

    /// Whether a share access is the asset's own.
    fn is_own(&self, share: Seen<'_>) -> bool {
        let is_link_local = named(share).is_some_and(|ip| ip.to_string().starts_with("fe80:"));
        share.is_local
            || is_link_local
                && self.of_share(share).iter().any(|seen| {
                    let is_both = network_connection(seen).is_some_and(|session| {
                        session.destination_ip == Some(session.source_ip)
                            && session.source_port == share_access(share).unwrap().source_port
                    });
                    seen.is_local && is_both
                })
    }

    fn audited(&self, share: Seen<'_>, who: Who) -> Verdict {
        let tuple = self.of_share(share);
        let agrees = !tuple.is_empty() || (self.pipe_of(share).is_some() && self.others(share).is_empty());
        let is_doubtful = self.is_contradicted(share) || tuple.iter().any(|seen| self.is_contradicted(seen));
        let confidence = match (agrees, is_doubtful) {
            (true, false) => Confidence::High,
            (true, true) | (false, false) => Confidence::Medium,
            (false, true) => Confidence::Low,
        };
        Verdict {
            who,
            attribution: Attribution::Audited,
            confidence,
        }
    }

    fn named_by_logon(&self, share: Seen<'_>, origin: Origin) -> Verdict {
        let is_doubtful =
            self.is_contradicted(share) || self.of_share(share).iter().any(|seen| self.is_contradicted(seen));
        Verdict {
            who: match origin {
                Origin::Remote(ip) => Who::Source(ip),
                Origin::Local => Who::Local,
            },
            attribution: Attribution::Audited,
            confidence: if is_doubtful {
                Confidence::Low
            } else {
                Confidence::Medium
            },
        }
    }

    /// Other sources that the asset's own log shows near the pipe of a share access, and that have no share access there.
    pub(super) fn others(&self, share: Seen<'_>) -> BTreeSet<Origin> {
        let Some(pipe) = self.pipe_of(share) else {
            return BTreeSet::new();
        };
        let window = self.settings.attribution_window;
        let own = if self.is_own(share) {
            Some(Origin::Local)
        } else {
            named(share).map(Origin::Remote).or_else(|| self.by_logon(share))
        };
        let mut others = BTreeSet::new();
        for seen in self.sessions() {
            let of = origin(seen);
            let has_share = self.here.iter().any(|other| {
                let is_of = match of {
                    Origin::Local => other.is_local && share_access(other).is_some(),
                    Origin::Remote(ip) => named(other) == Some(ip),
                };
                is_of && self.is_watched(other) && distance(other, pipe) <= window
            });
            if self.shows(seen) == Strength::Strong
                && distance(seen, pipe) <= window
                && Some(of) != own
                && !has_share
            {
                others.insert(of);
            }
        }
        others
    }

    pub(super) fn is_watched(&self, seen: Seen<'_>) -> bool {
        let mut rules = self.rules.iter();
        share_access(seen).is_some() && rules.any(|rule| rule.watches(&seen.event.detail))
    }

    fn inferred(&self, access: Seen<'_>) -> Verdict {
        let shown = self.shown(access);
        let mut strengths = strengths(&shown);
        strengths.retain(|_, strength| *strength != Strength::Earlier);
        let strong: Vec<Origin> = (strengths.iter())
            .filter(|(_, strength)| **strength == Strength::Strong)
            .map(|(&origin, _)| origin)
            .collect();
        let all: Vec<Origin> = strengths.keys().copied().collect();
        let is_own_near = shown.iter().any(|(seen, _)| {
            let after = seen.event.time.as_micros() - access.event.time.as_micros();
            let window = self.settings.pair_window.as_micros() as i64;
            let late = if network_connection(seen).is_some() {
                3_000_000
            } else {
                window
            };
            seen.is_local && -window <= after && after <= late
        });
        let found = |who, attribution, confidence| Verdict {
            who,
            attribution,
            confidence,
        };
        let only = match (strong.as_slice(), all.as_slice()) {
            ([one], _) | ([], [one]) => Some(*one),
            _ => None,
        };
        match only {
            None if all.is_empty() => found(Who::Unattributed, Attribution::None, Confidence::Low),
            None => found(Who::Unattributed, Attribution::Ambiguous, Confidence::Low),
            Some(Origin::Remote(ip)) => {
                let confidence = if all.len() == 1 {
                    Confidence::Medium
                } else {
                    Confidence::Low
                };
                found(Who::Source(ip), Attribution::Inferred, confidence)
            }
            Some(Origin::Local) if all.len() == 1 && is_own_near => {
                found(Who::Local, Attribution::Inferred, Confidence::Medium)
            }
            Some(Origin::Local) => found(Who::Unattributed, Attribution::None, Confidence::Low),
        }
    }

    /// What is known of the outcome of accesses.
    pub(super) fn outcome(accesses: &[Seen<'_>]) -> Option<Outcome> {
        let outcome = |seen: &Seen<'_>| match share_access(seen) {
            Some(share) => share.outcome,
            // A logon that failed is another event.
            None => session(seen).map(|_| Outcome::Success),
        };
        if accesses
            .iter()
            .any(|seen| outcome(seen) == Some(Outcome::Success))
        {
            return Some(Outcome::Success);
        }
        let all_denied = accesses
            .iter()
            .all(|seen| outcome(seen) == Some(Outcome::Failure));
        all_denied.then_some(Outcome::Failure)
    }
}
