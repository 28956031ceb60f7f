//! From bytes to an [`Event`](super::Event), to the reason why a message is skipped, or to the reason why it cannot
//! be read.

use std::sync::Arc;
use std::time::Duration;

use serde::de::IgnoredAny;

use super::decoded::{AddressClaim, DecodeError, Decoded, Skip, Watched, Word};
use super::document::{Document, EventData};
use super::message_text::MessageText;
use super::prefilter::Prefilter;
use super::record::Record;
use super::session_events::SessionEvents;
use super::{details, envelope, names, surrogates};

/// What comes of a document: its place in the message from 0, if that holds several, its text, and what was read.
pub type VisitDecoded<'v> = dyn FnMut(Option<u32>, &[u8], Result<Decoded, DecodeError>) + 'v;

/// How many addresses of `host.ip` are read: no host has more, and a list of a megabyte is no reason to learn it.
const MOST_ADDRESSES: usize = 64;

/// Reads messages.
#[derive(Debug)]
pub struct Decoder {
    prefilter: Prefilter,
    message_text: MessageText,
    watched: Watched,
    session_events: SessionEvents,
    allowed_lateness: Duration,
}

impl Decoder {
    /// For rules that watch this. Where a shape has moved Sysmon's own clock into `@timestamp`,
    /// `event.created` is used if the two differ by more than `allowed_lateness`.
    pub fn new(watched: Watched, allowed_lateness: Duration) -> Self {
        Self {
            prefilter: Prefilter::new(SessionEvents::default(), &watched.call_back_ports),
            message_text: MessageText::default(),
            watched,
            session_events: SessionEvents::default(),
            allowed_lateness,
        }
    }

    /// The same, which reads these events of the Security log as session evidence.
    #[must_use]
    pub fn with_session_events(mut self, events: SessionEvents) -> Self {
        self.prefilter = Prefilter::new(events.clone(), &self.watched.call_back_ports);
        self.session_events = events;
        self
    }

    /// The gates before the parser: false only if the message holds no event that matters.
    pub fn can_matter(&self, message: &[u8]) -> bool {
        self.prefilter.can_matter(message)
    }

    /// Reads one document, unparsed if it cannot matter.
    ///
    /// # Errors
    /// [`DecodeError`] where a message that could matter cannot be read. A message that the prefilter skips may be
    /// anything at all.
    pub fn decode(&self, message: &[u8]) -> Result<Decoded, DecodeError> {
        if self.can_matter(message) {
            self.read(message)
        } else {
            Ok(Decoded::skipped(Skip::Prefiltered))
        }
    }

    /// Reads a message that may hold several documents, and visits what comes of each: its place from 0, if the message is
    /// no document itself, its text, and what was read.
    pub fn decode_each(&self, message: &[u8], visit: &mut VisitDecoded<'_>) {
        if self.can_matter(message) {
            self.decode_each_unfiltered(message, visit);
        } else {
            visit(None, message, Ok(Decoded::skipped(Skip::Prefiltered)));
        }
    }

    /// The same for a message that [`Decoder::can_matter`]. Whoever asks that first has nothing to carry of the many that
    /// cannot.
    pub fn decode_each_unfiltered(&self, message: &[u8], visit: &mut VisitDecoded<'_>) {
        use DecodeError::{InvalidJson, NotAnObject, NotWinlogbeat};
        let decoded = self.read(message);
        // Truncated in the midst of many, it still holds those before.
        let may_hold_others = matches!(decoded, Err(NotAnObject(_) | NotWinlogbeat(_) | InvalidJson(_)));
        // Most messages are no concern of ours: nothing more is done with one that needs no second look.
        let text = may_hold_others.then(|| str::from_utf8(message).ok()).flatten();
        let Some(text) = text else {
            return visit(None, message, decoded);
        };
        let mut next = 0;
        let opened = envelope::open(text, &mut |document| {
            let is_object = document.trim_ascii_start().starts_with('{');
            let decoded = if is_object {
                self.decode(document.as_bytes())
            } else {
                self.read(document.as_bytes())
            };
            visit(Some(next), document.as_bytes(), decoded);
            next += 1;
        });
        match opened {
            Ok(true) => {}
            Err(error) if next > 0 => visit(Some(next), message, Err(error_of(&error))),
            Ok(false) | Err(_) => visit(None, message, decoded),
        }
    }

