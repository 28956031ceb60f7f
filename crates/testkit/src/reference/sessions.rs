//! Session evidence: who was connected, and by which log.

use std::collections::BTreeSet;
use std::net::IpAddr;

use pipewarden_core::detection::Strength;
use pipewarden_core::event::{Account, Detail};

use super::candidates::{Origin, origin};
use super::{Scene, Seen, distance, network_connection, share_access};

/// What session evidence says of the client.
#[derive(Clone, Copy)]
pub(super) struct Session<'a> {
    pub(super) ip: IpAddr,
    pub(super) port: Option<u16>,
    pub(super) account: Option<&'a Account>,
}

pub(super) fn session<'a>(seen: Seen<'a>) -> Option<Session<'a>> {
    let (ip, port, account) = match &seen.event.detail {
        Detail::NetworkConnection(connection) if connection.of_client => return None,
        Detail::NetworkConnection(connection) => (connection.source_ip, connection.source_port, None),
        Detail::Logon(logon) => (logon.source_ip, logon.source_port, logon.account.as_ref()),
        Detail::ShareSession(used) => (used.source_ip, used.source_port, used.account.as_ref()),
        Detail::PipeConnected(_) | Detail::ShareAccess(_) => return None,
    };
    Some(Session { ip, port, account })
}

fn is_logon(seen: Seen<'_>) -> bool {
    matches!(seen.event.detail, Detail::Logon(_))
}

/// Address and port of a session or a share access.
fn tuple(seen: Seen<'_>) -> Option<(IpAddr, u16)> {
    match share_access(seen) {
        Some(share) => Some((share.source_ip?, share.source_port?)),
        None => session(seen).and_then(|session| Some((session.ip, session.port?))),
    }
}

fn logon_id(seen: Seen<'_>) -> Option<&str> {
    let account = match share_access(seen) {
        Some(share) => share.account.as_ref(),
        None => session(seen)?.account,
    };
    account?.logon_id.as_deref()
}

impl<'a> Scene<'a> {
    pub(super) fn sessions(&self) -> impl Iterator<Item = Seen<'a>> {
        self.here.iter().copied().filter(|seen| session(seen).is_some())
    }

    /// How well session evidence shows who was connected.
    pub(super) fn shows(&self, seen: Seen<'_>) -> Strength {
        let is_strong = match network_connection(seen) {
            Some(connection) => seen.is_local || !connection.initiated,
            None if is_logon(seen) => self.here.iter().any(|other| {
                let is_watched = share_access(other).is_none() || self.is_watched(other);
                !is_logon(other)
                    && is_watched
                    && distance(seen, other) <= self.settings.tuple_window
                    && (tuple(seen).is_some() && tuple(seen) == tuple(other)
                        || logon_id(seen).is_some() && logon_id(seen) == logon_id(other))
            }),
            None => true,
        };
        if is_strong {
            Strength::Strong
        } else {
            Strength::Weak
        }
    }

    /// Session evidence of a share access: of its address and port, or of its logon id and its address, if it names one. That of
    /// a logon which is an access is no logon.
    pub(super) fn of_share(&self, share: Seen<'_>) -> Vec<Seen<'a>> {
        let ip = match share_access(share) {
            Some(share) => share.source_ip,
            None => session(share).map(|session| session.ip),
        };
        let all = self.sessions().filter(|seen| {
            if is_logon(share) && is_logon(seen) {
                return false;
            }
            let is_of_tuple = tuple(share).is_some() && tuple(seen) == tuple(share);
            let is_of_logon = logon_id(share).is_some() && logon_id(seen) == logon_id(share);
            let is_of_address = ip.is_none() || ip == session(seen).map(|session| session.ip);
            distance(share, seen) <= self.settings.tuple_window
                && (is_of_tuple || is_of_logon && is_of_address)
        });
        all.collect()
    }

    /// Whether the logon id of a share access that names no address is of sessions from several sources.
    pub(super) fn is_of_several(&self, seen: Seen<'_>) -> bool {
        let is_nameless = share_access(seen).is_some_and(|share| share.source_ip.is_none());
        let origins = || {
            self.of_share(seen)
                .into_iter()
                .map(origin)
                .collect::<BTreeSet<Origin>>()
        };
        is_nameless && origins().len() > 1
    }

    /// Whose the logon id of a share access is that names no address, if that is one.
    pub(super) fn by_logon(&self, share: Seen<'_>) -> Option<Origin> {
        if share_access(share)?.source_ip.is_some() {
            return None;
        }
        let origins: BTreeSet<Origin> = self.of_share(share).into_iter().map(origin).collect();
        let mut origins = origins.into_iter();
        origins.next().filter(|_| origins.next().is_none())
    }
}
