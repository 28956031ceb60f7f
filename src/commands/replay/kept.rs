//! What is kept of an event until all are read.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::{Agent, Event, Origin, Received};

/// An event without its file and line, which the sorter keeps.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    event: Event,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<Arc<Agent>>,
    /// Which document of its line it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    element: Option<u32>,
}

impl Kept {
    pub(super) fn of(received: Received) -> Self {
        let element = match received.origin {
            Some(Origin::Record { element, .. } | Origin::Line { element, .. }) => element,
            None => None,
        };
        Self {
            event: received.event,
            agent: received.agent,
            element,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an event is JSON")
    }

    /// The event as it was read, from a line of a file.
    pub(super) fn at(self, file: &Arc<str>, line: u64) -> Received {
        Received {
            event: self.event,
            agent: self.agent,
            origin: Some(Origin::Line {
                file: Arc::clone(file),
                line,
                element: self.element,
            }),
        }
    }
}
