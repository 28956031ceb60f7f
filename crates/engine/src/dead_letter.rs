//! Messages that could not be decoded, kept so that an engineer can see why and send the original again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pipewarden_core::event::DecodeError;
use pipewarden_core::log::{Offset, Partition};
use serde::{Deserialize, Serialize};

use super::Origin;

/// The value of a record on the dead-letter topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// What is wrong, for counting.
    pub reason: DeadLetterReason,
    /// What exactly is wrong.
    pub message: String,
    /// The topic of the original.
    pub topic: String,
    /// Its partition.
    pub partition: Partition,
    /// Its offset.
    pub offset: Offset,
    /// Which document of the original it is, from 0, if that held several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<u32>,
    /// How `payload` is written.
    pub payload_encoding: PayloadEncoding,
    /// The original bytes, whole unless `truncated`.
    pub payload: String,
    /// Whether only the first bytes are here, because the whole would not fit a record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// Why a message becomes a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterReason {
    /// It is not UTF-8.
    InvalidUtf8,
    /// It is not JSON, or is cut off.
    InvalidJson,
    /// An object names a field twice.
    DuplicateKey,
    /// It is nested too deeply where a field of ours should stand.
    TooDeep,
    /// It is JSON and no object.
    NotAnObject,
    /// One of our events lacks what it must have.
    MissingField,
    /// One of our events has a field that cannot be what it should.
    BadField,
    /// The record has no value, as a tombstone has none.
    NullValue,
    /// The value has no bytes.
    EmptyValue,
    /// It is an object of none of the shapes that are read.
    NotWinlogbeat,
    /// Its observation would not fit a record.
    ObservationTooLarge,
    /// It is a record of the observations topic and no observation.
    UndecodableObservation,
    /// Its batch would inflate beyond the bound.
    BatchTooLarge,
    /// Its batch cannot be inflated.
    BatchDamaged,
    /// The broker rejects what the service made of it, for good.
    RecordRejected,
}

impl DeadLetterReason {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::InvalidUtf8,
        Self::InvalidJson,
        Self::DuplicateKey,
        Self::TooDeep,
        Self::NotAnObject,
        Self::MissingField,
        Self::BadField,
        Self::NullValue,
        Self::EmptyValue,
        Self::NotWinlogbeat,
        Self::ObservationTooLarge,
        Self::UndecodableObservation,
        Self::BatchTooLarge,
        Self::BatchDamaged,
        Self::RecordRejected,
    ];

    /// The word used in metrics and in the letter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidUtf8 => "invalid_utf8",
            Self::InvalidJson => "invalid_json",
            Self::DuplicateKey => "duplicate_key",
            Self::TooDeep => "too_deep",
            Self::NotAnObject => "not_an_object",
            Self::MissingField => "missing_field",
            Self::BadField => "bad_field",
            Self::NullValue => "null_value",
            Self::EmptyValue => "empty_value",
            Self::NotWinlogbeat => "not_winlogbeat",
            Self::ObservationTooLarge => "observation_too_large",
            Self::UndecodableObservation => "undecodable_observation",
            Self::BatchTooLarge => "batch_too_large",
            Self::BatchDamaged => "batch_damaged",
            Self::RecordRejected => "record_rejected",
        }
    }
}

impl From<&DecodeError> for DeadLetterReason {
    fn from(error: &DecodeError) -> Self {
        match error {
            DecodeError::InvalidUtf8 { .. } => Self::InvalidUtf8,
            DecodeError::InvalidJson(_) => Self::InvalidJson,
            DecodeError::DuplicateKey(_) => Self::DuplicateKey,
            DecodeError::TooDeep(_) => Self::TooDeep,
            DecodeError::NotAnObject(_) => Self::NotAnObject,
            DecodeError::NotWinlogbeat(_) => Self::NotWinlogbeat,
            DecodeError::MissingField(_) => Self::MissingField,
            DecodeError::BadField { .. } => Self::BadField,
        }
    }
}

/// How many bytes of a message are kept. As base64 they take a third more, which leaves room for the rest of a record
/// of 8 MiB.
const KEPT: usize = 5 << 20;

/// How many bytes of the message are kept, and of the topic's name: it may be that of a file.
const KEPT_TEXT: usize = 1 << 10;

/// The most that a letter takes as a record's value, whatever it holds.
pub const DEAD_LETTER_MAX_BYTES: usize = 8_000_000;

