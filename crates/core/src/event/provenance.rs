//! By which agent an event was shipped, and where it lay when it was read: what a reader needs to find the document again. Neither
//! says anything of the event itself, so neither takes part in identity or in comparisons.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::Event;
use crate::log::{Offset, Partition};

/// The agent that shipped an event (`agent.*`): not always one of the host that logged it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Agent {
    /// `agent.id`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Arc<str>>,
    /// `agent.name`: usually the host it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// `agent.type`: `winlogbeat`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Arc<str>>,
    /// `agent.version`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Arc<str>>,
}

impl Agent {
    /// Whether it says nothing.
    pub const fn is_empty(&self) -> bool {
        let Self {
            id,
            name,
            kind,
            version,
        } = self;
        id.is_none() && name.is_none() && kind.is_none() && version.is_none()
    }
}

/// Where an event lay when it was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(untagged)]
pub enum Origin {
    /// In a record of a topic.
    Record {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: Partition,
        /// The offset.
        offset: Offset,
        /// Which document of the record it is, from 0, if that holds several.
        #[serde(skip_serializing_if = "Option::is_none")]
        element: Option<u32>,
    },
    /// In a file.
    Line {
        /// The file, as it was named to the program.
        file: Arc<str>,
        /// The line, from 1; of an event log the record id.
        line: u64,
        /// Which document of the line it is, from 0, if that holds several.
        #[serde(skip_serializing_if = "Option::is_none")]
        element: Option<u32>,
    },
}

/// `topic/partition@offset` or `file:line`, and `#element` where there are several.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let element = match self {
            Self::Record {
                topic,
                partition,
                offset,
                element,
            } => {
                write!(f, "{topic}/{}@{}", partition.get(), offset.get())?;
                element
            }
            Self::Line { file, line, element } => {
                write!(f, "{file}:{line}")?;
                element
            }
        };
        element.map_or(Ok(()), |element| write!(f, "#{element}"))
    }
}

/// By the fields that are there: what serde makes of an untagged enum would copy each of them first.
impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            #[serde(default, deserialize_with = "shared_text")]
            topic: Option<Arc<str>>,
            #[serde(default)]
            partition: Partition,
            #[serde(default)]
            offset: Offset,
            #[serde(default, deserialize_with = "shared_text")]
            file: Option<Arc<str>>,
            #[serde(default)]
            line: u64,
            element: Option<u32>,
        }
        let fields = Fields::deserialize(deserializer)?;
        let element = fields.element;
        match (fields.topic, fields.file) {
            (Some(topic), None) => Ok(Self::Record {
                topic,
                partition: fields.partition,
                offset: fields.offset,
                element,
            }),
            (None, Some(file)) => Ok(Self::Line {
                file,
                line: fields.line,
                element,
            }),
            _ => Err(serde::de::Error::custom("an origin has a topic, or else a file")),
        }
    }
}

/// An event, who shipped it and where it lay.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// The event.
    pub event: Event,
    /// The agent, where the document names it.
    pub agent: Option<Arc<Agent>>,
    /// Where it lay.
    pub origin: Option<Origin>,
}

impl From<Event> for Received {
    fn from(event: Event) -> Self {
        Self {
            event,
            agent: None,
            origin: None,
        }
    }
}

/// How many values of one type are shared at most. Agents are as many as hosts; where more come by, sharing begins anew.
const MOST_SHARED: usize = 4_096;

/// The same value for equal ones, so that a state of many observations by few agents holds each agent once.
fn shared<T: Eq + Hash + ?Sized>(cache: &RefCell<HashSet<Arc<T>>>, value: Arc<T>) -> Arc<T> {
    let mut known = cache.borrow_mut();
    if let Some(known) = known.get(&value) {
        return Arc::clone(known);
    }
    if known.len() >= MOST_SHARED {
        known.clear();
    }
    known.insert(Arc::clone(&value));
    value
}

thread_local! {
    static AGENTS: RefCell<HashSet<Arc<Agent>>> = RefCell::default();
    static TEXTS: RefCell<HashSet<Arc<str>>> = RefCell::default();
}

/// The agent; equal ones are one allocation.
pub(super) fn one_agent(agent: Arc<Agent>) -> Arc<Agent> {
    AGENTS.with(|known| shared(known, agent))
}

/// The text; equal ones are one allocation.
pub(super) fn one_text(text: Arc<str>) -> Arc<str> {
    TEXTS.with(|known| shared(known, text))
}

/// Reads an agent; equal ones are one allocation.
pub(super) fn shared_agent<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Arc<Agent>>, D::Error> {
    let agent = Option::<Arc<Agent>>::deserialize(deserializer)?;
    Ok(agent.map(one_agent))
}

/// Reads a text; equal ones are one allocation.
pub(super) fn shared_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<str>>, D::Error> {
    let text = Option::<Arc<str>>::deserialize(deserializer)?;
    Ok(text.map(one_text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_by_the_fields_it_has_and_read_again() {
        for (text, shown) in [
            (
                r#"{"topic":"winlogbeat","partition":3,"offset":17}"#,
                "winlogbeat/3@17",
            ),
            (r#"{"topic":"t","partition":0,"offset":0,"element":2}"#, "t/0@0#2"),
            (r#"{"file":"a.ndjson","line":7,"element":0}"#, "a.ndjson:7#0"),
        ] {
            let origin: Origin = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&origin).unwrap(), text);
            assert_eq!(origin.to_string(), shown);
        }
        assert!(serde_json::from_str::<Origin>(r#"{"line":7}"#).is_err());
    }

    #[test]
    fn equal_values_are_shared_however_many_differ() {
        let cache = RefCell::default();
        let first: Arc<str> = shared(&cache, Arc::from("a"));
        assert!(Arc::ptr_eq(&first, &shared(&cache, Arc::from("a"))));
        for number in 0..2 * MOST_SHARED {
            shared(&cache, Arc::from(number.to_string()));
        }
        assert!(cache.borrow().len() <= MOST_SHARED);
    }
}
