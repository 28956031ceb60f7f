//! What is kept of an event until all are read.

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::sorted::Payload;
use crate::event::{Account, Agent, Detail, Event, Origin, Process, Received};

/// An event without its file and line, which the sorter keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

/// Boxed, so that sorting moves little.
impl Payload for Box<Kept> {
    fn size(&self) -> usize {
        let mut texts = Texts(0);
        texts.of_event(&self.event);
        if let Some(agent) = &self.agent {
            texts.of_agent(agent);
        }
        size_of::<Self>() + size_of::<Kept>() + size_of::<Agent>() + texts.0
    }

    fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an event is JSON")
    }

    fn decode(bytes: &[u8]) -> io::Result<Self> {
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// About how many bytes texts take.
struct Texts(usize);

impl Texts {
    fn add<'t>(&mut self, texts: impl IntoIterator<Item = &'t Option<Arc<str>>>) {
        texts.into_iter().flatten().for_each(|text| self.add_one(text));
    }

    fn add_one(&mut self, text: &str) {
        /// The counts of an `Arc`, and what the allocator adds.
        const BESIDE: usize = 32;
        self.0 += text.len() + BESIDE;
    }

    fn of_event(&mut self, event: &Event) {
        self.add_one(&event.computer);
        self.add_one(&event.channel);
        match &event.detail {
            Detail::NetworkConnection(it) => {
                self.add([&it.source_host, &it.destination_host, &it.user, &it.utc_time]);
                if let Some(Process { image, guid, pid: _ }) = &it.process {
                    self.add([image, guid]);
                }
            }
            Detail::Logon(it) => {
                self.add([&it.authentication_package, &it.workstation]);
                self.of_account(it.account.as_ref());
            }
            Detail::ShareSession(it) => {
                self.add_one(&it.share);
                self.add([&it.access_mask]);
                self.of_account(it.account.as_ref());
            }
            Detail::PipeConnected(it) => {
                self.add_one(&it.pipe);
                self.add([&it.image, &it.utc_time]);
            }
            Detail::ShareAccess(it) => {
                self.add_one(&it.path);
                self.add([&it.share, &it.access_mask]);
                self.of_account(it.account.as_ref());
            }
        }
    }

    fn of_account(&mut self, account: Option<&Account>) {
        if let Some(account) = account {
            self.add_one(&account.name);
            self.add([&account.domain, &account.sid, &account.logon_id]);
        }
    }

    fn of_agent(&mut self, agent: &Agent) {
        self.add([&agent.id, &agent.name, &agent.kind, &agent.version]);
    }
}
