//! Values of labels that are words of the service itself; others come from the types that are counted.

/// A change of the assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::telemetry) enum RebalanceEvent {
    /// Partitions were assigned.
    Assigned,
    /// Partitions were revoked, after what was read of them was committed.
    Revoked,
    /// Partitions were lost: nothing more could be committed.
    Lost,
}

impl RebalanceEvent {
    pub(super) const ALL: [Self; 3] = [Self::Assigned, Self::Revoked, Self::Lost];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Revoked => "revoked",
            Self::Lost => "lost",
        }
    }
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::telemetry) enum TransactionOutcome {
    /// What it holds is visible to consumers.
    Committed,
    /// Nothing of it ever is.
    Aborted,
}

impl TransactionOutcome {
    pub(super) const ALL: [Self; 2] = [Self::Committed, Self::Aborted];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Aborted => "aborted",
        }
    }
}

/// What became of a change of rules, inventory or exceptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::telemetry) enum ReloadOutcome {
    /// It is the policy in force.
    Applied,
    /// A file is wrong: the policy in force stays.
    Rejected,
}

impl ReloadOutcome {
    pub(super) const ALL: [Self; 2] = [Self::Applied, Self::Rejected];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Rejected => "rejected",
        }
    }
}
