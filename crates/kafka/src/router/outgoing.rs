//! Records on their way to the producer.

use pipewarden_core::event::Sighting;
use pipewarden_core::inventory::BindingRecord;
use pipewarden_engine::{DeadLetter, ObservationRecord};

use crate::settings::Topics;

/// A record on its way out.
pub(super) struct Outgoing {
    to: To,
    pub(super) key: Vec<u8>,
    /// `None` is a tombstone.
    pub(super) value: Option<Vec<u8>>,
}

/// Where a record goes.
#[derive(Clone, Copy, Debug)]
enum To {
    Observations,
    DeadLetters,
    Bindings,
}

impl Outgoing {
    pub(super) fn observation(key: Vec<u8>, value: Vec<u8>) -> Self {
        Self {
            to: To::Observations,
            key,
            value: Some(value),
        }
    }

    pub(super) fn sighting(sighting: Sighting) -> Self {
        let key = sighting.key().into_bytes();
        Self::observation(key, ObservationRecord::Sighting(sighting).encode())
    }

    pub(super) fn dead_letter(letter: &DeadLetter) -> Self {
        Self {
            to: To::DeadLetters,
            key: letter.key().into_bytes(),
            value: Some(letter.encode()),
        }
    }

    pub(super) fn binding(record: &BindingRecord) -> Self {
        Self {
            to: To::Bindings,
            key: record.key().into_bytes(),
            value: record.encode(),
        }
    }

    /// The topic that it goes to.
    pub(super) fn topic<'a>(&self, topics: &'a Topics) -> &'a String {
        match self.to {
            To::Observations => &topics.observations,
            To::DeadLetters => &topics.dead_letters,
            To::Bindings => &topics.bindings,
        }
    }
}