/// How a payload is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PayloadEncoding {
    /// As it is.
    #[serde(rename = "utf-8")]
    Utf8,
    /// As base64, because it is not UTF-8 or holds so many control characters that escaping would swell it.
    #[serde(rename = "base64")]
    Base64,
}

impl DeadLetter {
    /// For a message that could not be decoded.
    pub fn new(error: &DecodeError, origin: Origin<'_>, payload: &[u8]) -> Self {
        Self::of(error.into(), error.to_string(), origin, payload)
    }

    /// For a message, or a batch of them, that was rejected for any other reason.
    pub fn of(reason: DeadLetterReason, message: String, origin: Origin<'_>, payload: &[u8]) -> Self {
        let truncated = payload.len() > KEPT;
        let payload = &payload[..payload.len().min(KEPT)];
        let (payload_encoding, payload) = match std::str::from_utf8(payload) {
            Ok(text) if !grows_in_json(text) => (PayloadEncoding::Utf8, text.to_owned()),
            _ => (PayloadEncoding::Base64, STANDARD.encode(payload)),
        };
        Self {
            reason,
            message: shortened(message),
            topic: shortened(origin.topic.to_owned()),
            partition: origin.partition,
            offset: origin.offset,
            element: None,
            payload_encoding,
            payload,
            truncated,
        }
    }

    /// The same for one document of several in a message.
    #[must_use]
    pub fn of_element(mut self, element: Option<u32>) -> Self {
        self.element = element;
        self
    }

    /// Drops the payload, because the broker rejects the letter with it. False where there is none: then nothing of the letter
    /// can be kept.
    pub fn drop_payload(&mut self) -> bool {
        let has_payload = !self.payload.is_empty();
        self.payload = String::new();
        self.payload_encoding = PayloadEncoding::Utf8;
        self.truncated |= has_payload;
        has_payload
    }

    /// The Kafka key: the place of the original, so that a repeat after a crash is recognisable.
    pub fn key(&self) -> String {
        let place = format!("{}-{}-{}", self.topic, self.partition, self.offset);
        match self.element {
            Some(element) => format!("{place}-{element}"),
            None => place,
        }
    }

    /// The record's value.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers are JSON")
    }

    /// Reads a record's value; `None` where it is no dead letter.
    pub fn decode(value: &[u8]) -> Option<Self> {
        serde_json::from_slice(value).ok()
    }

    /// The original bytes; `None` if the payload is not the base64 it claims to be.
    pub fn original(&self) -> Option<Vec<u8>> {
        match self.payload_encoding {
            PayloadEncoding::Utf8 => Some(self.payload.clone().into_bytes()),
            PayloadEncoding::Base64 => STANDARD.decode(&self.payload).ok(),
        }
    }
}

fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(KEPT_TEXT));
    text
}

/// Whether escaping makes a text more than a third longer, which is what base64 does.
fn grows_in_json(text: &str) -> bool {
    let extra: usize = text
        .bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 1,
            0..b' ' => 5,
            _ => 0,
        })
        .sum();
    extra > text.len() / 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_and_a_metric_have_the_same_word_for_a_reason() {
        for reason in DeadLetterReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }

    #[test]
    fn the_original_bytes_survive_whatever_they_are() {
        let origin = Origin {
            topic: "winlogbeat",
            partition: Partition::new(3),
            offset: Offset::new(7),
        };
        for bytes in [b"{\"a\"".as_slice(), b"\xff\x00\xfe", b""] {
            let letter = DeadLetter::of(
                DeadLetterReason::InvalidJson,
                "truncated".to_owned(),
                origin,
                bytes,
            );
            let read: DeadLetter = serde_json::from_slice(&letter.encode()).unwrap();
            assert_eq!(read.original().unwrap(), bytes);
            assert_eq!(read.key(), "winlogbeat-3-7");
            assert!(!read.truncated);
        }
    }

    #[test]
    fn a_dead_letter_fits_a_record_of_eight_mebibytes_whatever_it_holds() {
        let origin = Origin {
            topic: "winlogbeat",
            partition: Partition::new(3),
            offset: Offset::new(7),
        };
        for byte in [0, 1, b'"', b'x', 0xff] {
            let message = vec![byte; 9 << 20];
            let letter = DeadLetter::of(
                DeadLetterReason::InvalidJson,
                "\u{1}".repeat(1 << 20),
                origin,
                &message,
            );
            assert!(letter.truncated && letter.encode().len() <= DEAD_LETTER_MAX_BYTES);
            assert_eq!(letter.original().unwrap(), message[..KEPT]);
        }
    }
}
