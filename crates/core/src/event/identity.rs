//! What makes two messages copies of one event.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::{Account, AssetId, Detail, Event, Outcome};

/// The identity of an event, however often and by whichever path it is shipped: 128 bits, 32 hex digits in JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObservationId(u128);

impl ObservationId {
    /// From its 128 bits.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The identity of an event: what two messages must agree in to be copies of it. Kind, first label of the computer,
    /// record id, event time in whole seconds, and what decides who did what: addresses, ports, direction, pipe or share and path, SID (the
    /// account's name where there is none), logon id, outcome. A message that differs in any of these is an observation of
    /// its own, so that no forged copy takes the place of a true one. Without a record id the time counts in full.
    pub fn of(event: &Event) -> Self {
        let mut identity = Identity::default();
        identity.text(event.detail.kind().as_str());
        identity.text(event.first_label());
        if let Some(record_id) = event.record_id {
            identity.number(record_id.to_le_bytes());
            identity.number(event.time.as_micros().div_euclid(1_000_000).to_le_bytes());
        } else {
            identity.number(event.time.as_micros().to_le_bytes());
        }
        identity.decisive(&event.detail);
        Self(xxh3_128(&identity.0))
    }
}

impl ObservationId {
    /// The identity by which copies are recognised of what comes in its time, or before it. What is sent long before it can be
    /// true would join little of what is logged then: what comes in its time is no copy of that.
    pub(crate) const fn remembered(self, is_ahead: bool) -> Self {
        Self(if is_ahead { !self.0 } else { self.0 })
    }

    /// The identity of an event as an observation of this asset. Hosts of several domains may share a first label: what one
    /// of them logs is never a copy of what another did.
    pub(crate) fn at(self, asset: &AssetId) -> Self {
        Self(self.0 ^ xxh3_128(asset.as_str().as_bytes()))
    }
}

impl Event {
    /// The first label of the computer's name; an address is its own.
    pub(crate) fn first_label(&self) -> &str {
        if self.computer.parse::<IpAddr>().is_ok() {
            return &self.computer;
        }
        self.computer.split('.').next().unwrap_or(&self.computer)
    }

    /// Whether two events agree in all that decides who did what, whenever it was.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let decisive = |event: &Self| {
            let mut identity = Identity::default();
            identity.text(event.detail.kind().as_str());
            identity.decisive(&event.detail);
            identity.0
        };
        decisive(self) == decisive(other)
    }
}

/// The bytes that an identity is a hash of. Each part ends in a byte that no UTF-8 text holds, or is of a length of its
/// own, so that ("ab", "c") is not ("a", "bc").
#[derive(Default)]
struct Identity(Vec<u8>);

impl Identity {
    const END: u8 = 0xff;

    fn text(&mut self, text: &str) {
        self.0.extend(text.bytes().map(|byte| byte.to_ascii_lowercase()));
        self.0.push(Self::END);
    }

    fn number<const N: usize>(&mut self, bytes: [u8; N]) {
        self.0.extend_from_slice(&bytes);
        self.0.push(Self::END);
    }

    fn end(&mut self, ip: Option<IpAddr>, port: Option<u16>) {
        match ip {
            Some(IpAddr::V4(ip)) => self.number(ip.octets()),
            Some(IpAddr::V6(ip)) => self.number(ip.octets()),
            None => self.text(""),
        }
        self.number(port.unwrap_or_default().to_le_bytes());
    }

    /// What decides who did what.
    fn decisive(&mut self, detail: &Detail) {
        match detail {
            Detail::NetworkConnection(connection) => {
                self.end(Some(connection.source_ip), connection.source_port);
                self.end(connection.destination_ip, Some(connection.destination_port));
                self.number([u8::from(connection.initiated)]);
                self.text(connection.reported_by.as_str());
            }
            Detail::Logon(logon) => {
                self.end(Some(logon.source_ip), logon.source_port);
                self.account(logon.account.as_ref());
            }
            Detail::ShareSession(session) => {
                self.text(&session.share);
                self.end(Some(session.source_ip), session.source_port);
                self.account(session.account.as_ref());
                self.outcome(session.outcome);
            }
            Detail::PipeConnected(pipe) => self.text(&pipe.pipe),
            Detail::ShareAccess(share) => {
                self.text(share.share.as_deref().unwrap_or_default());
                self.text(&share.path);
                self.end(share.source_ip, share.source_port);
                self.account(share.account.as_ref());
                self.outcome(share.outcome);
            }
        }
    }

    fn outcome(&mut self, outcome: Option<Outcome>) {
        self.number([outcome.map_or(0, |outcome| 1 + outcome as u8)]);
    }

    fn account(&mut self, account: Option<&Account>) {
        let Some(account) = account else {
            return self.text("");
        };
        match &account.sid {
            Some(sid) => self.text(sid),
            None => self.text(""),
        }
        // `S-1-5-18` is every machine: beside such a SID the name decides.
        if account.lasting_sid().is_none() {
            self.text(&account.to_string());
        }
        self.text(account.logon_id.as_deref().unwrap_or_default());
    }
}

impl fmt::Display for ObservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ObservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ObservationId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObservationId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}
