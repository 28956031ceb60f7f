//! One event, whatever the shape it came in: the header fields under one name each.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::decoder::DecodeError;
use super::document::{Document, EventData};
use super::field::{Scalar, Texts};
use super::{Outcome, TimeSource, names};
use crate::time::EventTime;

/// Which of our events it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// Sysmon 3.
    NetworkConnection,
    /// Sysmon 18.
    PipeConnected,
    /// Security 5145.
    ShareAccess,
}

/// An event of ours: its header, its payload, and the document for what pipelines have moved elsewhere.
pub(super) struct Record<'d, 'a> {
    pub(super) code: Code,
    pub(super) document: &'d Document<'a>,
    pub(super) data: &'d EventData<'a>,
    timestamp: &'d Scalar<'a>,
    computer: &'d Scalar<'a>,
    channel: &'d Scalar<'a>,
    record_id: &'d Scalar<'a>,
    keywords: &'d Texts<'a>,
}

const SYSMON: &str = "Microsoft-Windows-Sysmon";
const SYSMON_CHANNEL: &str = "Microsoft-Windows-Sysmon/Operational";
const SECURITY: &str = "Microsoft-Windows-Security-Auditing";
const SECURITY_CHANNEL: &str = "Security";

impl<'d, 'a> Record<'d, 'a> {
    /// Reads the header of whatever shape the document has; `None` if it is none of our events. `flat` is the
    /// document's top level read as a payload, where a shape puts it there.
    pub(super) fn of(document: &'d Document<'a>, flat: Option<&'d EventData<'a>>) -> Option<Self> {
        let (code, provider, record) = if let Some(winlog) = &document.winlog {
            let winlog = &winlog.0;
            let event = &document.event.0;
            let id = first(&winlog.event_id, &event.code);
            let provider = first(&winlog.provider_name, &event.provider);
            let header = (
                &document.timestamp,
                &winlog.computer_name,
                &winlog.channel,
                &winlog.record_id,
            );
            (id, provider, (header, &winlog.event_data.0, &winlog.keywords))
        } else if let Some(rendered) = &document.rendered {
            let system = &rendered.0.system.0;
            let time = &system.time_created.0.attributes.0.system_time;
            let provider = &system.provider.0.attributes.0.name;
            let header = (time, &system.computer, &system.channel, &system.event_record_id);
            (
                &system.event_id.0,
                provider,
                (header, &rendered.0.event_data.0, &system.keywords),
            )
        } else if let Some(flat) = flat {
            let header = (
                &document.timestamp,
                &document.nxlog_hostname,
                &document.nxlog_channel,
                &document.nxlog_record_number,
            );
            (
                &document.nxlog_event_id,
                &document.nxlog_source_name,
                (header, flat, &document.keywords),
            )
        } else {
            let header = (
                &document.timestamp,
                &document.computer_name,
                &document.log_name,
                &document.record_number,
            );
            (
                &document.event_id,
                &document.source_name,
                (header, &document.event_data.0, &document.keywords),
            )
        };
        let ((timestamp, computer, channel, record_id), data, keywords) = record;
        let code = code_of(code.number()?, provider, channel)?;
        Some(Self {
            code,
            document,
            data,
            timestamp,
            computer,
            channel,
            record_id,
            keywords,
        })
    }

    /// The host that logged the event, in lower case.
    pub(super) fn computer(&self) -> Result<Arc<str>, DecodeError> {
        let computer = self
            .computer
            .text()
            .ok_or(DecodeError::MissingField("computer_name"))?;
        Ok(names::cut(&names::host(computer)).into())
    }

    /// The event log, in lower case; the one its provider writes to where a shape leaves it out.
    pub(super) fn channel(&self) -> Arc<str> {
        let usual = if self.code == Code::ShareAccess {
            SECURITY_CHANNEL
        } else {
            SYSMON_CHANNEL
        };
        names::cut(&self.channel.text().unwrap_or(usual).to_ascii_lowercase()).into()
    }

