//! What Windows itself logs of a session of a client: its logon, and its use of the `IPC$` share.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Account, Outcome};

/// A logon over the network (Security 4624, type 3), as the host logged it that let the client in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logon {
    /// The client's address.
    pub source_ip: IpAddr,
    /// The client's port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    /// Who logged on: the `Target*` fields. The `Subject*` ones are the caller's on the host itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// `LogonType`: 3, since no other is kept.
    pub logon_type: u32,
    /// `Kerberos`, `NTLM`, or the version of NTLM where the event tells it: `NTLM V2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication_package: Option<Arc<str>>,
    /// What the client calls itself. Anybody may call himself anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workstation: Option<Arc<str>>,
}

/// A client that uses the `IPC$` share (Security 5140): once for each session, not for each pipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShareSession {
    /// The client's address.
    pub source_ip: IpAddr,
    /// The client's port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    /// The account that is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The share as Windows writes it: `\\*\IPC$`.
    pub share: Arc<str>,
    /// The rights asked for, as Windows writes them: `0x1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_mask: Option<Arc<str>>,
    /// Granted or denied; missing where the shape does not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}
