//! Accounts, and the sessions that clients open with them.

use std::net::IpAddr;

use super::hosts::{Host, HostId};

/// A domain account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    relative_id: u32,
}

impl Account {
    pub(super) fn new(name: &str) -> Self {
        let relative_id = name.bytes().fold(7u32, |hash, byte| {
            hash.wrapping_mul(31).wrapping_add(u32::from(byte))
        });
        Self {
            name: name.to_owned(),
            relative_id: 1_100 + relative_id % 1_000_000,
        }
    }

    /// A host's own.
    pub(super) fn of(host: &Host) -> Self {
        Self::new(&format!("{}$", host.short().to_uppercase()))
    }

    pub(super) fn sid(&self) -> String {
        format!("S-1-5-21-1004336348-1177238915-682003330-{}", self.relative_id)
    }
}

/// An SMB session.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) client: HostId,
    pub(super) server: HostId,
    /// The client's address as the client knows it.
    pub(super) from: IpAddr,
    pub(super) port: u16,
    /// And as the server does.
    pub(super) seen: IpAddr,
    pub(super) seen_port: u16,
    pub(super) to: IpAddr,
    pub(super) account: Account,
    pub(super) logon_id: u64,
    pub(super) is_ntlm: bool,
    /// Of the server's 4624, where it logs one.
    pub(super) logon_record: Option<u64>,
}

/// What a client wants of a server.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) client: HostId,
    pub(super) server: HostId,
    pub(super) account: Account,
    pub(super) over_ipv6: bool,
    pub(super) is_ntlm: bool,
}

impl Session {
    /// The fields that 5140 and 5145 share.
    pub(super) fn subject(&self) -> Vec<(&'static str, String)> {
        vec![
            ("SubjectUserSid", self.account.sid()),
            ("SubjectUserName", self.account.name.clone()),
            ("SubjectDomainName", "APERTURE".to_owned()),
            ("SubjectLogonId", format!("{:#x}", self.logon_id)),
            ("ObjectType", "File".to_owned()),
            ("IpAddress", self.seen.to_string()),
            ("IpPort", self.seen_port.to_string()),
        ]
    }
}