    pub(super) fn record_id(&self) -> Result<Option<u64>, DecodeError> {
        if self.record_id.is_empty() {
            return Ok(None);
        }
        let bad = DecodeError::BadField {
            field: "record_id",
            expected: "a whole number",
        };
        self.record_id.number().map(Some).ok_or(bad)
    }

    /// When it happened. Where a shape has moved Sysmon's drifting clock into `@timestamp`, and that is further than
    /// `allowed_lateness` from `event.created`, an event 3 takes the latter.
    pub(super) fn time(&self, allowed_lateness: Duration) -> Result<(EventTime, TimeSource), DecodeError> {
        let text = self
            .timestamp
            .text()
            .ok_or(DecodeError::MissingField("@timestamp"))?;
        let time = instant(text).ok_or(DecodeError::BadField {
            field: "@timestamp",
            expected: "an RFC 3339 date and time",
        })?;
        let clock_was_moved = self.code == Code::NetworkConnection && self.data.utc_time.is_empty();
        if clock_was_moved
            && let Some(created) = self.document.event.0.created.text().and_then(instant)
            && created.distance(time) > allowed_lateness
        {
            return Ok((created, TimeSource::Created));
        }
        Ok((time, TimeSource::Timestamp))
    }

    /// Whether `host.ip` lists addresses of the host that logged the event: not so for what a collector forwards.
    pub(super) fn names_its_own_addresses(&self) -> bool {
        let (name, computer) = (self.document.host.0.name.text(), self.computer.text());
        name.zip(computer)
            .is_some_and(|(name, computer)| names::same_host(name, computer))
    }

    /// Granted or refused, where the shape says so: `event.outcome`, or the audit keywords as words or as bits.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        const AUDIT_FAILURE: u64 = 0x0010_0000_0000_0000;
        const AUDIT_SUCCESS: u64 = 0x0020_0000_0000_0000;
        let word = |text: &str| match text.to_ascii_lowercase().as_str() {
            "success" | "audit success" => Some(Outcome::Success),
            "failure" | "audit failure" => Some(Outcome::Failure),
            _ => None,
        };
        let bits = |text: &str| {
            let bits = u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
            match (bits & AUDIT_SUCCESS != 0, bits & AUDIT_FAILURE != 0) {
                (true, false) => Some(Outcome::Success),
                (false, true) => Some(Outcome::Failure),
                _ => None,
            }
        };
        let keywords = self.keywords.0.iter().filter_map(Scalar::text);
        self.document
            .event
            .0
            .outcome
            .text()
            .into_iter()
            .chain(keywords)
            .find_map(|text| word(text).or_else(|| bits(text)))
    }
}

fn first<'d, 'a>(one: &'d Scalar<'a>, other: &'d Scalar<'a>) -> &'d Scalar<'a> {
    if one.is_empty() { other } else { one }
}

/// Which event an id means, which only its provider decides: Sysmon and Security share numbers with others. Names are
/// taken as Windows spells them, since the prefilter looks for `Sysmon` in just this case. A shape without a provider
/// is taken at its channel's word.
fn code_of(id: u64, provider: &Scalar<'_>, channel: &Scalar<'_>) -> Option<Code> {
    let by = |name: &str, log: &str| match provider.text() {
        Some(provider) => provider == name,
        None => channel.text() == Some(log),
    };
    match id {
        3 if by(SYSMON, SYSMON_CHANNEL) => Some(Code::NetworkConnection),
        18 if by(SYSMON, SYSMON_CHANNEL) => Some(Code::PipeConnected),
        5145 if by(SECURITY, SECURITY_CHANNEL) => Some(Code::ShareAccess),
        _ => None,
    }
}

fn instant(text: &str) -> Option<EventTime> {
    text.parse::<Timestamp>().ok().map(EventTime::from)
}
