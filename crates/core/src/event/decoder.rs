//! From bytes to an [`Event`], to the reason why a message is none of ours, or to the reason why it cannot be
//! read.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::document::{Document, EventData};
use super::prefilter::Prefilter;
use super::record::Record;
use super::{Event, details, names};
use crate::time::EventTime;

/// The pipes that the rules in force watch, by side; names normalised as [`super::normalise_pipe`] does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchedPipes {
    /// As Sysmon 18 names them.
    pub pipe_connected: HashSet<Arc<str>>,
    /// As Security 5145 names them.
    pub share_access: HashSet<Arc<str>>,
}

/// What the stream teaches: at this time this address belonged to this computer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressClaim {
    /// The address; never loopback, unspecified or multicast.
    pub address: IpAddr,
    /// The computer, in lower case.
    pub computer: Arc<str>,
    /// When it was seen, by the computer's clock.
    pub time: EventTime,
}

/// Why a well-formed message is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// Skipped unparsed: it holds none of the words that every event of ours holds.
    Prefiltered,
    /// None of the three event ids, or not from their provider.
    OtherEvent,
    /// Sysmon 3 over another transport than TCP.
    OtherTransport,
    /// Sysmon 3 with no end on an SMB port.
    OtherPort,
    /// Sysmon 18 or Security 5145 on a pipe that no rule watches.
    OtherPipe,
    /// Security 5145 on another share than `IPC$`.
    OtherShare,
    /// Sysmon 18 by a process of the host itself.
    LocalClient,
    /// The source is a loopback or unspecified address.
    LocalAddress,
}

impl Skip {
    /// The word used in metrics and in `replay`'s summary.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prefiltered => "prefiltered",
            Self::OtherEvent => "other_event",
            Self::OtherTransport => "other_transport",
            Self::OtherPort => "other_port",
            Self::OtherPipe => "other_pipe",
            Self::OtherShare => "other_share",
            Self::LocalClient => "local_client",
            Self::LocalAddress => "local_address",
        }
    }
}

/// A message that could be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The event, or why there is none.
    pub outcome: Result<Event, Skip>,
    /// What the message teaches about addresses, kept or not.
    pub claims: Vec<AddressClaim>,
}

impl Decoded {
    pub(super) fn skipped(skip: Skip) -> Self {
        Self {
            outcome: Err(skip),
            claims: Vec::new(),
        }
    }
}

/// Why a message cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// It is not UTF-8.
    #[error("invalid UTF-8 after {valid_up_to} bytes")]
    InvalidUtf8 {
        /// How many bytes were sound.
        valid_up_to: usize,
    },
    /// It is not JSON, or is cut off.
    #[error("invalid JSON: {0}")]
    InvalidJson(String),
    /// An object names a field twice, so that readers disagree about its value.
    #[error("duplicate key: {0}")]
    DuplicateKey(String),
    /// It is nested too deeply where a field of ours should stand.
    #[error("nested too deeply: {0}")]
    TooDeep(String),
    /// It is JSON and no object.
    #[error("not an object: {0}")]
    NotAnObject(String),
    /// One of our events lacks what it must have.
    #[error("missing field {0}")]
    MissingField(&'static str),
    /// One of our events has a field that cannot be what it should.
    #[error("bad field {field}: expected {expected}")]
    BadField {
        /// The field, as Winlogbeat names it.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

/// Reads messages.
#[derive(Debug)]
pub struct Decoder {
    prefilter: Prefilter,
    watched: WatchedPipes,
    allowed_lateness: Duration,
}

impl Decoder {
    /// For rules that watch these pipes. `allowed_lateness` is how far a clock that a shape has moved into
    /// `@timestamp` may be from `event.created` before it is given up.
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
        let document: Document<'_> = serde_json::from_str(text).map_err(|error| explain(&error, text))?;
        // NXLog writes the payload at the top level: read that as one, which is rare enough for a second pass.
        let flat: Option<EventData<'_>> = if document.nxlog_event_id.is_empty() {
            None
        } else {
            Some(serde_json::from_str(text).map_err(|error| explain(&error, text))?)
        };
        let Some(record) = Record::of(&document, flat.as_ref()) else {
            return Ok(Decoded::skipped(Skip::OtherEvent));
        };
        let time = record.time(self.allowed_lateness)?;
        let mut decoded = details::decode(&record, &self.watched, time)?;
        if record.names_its_own_addresses() {
            let computer = record.computer()?;
            let own = document
                .host
                .0
                .ip
                .0
                .iter()
                .filter_map(|ip| names::address(ip.text()?));
            decoded.claims.extend(
                own.filter(|&ip| names::is_routable(ip))
                    .map(|address| AddressClaim {
                        address,
                        computer: Arc::clone(&computer),
                        time: time.0,
                    }),
            );
        }
        Ok(decoded)
    }
}

fn explain(error: &serde_json::Error, text: &str) -> DecodeError {
    let message = error.to_string();
    // serde_json names these two only in words.
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
