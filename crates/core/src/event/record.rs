//! One event, whatever the shape it came in: the header fields under one name each.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;

use super::decoded::DecodeError;
use super::document::{Document, EventData, System, Winlog};
use super::field::{Scalar, Texts};
use super::providers::{SECURITY, SECURITY_CHANNEL, SYSMON, SYSMON_CHANNEL};
use super::session_events::SessionEvents;
use super::{Outcome, TimeSource, names};
use crate::time::EventTime;

/// Which of the events that matter it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// Sysmon 3.
    NetworkConnection,
    /// Sysmon 18.
    PipeConnected,
    /// Security 5145.
    ShareAccess,
    /// Security 4624.
    Logon,
    /// Security 5140.
    ShareSession,
    /// Security 5156.
    ConnectionPermitted,
}

impl Code {
    /// Whether it is session evidence of the Security log.
    pub(super) fn is_session_event(self) -> bool {
        matches!(self, Self::Logon | Self::ShareSession | Self::ConnectionPermitted)
    }
}

/// The payload of an event without one.
static NO_DATA: LazyLock<EventData<'static>> = LazyLock::new(EventData::default);

/// An event that matters: its header, its payload, and the document for what pipelines have moved elsewhere.
pub(super) struct Record<'d, 'a> {
    pub(super) code: Code,
    pub(super) document: &'d Document<'a>,
    pub(super) data: &'d EventData<'a>,
    header: Header<'d, 'a>,
}

/// The fields of an event that cannot be what they should: it counts without them.
#[derive(Debug, Default)]
pub(super) struct OddFields(pub(super) Vec<&'static str>);

impl OddFields {
    /// The value that was read of a field; notes the field where it has a value that could not be read.
    pub(super) fn unless_empty<T>(
        &mut self,
        field: &Scalar<'_>,
        name: &'static str,
        value: Option<T>,
    ) -> Option<T> {
        if value.is_none() && !field.is_empty() {
            self.0.push(name);
        }
        value
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }
}

/// The header fields, wherever a shape has them.
struct Header<'d, 'a> {
    event_id: &'d Scalar<'a>,
    provider: &'d Scalar<'a>,
    timestamp: &'d Scalar<'a>,
    computer: &'d Scalar<'a>,
    channel: &'d Scalar<'a>,
    record_id: &'d Scalar<'a>,
    keywords: &'d Texts<'a>,
}

impl<'d, 'a> Record<'d, 'a> {
    /// Reads the header of whatever shape the document has; `None` if it is none of the events that matter. `flat` is
    /// the document's top level read as a payload, where a shape has it there.
    pub(super) fn of(document: &'d Document<'a>, flat: Option<&'d EventData<'a>>) -> Option<Self> {
        let (header, data) = if let Some(winlog) = &document.winlog {
            (Header::of_winlog(document, winlog), &*winlog.event_data)
        } else if let Some(rendered) = &document.rendered {
            (Header::of_rendered(&rendered.system), &*rendered.event_data)
        } else if let Some(flat) = flat {
            (Header::of_nxlog(document), flat)
        } else {
            let data = document.event_data.as_deref().map_or(&*NO_DATA, |data| &**data);
            (Header::of_winlogbeat_6(document), data)
        };
        Some(Self {
            code: header.code()?,
            document,
            data,
            header,
        })
    }

    /// The host that logged the event, in lower case.
    pub(super) fn computer(&self) -> Result<Arc<str>, DecodeError> {
        let computer = self
            .header
            .computer
            .text()
            .ok_or(DecodeError::MissingField("computer_name"))?;
        Ok(names::truncate(&names::host(computer)).into())
    }

    /// Whether it is read at all, and of the computer that logged it.
    pub(super) fn is_read(&self, events: &SessionEvents) -> bool {
        let of = match self.code {
            Code::NetworkConnection | Code::PipeConnected | Code::ShareAccess => return true,
            Code::ConnectionPermitted => return events.permitted_connections,
            Code::Logon => {
                let moved = &self.document.user.name;
                let mut names = [&self.data.target_user_name, moved].into_iter();
                if names.any(|name| name.text().is_some_and(|name| events.watched_accounts.has(name))) {
                    return true;
                }
                &events.logons
            }
            Code::ShareSession => &events.share_sessions,
        };
        of.includes(self.header.computer.text().unwrap_or_default())
    }

    /// The event log, in lower case; the one its provider writes to where a shape leaves it out.
    pub(super) fn channel(&self) -> Arc<str> {
        let usual = match self.code {
            Code::NetworkConnection | Code::PipeConnected => SYSMON_CHANNEL,
            Code::ShareAccess | Code::Logon | Code::ShareSession | Code::ConnectionPermitted => {
                SECURITY_CHANNEL
            }
        };
        names::truncate(&self.header.channel.text().unwrap_or(usual).to_ascii_lowercase()).into()
    }

    pub(super) fn record_id(&self, odd: &mut OddFields) -> Option<u64> {
        let record_id = self.header.record_id;
        odd.unless_empty(record_id, "record_id", record_id.number())
    }

    /// When it happened. Where a shape has moved Sysmon's own clock, which drifts, into `@timestamp`, and that is
    /// farther than `allowed_lateness` from `event.created`, the latter is the time of an event 3.
    pub(super) fn time(&self, allowed_lateness: Duration) -> Result<(EventTime, TimeSource), DecodeError> {
        let text = self
            .header
            .timestamp
            .text()
            .ok_or(DecodeError::MissingField("@timestamp"))?;
        let time = instant(text).ok_or(DecodeError::BadField {
            field: "@timestamp",
            expected: "an RFC 3339 date and time",
        })?;
        let clock_was_moved = self.code == Code::NetworkConnection && self.data.utc_time.is_empty();
        if clock_was_moved
            && let Some(created) = self.document.event.created.text().and_then(instant)
            && created.distance(time) > allowed_lateness
        {
            return Ok((created, TimeSource::Created));
        }
        Ok((time, TimeSource::Timestamp))
    }

    /// Whether `host.ip` lists addresses of the host that logged the event: not so for what a collector forwards.
    pub(super) fn names_its_own_addresses(&self) -> bool {
        let (name, computer) = (self.document.host.name.text(), self.header.computer.text());
        name.zip(computer)
            .is_some_and(|(name, computer)| names::same_host(name, computer))
    }

    /// Granted or denied, where the shape shows it: `event.outcome`, or the audit keywords as words or as bits.
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
        let keywords = self.header.keywords.iter().filter_map(Scalar::text);
        let outcome = self.document.event.outcome.text();
        let mut texts = outcome.into_iter().chain(keywords);
        texts.find_map(|text| word(text).or_else(|| bits(text)))
    }
}

