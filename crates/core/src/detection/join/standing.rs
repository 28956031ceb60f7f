//! The candidates of one access that names no source, as far as they decide whose it is.

use std::net::IpAddr;

use super::asset::AssetState;
use super::stored::{Origin, Stored};
use super::{links, nearby};
use crate::detection::{Attribution, Confidence, JoinSettings, Strength, Who};

/// What is known of the source of one access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) who: Who,
    pub(super) attribution: Attribution,
    pub(super) confidence: Confidence,
}

/// Nobody, one, or several: more is not needed to decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Few {
    #[default]
    Nobody,
    One(Origin),
    Several,
}

impl Few {
    fn add(&mut self, origin: Origin) {
        *self = match *self {
            Self::Nobody => Self::One(origin),
            Self::One(before) if before == origin => return,
            Self::One(_) | Self::Several => Self::Several,
        };
    }

    fn is_no_other_than(self, origin: Origin) -> bool {
        self == Self::Nobody || self == Self::One(origin)
    }
}

/// The candidates of an access, strong and weak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    strong: Few,
    weak: Few,
    /// Of a share access without an address: whose its logon id is, by the asset's own log.
    named: Few,
    /// Whether the asset's connection to itself is near enough to be this access.
    is_own_near: bool,
    /// Whether a bound had dropped session evidence near the access before that came.
    is_incomplete: bool,
}

impl Standing {
    /// By all session evidence in state.
    pub(super) fn of(access: &Stored, asset: &AssetState, settings: &JoinSettings) -> Self {
        let times = (access.time(), access.time());
        // The session whose logon id a share access bears may be long before it.
        let window = if access.share().is_some() {
            settings.tuple_window
        } else {
            settings.attribution_window
        };
        let dropped = &asset.connections.dropped;
        let mut standing = Self {
            is_incomplete: dropped.within(window, times, access.arrival, settings) > 0,
            ..Self::default()
        };
        for evidence in nearby::evidence(access, &asset.connections, settings) {
            standing.add(
                access,
                evidence,
                nearby::shows(evidence, asset, settings),
                settings,
            );
        }
        if access.share().is_some() {
            links::evidence_of(access, asset, settings).for_each(|evidence| standing.name(evidence));
        }
        standing
    }

    /// Takes in session evidence of the logon id of a share access that names no address.
    pub(super) fn name(&mut self, evidence: &Stored) {
        if let Some(origin) = evidence.origin() {
            self.named.add(origin);
        }
    }

    /// Takes in session evidence, if it is near the access.
    pub(super) fn add(
        &mut self,
        access: &Stored,
        connection: &Stored,
        shows: Strength,
        settings: &JoinSettings,
    ) {
        let Some(strength) = nearby::strength(access, connection, shows, settings) else {
            return;
        };
        let Some(origin) = connection.origin() else {
            return;
        };
        match strength {
            Strength::Strong => self.strong.add(origin),
            Strength::Weak => self.weak.add(origin),
            Strength::Earlier => return,
        }
        self.is_own_near |= origin == Origin::Local && nearby::is_at_access(access, connection, settings);
    }

    /// Whether a bound had dropped session evidence near the access before that came.
    pub(super) const fn is_incomplete(&self) -> bool {
        self.is_incomplete
    }

    /// Whether there is no candidate near the access.
    pub(super) fn is_empty(&self) -> bool {
        self.strong == Few::Nobody && self.weak == Few::Nobody
    }

    /// Whether the asset's own logs name the source: that of its logon id.
    pub(super) fn is_audited(&self) -> bool {
        matches!(self.named, Few::One(_))
    }

    /// Whether sessions of its logon id come from several sources, so that the id names nobody.
    pub(super) fn is_named_by_several(&self) -> bool {
        self.named == Few::Several
    }

    /// Whose the access is. At most ambiguous where evidence is missing.
    pub(super) fn verdict(&self) -> Verdict {
        if let Few::One(origin) = self.named {
            return Verdict {
                who: match origin {
                    Origin::Remote(ip) => Who::Source(ip),
                    Origin::Local => Who::Local,
                },
                attribution: Attribution::Audited,
                confidence: Confidence::Medium,
            };
        }
        let complete = self.by_evidence();
        match complete.who {
            Who::Source(_) | Who::Local if self.is_incomplete => Verdict {
                who: Who::Unattributed,
                attribution: Attribution::Ambiguous,
                confidence: Confidence::Low,
            },
            _ => complete,
        }
    }

    fn by_evidence(&self) -> Verdict {
        let inferred = |ip: IpAddr, confidence| Verdict {
            who: Who::Source(ip),
            attribution: Attribution::Inferred,
            confidence,
        };
        let unattributed = |attribution| Verdict {
            who: Who::Unattributed,
            attribution,
            confidence: Confidence::Low,
        };
        let local = Verdict {
            who: Who::Local,
            attribution: Attribution::Inferred,
            confidence: Confidence::Medium,
        };
        match (self.strong, self.weak) {
            (Few::One(origin), others) => {
                let is_only = others.is_no_other_than(origin);
                match origin {
                    Origin::Remote(ip) if is_only => inferred(ip, Confidence::Medium),
                    Origin::Remote(ip) => inferred(ip, Confidence::Low),
                    Origin::Local if is_only && self.is_own_near => local,
                    Origin::Local => unattributed(Attribution::None),
                }
            }
            (Few::Nobody, Few::One(Origin::Local)) if self.is_own_near => local,
            (Few::Nobody, Few::One(Origin::Remote(ip))) => inferred(ip, Confidence::Medium),
            (Few::Nobody, Few::Nobody | Few::One(Origin::Local)) => unattributed(Attribution::None),
            (Few::Several, _) | (Few::Nobody, Few::Several) => unattributed(Attribution::Ambiguous),
        }
    }
}
