//! An observation in state, and its place in every index.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::detection::JoinSettings;
use crate::event::{Account, Detail, NetworkConnection, Observation, Outcome, ShareAccess};
use crate::time::{AppendTime, EventTime};

/// The place of an observation in an index by event time. The offset makes it unique; it never decides
/// anything about an alert.
pub(super) type Slot = (EventTime, u64);

/// An observation and when it came.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) offset: u64,
    pub(super) arrival: AppendTime,
    pub(super) observation: Arc<Observation>,
}

/// What any kind of session evidence says of the client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session<'a> {
    pub(super) source_ip: IpAddr,
    pub(super) source_port: Option<u16>,
    /// Whose session it is; a connection does not say.
    pub(super) account: Option<&'a Account>,
}

/// What an access opened, by its own word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Opened {
    Pipe(Arc<str>),
    /// `share\path`
    Path(Arc<str>),
}

impl Opened {
    pub(super) fn name(&self) -> &Arc<str> {
        match self {
            Self::Pipe(name) | Self::Path(name) => name,
        }
    }
}

/// Where session evidence shows a connection from. The asset itself is one origin, by whichever address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    Remote(IpAddr),
    Local,
}

/// As the text of a conflict names it.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(ip) => ip.fmt(f),
            Self::Local => f.write_str("the host itself"),
        }
    }
}

impl Stored {
    pub(super) fn time(&self) -> EventTime {
        self.observation.event.time
    }

    pub(super) fn slot(&self) -> Slot {
        (self.time(), self.offset)
    }

    /// Whether two observations may join at all: their arrivals lie close enough for both to be in state
    /// whatever the order of the rest.
    pub(super) fn within_span(&self, other: &Self, join_span: Duration) -> bool {
        self.arrival.distance(other.arrival) <= join_span
    }

    /// The bucket of its arrival, if its event time is too far from that.
    pub(super) fn arrival_bucket(&self, settings: &JoinSettings) -> Option<AppendTime> {
        let is_timely = settings.is_timely(self.time(), self.arrival);
        (!is_timely).then(|| self.arrival.bucket(settings.group_by))
    }

    /// Where session evidence comes from.
    pub(super) fn origin(&self) -> Option<Origin> {
        let session = self.session()?;
        Some(if self.observation.is_local {
            Origin::Local
        } else {
            Origin::Remote(session.source_ip)
        })
    }

    /// Where a share access, or a logon that is one, comes from by its own word.
    pub(super) fn share_origin(&self) -> Option<Origin> {
        if self.observation.is_local {
            return Some(Origin::Local);
        }
        self.named_source().map(Origin::Remote)
    }

    /// Whether the asset logged it, and not the client.
    pub(super) fn is_by_asset(&self) -> bool {
        self.observation.is_local || self.connection().is_none_or(|connection| !connection.initiated)
    }

    /// What session evidence says of the client.
    pub(super) fn session(&self) -> Option<Session<'_>> {
        let (source_ip, source_port, account) = match &self.observation.event.detail {
            Detail::NetworkConnection(connection) if connection.of_client => return None,
            Detail::NetworkConnection(connection) => (connection.source_ip, connection.source_port, None),
            Detail::Logon(logon) => (logon.source_ip, logon.source_port, logon.account.as_ref()),
            Detail::ShareSession(session) => {
                (session.source_ip, session.source_port, session.account.as_ref())
            }
            Detail::PipeConnected(_) | Detail::ShareAccess(_) => return None,
        };
        Some(Session {
            source_ip,
            source_port,
            account,
        })
    }

    /// The session of an account on the asset that it belongs to, as far as a log names it.
    pub(super) fn logon_id(&self) -> Option<u64> {
        self.named_account()?.session_id()
    }

    pub(super) fn is_pipe_connected(&self) -> bool {
        matches!(self.observation.event.detail, Detail::PipeConnected(_))
    }

    /// Whether it is a logon: what that shows depends on what else bears its address and port, or its id.
    pub(super) fn is_logon(&self) -> bool {
        matches!(self.observation.event.detail, Detail::Logon(_))
    }

    /// The address that an access names: a share access, or a logon that is one.
    pub(super) fn named_source(&self) -> Option<IpAddr> {
        match &self.observation.event.detail {
            Detail::ShareAccess(share) => share.source_ip,
            _ => self.session().map(|session| session.source_ip),
        }
    }

    /// The account that an access names.
    pub(super) fn named_account(&self) -> Option<&Account> {
        match &self.observation.event.detail {
            Detail::ShareAccess(share) => share.account.as_ref(),
            _ => self.session()?.account,
        }
    }

    /// Whether an access was granted, as far as it says. Only a logon that succeeded is one.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        match &self.observation.event.detail {
            Detail::ShareAccess(share) => share.outcome,
            Detail::Logon(_) => Some(Outcome::Success),
            Detail::NetworkConnection(_) | Detail::ShareSession(_) | Detail::PipeConnected(_) => None,
        }
    }

    pub(super) fn connection(&self) -> Option<&NetworkConnection> {
        match &self.observation.event.detail {
            Detail::NetworkConnection(connection) => Some(connection),
            _ => None,
        }
    }

    /// A connection that the asset made.
    pub(super) fn call_back(&self) -> Option<&NetworkConnection> {
        self.connection().filter(|connection| connection.of_client)
    }

    pub(super) fn share(&self) -> Option<&ShareAccess> {
        match &self.observation.event.detail {
            Detail::ShareAccess(share) => Some(share),
            _ => None,
        }
    }

    /// What was opened; nothing by session evidence.
    pub(super) fn opened(&self) -> Option<Opened> {
        match &self.observation.event.detail {
            Detail::PipeConnected(connected) => Some(Opened::Pipe(Arc::clone(&connected.pipe))),
            Detail::ShareAccess(share) => Some(match share.pipe() {
                Some(pipe) => Opened::Pipe(Arc::clone(pipe)),
                None => Opened::Path(share.to_string().into()),
            }),
            Detail::NetworkConnection(_) | Detail::Logon(_) | Detail::ShareSession(_) => None,
        }
    }
}

/// All slots within `window` of `time`, both ends included.
pub(super) fn around(time: EventTime, window: Duration) -> std::ops::RangeInclusive<Slot> {
    (time.minus(window), 0)..=(time.plus(window), u64::MAX)
}