impl<'d, 'a> Header<'d, 'a> {
    /// Winlogbeat 7 and later.
    fn of_winlog(document: &'d Document<'a>, winlog: &'d Winlog<'a>) -> Self {
        Self {
            event_id: winlog.event_id.or(&document.event.code),
            provider: winlog.provider_name.or(&document.event.provider),
            timestamp: &document.timestamp,
            computer: &winlog.computer_name,
            channel: &winlog.channel,
            record_id: &winlog.record_id,
            keywords: &winlog.keywords,
        }
    }

    /// Rendered from EVTX.
    fn of_rendered(system: &'d System<'a>) -> Self {
        Self {
            event_id: &system.event_id,
            provider: &system.provider.attributes.name,
            timestamp: &system.time_created.attributes.system_time,
            computer: &system.computer,
            channel: &system.channel,
            record_id: &system.event_record_id,
            keywords: &system.keywords,
        }
    }

    fn of_nxlog(document: &'d Document<'a>) -> Self {
        Self {
            event_id: &document.nxlog_event_id,
            provider: &document.nxlog_source_name,
            timestamp: document.timestamp.or(&document.nxlog_event_time),
            computer: &document.nxlog_hostname,
            channel: &document.nxlog_channel,
            record_id: &document.nxlog_record_number,
            keywords: &document.keywords,
        }
    }

    fn of_winlogbeat_6(document: &'d Document<'a>) -> Self {
        Self {
            event_id: &document.event_id,
            provider: &document.source_name,
            timestamp: &document.timestamp,
            computer: &document.computer_name,
            channel: &document.log_name,
            record_id: &document.record_number,
            keywords: &document.keywords,
        }
    }

    /// The event that the id means, which depends on its provider: Sysmon and Security share numbers with others.
    /// Names are compared as Windows spells them, since the prefilter searches for `Sysmon` in just this case. Where
    /// a shape has no provider, the channel decides.
    fn code(&self) -> Option<Code> {
        let is_from = |provider: &str, channel: &str| match self.provider.text() {
            Some(name) => name == provider,
            None => self.channel.text() == Some(channel),
        };
        match self.event_id.number()? {
            3 if is_from(SYSMON, SYSMON_CHANNEL) => Some(Code::NetworkConnection),
            18 if is_from(SYSMON, SYSMON_CHANNEL) => Some(Code::PipeConnected),
            5145 if is_from(SECURITY, SECURITY_CHANNEL) => Some(Code::ShareAccess),
            4624 if is_from(SECURITY, SECURITY_CHANNEL) => Some(Code::Logon),
            5140 if is_from(SECURITY, SECURITY_CHANNEL) => Some(Code::ShareSession),
            5156 if is_from(SECURITY, SECURITY_CHANNEL) => Some(Code::ConnectionPermitted),
            _ => None,
        }
    }
}

fn instant(text: &str) -> Option<EventTime> {
    text.parse::<Timestamp>().ok().map(EventTime::from)
}
