//! What a message looks like, for people who must find out why nothing is detected: keys, and never values.

use super::decoded::DecodeError;
use super::{Decoder, envelope};

/// What a message looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// It is or holds a document of a shape that is read, whatever event that is.
    Known,
    /// It holds objects of other shapes. The keys of the first, in order, no more than a dozen.
    Object(String),
    /// It is JSON without an object in it.
    NotAnObject,
    /// It is text and no JSON.
    NotJson,
    /// It is no text in UTF-8.
    NotUtf8,
}

impl Shape {
    /// The words of all shapes, as metrics use them.
    pub const WORDS: [&'static str; 5] = ["known", "object", "not_an_object", "not_json", "not_utf8"];

    /// The word used in metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Object(_) => "object",
            Self::NotAnObject => "not_an_object",
            Self::NotJson => "not_json",
            Self::NotUtf8 => "not_utf8",
        }
    }

    /// What was seen, in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Known => "documents of a shape that is read".to_owned(),
            Self::Object(keys) if keys.is_empty() => "objects without a key".to_owned(),
            Self::Object(keys) => format!("objects with the keys {keys}"),
            Self::NotAnObject => "JSON without an object in it".to_owned(),
            Self::NotJson => "text that is no JSON".to_owned(),
            Self::NotUtf8 => "bytes that are no UTF-8".to_owned(),
        }
    }

    fn of(error: &DecodeError) -> Self {
        match error {
            DecodeError::InvalidUtf8 { .. } => Self::NotUtf8,
            DecodeError::InvalidJson(_) => Self::NotJson,
            DecodeError::NotAnObject(_) => Self::NotAnObject,
            DecodeError::NotWinlogbeat(keys) => Self::Object(keys.clone()),
            // A document that is read, with something wrong in it.
            DecodeError::DuplicateKey(_)
            | DecodeError::TooDeep(_)
            | DecodeError::MissingField(_)
            | DecodeError::BadField { .. } => Self::Known,
        }
    }
}

impl Decoder {
    /// Parses a message, whether it can matter or not, to tell what it looks like.
    pub fn shape(&self, message: &[u8]) -> Shape {
        let shape = self.shape_of_document(message);
        if !matches!(shape, Shape::Object(_) | Shape::NotAnObject) {
            return shape;
        }
        let Ok(text) = str::from_utf8(message) else {
            return Shape::NotUtf8;
        };
        // One known document in an envelope will do; of others the first speaks.
        let mut within: Option<Shape> = None;
        let opened = envelope::open(text, &mut |element| {
            if within != Some(Shape::Known) {
                let own = self.shape_of_document(element.as_bytes());
                if own == Shape::Known || within.is_none() {
                    within = Some(own);
                }
            }
        });
        match opened {
            Ok(true) => within.unwrap_or(shape),
            Ok(false) | Err(_) => shape,
        }
    }

    fn shape_of_document(&self, document: &[u8]) -> Shape {
        match self.decode_unfiltered(document) {
            Ok(_) => Shape::Known,
            Err(error) => Shape::of(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::Watched;

    fn shape(message: impl AsRef<[u8]>) -> Shape {
        Decoder::new(Watched::default(), Duration::from_secs(1_800)).shape(message.as_ref())
    }

    #[test]
    fn documents_of_every_shape_are_known_whatever_event_they_are_and_whatever_holds_them() {
        for message in [
            r#"{"@timestamp":"2026-03-02T10:15:04Z","winlog":{"event_id":4624}}"#,
            r#"{"@timestamp":"2026-03-02T10:15:04Z","event_id":1,"source_name":"x"}"#,
            r#"{"EventID":4688,"Hostname":"atlas"}"#,
            r#"[{"any":1},{"winlog":{"event_id":1}}]"#,
            r#"{"records":[{"winlog":{"event_id":1}}]}"#,
            r#"{"message":"{\"winlog\":{\"event_id\":1}}"}"#,
        ] {
            assert_eq!(shape(message), Shape::Known, "{message}");
        }
    }

    #[test]
    fn what_is_unknown_is_described_by_keys_and_never_by_values() {
        for (message, expected) in [
            (
                r#"{"log":"secret","host":"secret"}"#,
                "objects with the keys host, log",
            ),
            (
                r#"{"message":"{\"text\":\"secret\"}"}"#,
                "objects with the keys text",
            ),
            (r#"["secret"]"#, "JSON without an object in it"),
            (r#""secret""#, "JSON without an object in it"),
            ("{}", "objects without a key"),
            ("<134>secret", "text that is no JSON"),
            (r#"{"cut":"secr"#, "text that is no JSON"),
        ] {
            let described = shape(message).describe();
            assert_eq!(described, expected, "{message}");
            assert!(!described.contains("secr"));
        }
        let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(shape(utf16), Shape::NotUtf8);
    }
}
