//! The two topics that hold durable state.

/// One of the two topics that hold durable state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Events of protected hosts, keyed by host.
    Observations,
    /// What alerts say of their sources, keyed by source.
    Sightings,
}

impl Topic {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Observations, Self::Sightings];

    /// The key in `kafka.topics`, and the word in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observations => "observations",
            Self::Sightings => "sightings",
        }
    }
}
