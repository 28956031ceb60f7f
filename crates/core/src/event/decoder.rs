//! From bytes to an [`Event`](super::Event), to the reason why a message is skipped, or to the reason why it cannot
//! be read.

use std::sync::Arc;
use std::time::Duration;

use super::decoded::{AddressClaim, DecodeError, Decoded, Skip, WatchedPipes};
use super::document::{Document, EventData};
use super::prefilter::Prefilter;
use super::record::Record;
use super::{details, names};

/// Reads messages.
#[derive(Debug)]
pub struct Decoder {
    prefilter: Prefilter,
    watched: WatchedPipes,
    allowed_lateness: Duration,
}

impl Decoder {
    /// For rules that watch these pipes. Where a shape has moved Sysmon's own clock into `@timestamp`,
    /// `event.created` is used if the two differ by more than `allowed_lateness`.
    pub fn new(watched: WatchedPipes, allowed_lateness: Duration) -> Self {
        Self {
            prefilter: Prefilter::new(),
            watched,
            allowed_lateness,
        }
    }

    /// Reads one message, unparsed if it cannot matter.
    ///
    /// # Errors
    /// [`DecodeError`] where a message that could matter cannot be read. A message that the prefilter skips may be
    /// anything at all.
    pub fn decode(&self, message: &[u8]) -> Result<Decoded, DecodeError> {
        if self.prefilter.can_matter(message) {
            self.decode_unfiltered(message)
        } else {
            Ok(Decoded::skipped(Skip::Prefiltered))
        }
    }

    /// The plain path: parses every message. The reference for [`Decoder::decode`].
    ///
    /// # Errors
    /// [`DecodeError`] where the message cannot be read.
    pub fn decode_unfiltered(&self, message: &[u8]) -> Result<Decoded, DecodeError> {
        let text = std::str::from_utf8(message).map_err(|error| DecodeError::InvalidUtf8 {
            valid_up_to: error.valid_up_to(),
        })?;
        let document: Document<'_> = serde_json::from_str(text).map_err(|error| error_of(&error, text))?;
        // NXLog writes the payload at the top level: read that as one, which is rare enough for a second pass.
        let flat: Option<EventData<'_>> = if document.nxlog_event_id.is_empty() {
            None
        } else {
            Some(serde_json::from_str(text).map_err(|error| error_of(&error, text))?)
        };
        let Some(record) = Record::of(&document, flat.as_ref()) else {
            return Ok(Decoded::skipped(Skip::OtherEvent));
        };
        let time = record.time(self.allowed_lateness)?;
        let mut decoded = details::decode(&record, &self.watched, time)?;
        if record.names_its_own_addresses() {
            let computer = record.computer()?;
            let addresses = document
                .host
                .ip
                .iter()
                .filter_map(|ip| names::address(ip.text()?));
            for address in addresses.filter(|&ip| names::is_routable(ip)) {
                decoded.claims.push(AddressClaim {
                    address,
                    computer: Arc::clone(&computer),
                    time: time.0,
                });
            }
        }
        Ok(decoded)
    }
}

fn error_of(error: &serde_json::Error, text: &str) -> DecodeError {
    let message = error.to_string();
    // serde_json distinguishes these two by their messages only.
    if message.starts_with("duplicate field") {
        DecodeError::DuplicateKey(message)
    } else if message.starts_with("recursion limit exceeded") {
        DecodeError::TooDeep(message)
    } else if error.is_data() && !text.trim_start().starts_with('{') {
        DecodeError::NotAnObject(message)
    } else {
        DecodeError::InvalidJson(message)
    }
}
