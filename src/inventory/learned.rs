//! What the stream has taught: which host has which address, and which hosts there are.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use hashlink::LinkedHashMap;

use super::lookup::label;
use crate::event::Lesson;
use crate::time::EventTime;

/// How many addresses and how many names are remembered; beyond it, what was taught least recently goes.
const LIMIT: usize = 100_000;

/// Learned bindings. The inventory always wins over them.
#[derive(Debug, Default)]
pub struct Learned {
    by_address: LinkedHashMap<IpAddr, Binding>,
    /// Every computer that logged something, by first label; `None` where several share it.
    by_label: HashMap<String, Option<Arc<str>>>,
}

/// An address and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The computer, in lower case.
    pub computer: Arc<str>,
    /// The earliest and the latest event time at which it was seen.
    pub seen: (EventTime, EventTime),
}

impl Learned {
    /// Takes a lesson in. Where two computers have claimed an address, the later event decides, whatever the order
    /// in which the lessons come; at the same instant the lower name does.
    pub fn learn(&mut self, lesson: &Lesson) {
        self.learn_name(&lesson.computer);
        let new = Binding {
            computer: Arc::clone(&lesson.computer),
            seen: (lesson.time, lesson.time),
        };
        match self.by_address.get_mut(&lesson.address) {
            Some(known) if known.computer == new.computer => {
                known.seen = (known.seen.0.min(lesson.time), known.seen.1.max(lesson.time));
            }
            Some(known) => {
                let newer = lesson.time > known.seen.1
                    || (lesson.time == known.seen.1 && new.computer < known.computer);
                if newer {
                    *known = new;
                }
            }
            None => {
                self.by_address.insert(lesson.address, new);
                if self.by_address.len() > LIMIT {
                    self.by_address.pop_front();
                }
            }
        }
        self.by_address.to_back(&lesson.address);
    }

    fn learn_name(&mut self, computer: &Arc<str>) {
        if let Some(known) = self.by_label.get_mut(label(computer)) {
            if known.as_ref().is_some_and(|known| known != computer) {
                *known = None;
            }
        } else if self.by_label.len() < LIMIT {
            self.by_label
                .insert(label(computer).to_owned(), Some(Arc::clone(computer)));
        }
    }

    /// The computer that has this address.
    pub fn host_of(&self, address: IpAddr) -> Option<&Arc<str>> {
        self.by_address.get(&address).map(|binding| &binding.computer)
    }

    /// The one computer whose name begins with this label.
    pub fn host_named(&self, short: &str) -> Option<&Arc<str>> {
        self.by_label.get(short)?.as_ref()
    }
}