    /// What [`Decoder::decode_unfiltered`] makes of it, without a look at what nobody reads of it.
    fn read(&self, message: &[u8]) -> Result<Decoded, DecodeError> {
        let cut = self.message_text.cut_from(message);
        let decoded = cut.as_deref().and_then(|cut| str::from_utf8(cut).ok());
        match decoded.map(|text| self.decode_text(text)) {
            Some(Ok(decoded)) => Ok(decoded),
            // Errors say where in the whole.
            Some(Err(_)) | None => self.decode_unfiltered(message),
        }
    }

    /// The plain path: parses every document in full. The reference for [`Decoder::decode`].
    ///
    /// # Errors
    /// [`DecodeError`] where the document cannot be read.
    pub fn decode_unfiltered(&self, message: &[u8]) -> Result<Decoded, DecodeError> {
        let text = str::from_utf8(message).map_err(|error| DecodeError::InvalidUtf8 {
            valid_up_to: error.valid_up_to(),
        })?;
        let decoded = self.decode_text(text);
        // One half of a character in any text would cost the whole document.
        if matches!(decoded, Err(DecodeError::InvalidJson(_)))
            && let Some(mended) = surrogates::mended(text)
        {
            return self.decode_text(&mended).map(|mut decoded| {
                decoded.odd_fields.push("text");
                decoded
            });
        }
        decoded
    }

    fn decode_text(&self, text: &str) -> Result<Decoded, DecodeError> {
        // serde takes an array for a struct whose fields come in this order.
        if !text.trim_ascii_start().starts_with('{') {
            return Err(match serde_json::from_str::<IgnoredAny>(text) {
                Ok(_) => DecodeError::NotAnObject(text.trim_ascii_start().chars().take(20).collect()),
                Err(error) => error_of(&error),
            });
        }
        let document: Document<'_> = serde_json::from_str(text).map_err(|error| error_of(&error))?;
        // NXLog writes the payload at the top level: read that as one, which is rare enough for a second pass.
        let flat: Option<EventData<'_>> = if document.nxlog_event_id.is_empty() {
            None
        } else {
            Some(serde_json::from_str(text).map_err(|error| error_of(&error))?)
        };
        if !document.has_known_shape() {
            return Err(DecodeError::NotWinlogbeat(envelope::keys(text)));
        }
        let read = Record::of(&document, flat.as_ref()).filter(|record| record.is_read(&self.session_events));
        let Some(record) = read else {
            return Ok(Decoded::skipped(Skip::OtherEvent));
        };
        let time = record.time(self.allowed_lateness)?;
        let mut decoded = details::decode(&record, &self.watched, time)?;
        // Who skips an event unparsed takes no claim of it, so it has none where it is skipped for what it holds.
        let may_claim = decoded.outcome.is_ok() || !record.code.is_session_event();
        if may_claim && !document.host.ip.is_empty() && record.names_its_own_addresses() {
            let computer = record.computer()?;
            let addresses = document
                .host
                .ip
                .iter()
                .filter_map(|ip| names::address(ip.text()?));
            for address in addresses
                .filter(|&ip| names::is_routable(ip))
                .take(MOST_ADDRESSES)
            {
                decoded.claims.push(AddressClaim {
                    address,
                    computer: Arc::clone(&computer),
                    time: time.0,
                    says: Word::Agent,
                });
            }
        }
        Ok(decoded)
    }
}

fn error_of(error: &serde_json::Error) -> DecodeError {
    let message = error.to_string();
    // serde_json distinguishes these two by their messages only.
    if message.starts_with("duplicate field") {
        DecodeError::DuplicateKey(message)
    } else if message.starts_with("recursion limit exceeded") {
        DecodeError::TooDeep(message)
    } else {
        DecodeError::InvalidJson(message)
    }
}
