//! What a day comes to.

use std::collections::BTreeMap;

use pipewarden_core::detection::Confidence;
use serde::Serialize;

use super::attacks::AttackKind;
use super::truth::{By, Truth};

/// From this risk on somebody looks: the severity that Elastic calls medium.
pub const RISKY: u8 = 47;

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Documents that arrived.
    pub documents: u64,
    /// Those that are observations.
    pub observations: u64,
    /// Accesses to winreg by those who may.
    pub routine: usize,
    /// Accesses of servers to themselves.
    pub local: usize,
    /// Accesses by attackers.
    pub attacks: usize,
    /// With what is built in, and nothing else.
    pub before: Judgement,
    /// With the estate's exceptions.
    pub after: Judgement,
}

/// What the alerts of one policy are worth. Alerts are counted by their last revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Active alerts about accesses, by the least risk of their band and their confidence.
    pub alerts: BTreeMap<(u8, Confidence), usize>,
    /// Of these, those of risk 47 or more.
    pub risky: usize,
    /// They name an attacker.
    pub risky_of_attackers: usize,
    /// They name somebody who may, and did.
    pub risky_of_routine: usize,
    /// They name a host that had no part.
    pub risky_of_others: usize,
    /// Alerts that an exception suppresses.
    pub suppressed: usize,
    /// Alerts about a host itself.
    pub local_suppressed: usize,
    /// Active alerts that show an access of a host to itself that its own 5145 shows to be local.
    pub local_told: usize,
    /// The same of hosts without 5145, where others connected at that moment.
    pub local_in_doubt: usize,
    /// Active campaigns.
    pub campaigns: usize,
    /// Those of risk 47 or more, by attackers.
    pub campaigns_of_attackers: usize,
    /// Those of risk 47 or more, by others.
    pub campaigns_of_others: usize,
    /// Sensors that are missing, and were found so.
    pub blind_sensors: usize,
    /// Sensors that are there, and were found missing.
    pub blind_sensors_false: usize,
    /// Alerts that are wrong: time and title.
    pub wrong: Vec<String>,
    /// What became of the attacks.
    pub attacks: BTreeMap<AttackKind, BTreeMap<AttackOutcome, usize>>,
}

/// What is said of an attack, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttackOutcome {
    /// An alert of risk 47 or more names the source.
    Named,
    /// An alert of less risk does.
    NamedLow,
    /// The source is among the candidates of an alert.
    Listed,
    /// There is an alert, and the source is not in it.
    Missed,
    /// It is on the suppressed topic only.
    Suppressed,
    /// There is nothing.
    Silent,
}

impl AttackOutcome {
    /// Every outcome.
    pub const ALL: [Self; 6] = [
        Self::Named,
        Self::NamedLow,
        Self::Listed,
        Self::Missed,
        Self::Suppressed,
        Self::Silent,
    ];

    /// As it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::NamedLow => "named, low",
            Self::Listed => "listed",
            Self::Missed => "missed",
            Self::Suppressed => "suppressed",
            Self::Silent => "silent",
        }
    }
}

impl Figures {
    pub(super) fn count(&mut self, truth: &Truth) {
        self.routine = truth.count(|by| by == By::Routine);
        self.local = truth.count(|by| by == By::Itself);
        self.attacks = truth.count(|by| matches!(by, By::Attack(_)));
    }
}

impl Judgement {
    /// Active alerts about accesses.
    pub fn told(&self) -> usize {
        self.alerts.values().sum()
    }

    /// How many attacks have this outcome.
    pub fn with_outcome(&self, outcome: AttackOutcome) -> usize {
        let kinds = self.attacks.values();
        kinds.filter_map(|outcomes| outcomes.get(&outcome)).sum()
    }
}
