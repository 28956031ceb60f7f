//! Whether the input holds documents of a shape that is read at all: a topic in another looks healthy otherwise, since
//! nearly every message of any input is skipped unparsed.

use std::collections::BTreeMap;

use pipewarden_core::event::{Decoder, Shape};

/// All of the first messages are looked at, then ever fewer up to one in as many.
const ALL: u64 = 16;
const ONE_IN: u64 = 1_024;

/// After so many messages without a document that is read, something is wrong.
const ENOUGH: u64 = 128;

/// How many different shapes are described.
const DESCRIBED: usize = 4;

/// Messages, none of which holds a document of a shape that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownInput {
    /// How many there were.
    pub messages: u64,
    /// What was seen in those that were looked at, in words: keys, no values.
    pub seen: Vec<String>,
}

/// Looks at some messages, and remembers whether any was of a shape that is read.
#[derive(Debug, Default)]
pub(super) struct InputShapes {
    messages: u64,
    /// After so many messages the next is looked at.
    idle_until: u64,
    has_known: bool,
    is_reported: bool,
    seen: Vec<String>,
    /// By word, since they were last taken.
    counts: BTreeMap<&'static str, u64>,
}

impl InputShapes {
    /// A message has come; it is parsed if it is its turn.
    pub(super) fn sample(&mut self, decoder: &Decoder, message: &[u8]) {
        self.messages += 1;
        if self.messages > self.idle_until {
            self.look(decoder, message);
        }
    }

    #[cold]
    fn look(&mut self, decoder: &Decoder, message: &[u8]) {
        let next = match self.messages {
            number @ ..ALL => number + 1,
            number @ ALL..ONE_IN => (number + 1).next_power_of_two(),
            number => number + ONE_IN,
        };
        self.idle_until = next - 1;
        self.note(&decoder.shape(message));
    }

    /// A document could be read; the message was one that passed the gates.
    pub(super) fn read(&mut self) {
        self.has_known = true;
        *self.counts.entry(Shape::Known.as_str()).or_default() += 1;
    }

    fn note(&mut self, shape: &Shape) {
        *self.counts.entry(shape.as_str()).or_default() += 1;
        if *shape == Shape::Known {
            self.has_known = true;
        }
        if self.has_known {
            self.seen.clear();
        } else if self.seen.len() < DESCRIBED {
            let described = shape.describe();
            if !self.seen.contains(&described) {
                self.seen.push(described);
            }
        }
    }

    /// What there was, if nothing was of a shape that is read.
    pub(super) fn unknown(&self) -> Option<UnknownInput> {
        (self.messages > 0 && !self.has_known).then(|| UnknownInput {
            messages: self.messages,
            seen: self.seen.clone(),
        })
    }

    /// The same, once, and only after so many messages that it is no chance.
    pub(super) fn take_unknown(&mut self) -> Option<UnknownInput> {
        if self.is_reported || self.messages < ENOUGH {
            return None;
        }
        let unknown = self.unknown();
        self.is_reported = unknown.is_some();
        unknown
    }

    /// How many messages had which shape, of those that were looked at since this was last called.
    pub(super) fn take_counts(&mut self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.counts)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pipewarden_core::event::Watched;

    use super::*;

    fn shapes_of(messages: impl IntoIterator<Item = &'static str>) -> InputShapes {
        let decoder = Decoder::new(Watched::default(), Duration::ZERO);
        let mut shapes = InputShapes::default();
        for message in messages {
            shapes.sample(&decoder, message.as_bytes());
        }
        shapes
    }

    #[test]
    fn input_of_unknown_shapes_is_reported_once_with_what_was_seen() {
        let mut shapes = shapes_of(std::iter::repeat_n([r#"{"log":"x"}"#, "plain"], 64).flatten());
        let unknown = shapes.take_unknown().unwrap();
        assert_eq!(unknown.messages, 128);
        assert_eq!(
            unknown.seen,
            ["objects with the keys log", "text that is no JSON"]
        );
        assert_eq!(shapes.take_unknown(), None);
        assert!(shapes.unknown().is_some());
    }

    #[test]
    fn a_few_messages_report_nothing_and_one_known_document_is_enough() {
        assert_eq!(shapes_of(["plain"; 127]).take_unknown(), None);
        let mut known = vec!["plain"; 200];
        known[15] = r#"{"winlog":{"event_id":1}}"#;
        assert_eq!(shapes_of(known).take_unknown(), None);
        let mut read = shapes_of(["plain"; 200]);
        read.read();
        assert_eq!(read.take_unknown(), None);
        assert_eq!(InputShapes::default().unknown(), None);
    }

    #[test]
    fn few_of_many_messages_are_looked_at() {
        let mut shapes = shapes_of(std::iter::repeat_n("plain", 10 * 1_024));
        assert_eq!(shapes.take_counts(), BTreeMap::from([("not_json", 16 + 5 + 10)]));
        assert!(shapes.take_counts().is_empty());
    }
}
