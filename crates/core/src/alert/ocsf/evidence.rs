//! The evidence of a finding, the ends of each observation apart.

use std::net::IpAddr;
use std::sync::Arc;

use super::document as finding;
use super::hostname;
use crate::alert::{Document, Evidence};
use crate::detection::Revision;
use crate::event::{self, Detail, NetworkConnection, Observation};

/// The image that Sysmon writes where it does not know: no name of a process.
const UNKNOWN_PROCESS: &str = "<unknown process>";
/// The `ProcessGuid` that goes with it: no identity.
const NO_GUID: &str = "{00000000-0000-0000-0000-000000000000}";

/// The access as a whole, then every observation of the revision.
pub(super) fn evidences(revision: &Revision, ecs: &Document) -> Vec<finding::Evidence> {
    let destination = finding::Endpoint {
        ip: ecs.destination.ip.or_else(|| ecs.host.name.parse().ok()),
        port: None,
        hostname: hostname(&ecs.host.name),
    };
    let observed = revision.evidence().iter().zip(&ecs.pipewarden.evidence);
    let observed = observed.map(|(seen, ecs)| observed_evidence(&seen.observation, ecs, &destination));
    let mut evidences = vec![access(ecs, &destination)];
    evidences.extend(observed);
    evidences
}

/// Who, from where, what, on which host: as far as there is one answer.
fn access(ecs: &Document, destination: &finding::Endpoint) -> finding::Evidence {
    let source = ecs.source.as_ref().map(|source| finding::Endpoint {
        ip: Some(source.ip),
        port: source.port,
        hostname: source.domain.clone(),
    });
    let account = ecs.user.as_ref().map(|user| finding::User {
        name: user.name.clone(),
        domain: user.domain.clone(),
        uid: user.id.clone(),
    });
    let fields = &ecs.pipewarden.source;
    let process = match fields.processes.as_slice() {
        [one] => {
            let user = match fields.users.as_slice() {
                [user] => Some(user.as_str()),
                _ => None,
            };
            process(one.executable.as_deref(), one.entity_id.as_deref(), one.pid, user)
        }
        _ => None,
    };
    finding::Evidence {
        name: "access",
        src_endpoint: source,
        dst_endpoint: Some(finding::Endpoint {
            port: ecs.destination.port,
            ..destination.clone()
        }),
        actor: actor(account, process),
        file: ecs.file.as_ref().map(|file| match &file.path {
            Some(path) => path_of_share(path),
            None => named_pipe(&file.name),
        }),
        ..finding::Evidence::default()
    }
}

fn observed_evidence(
    observation: &Observation,
    ecs: &Evidence,
    destination: &finding::Endpoint,
) -> finding::Evidence {
    let event = &observation.event;
    let base = finding::Evidence {
        name: observation.kind().as_str(),
        uid: event
            .record_id
            .map(|record| format!("{}/{}/{record}", event.computer, event.channel)),
        dst_endpoint: Some(destination.clone()),
        data: Some(ecs.clone()),
        ..finding::Evidence::default()
    };
    match &event.detail {
        Detail::NetworkConnection(connection) => connected(connection, destination, base),
        Detail::Logon(logon) => finding::Evidence {
            // What a client calls itself in a logon is no name of the endpoint; `data` has it.
            src_endpoint: Some(address(logon.source_ip, logon.source_port)),
            actor: actor(logon.account.as_ref().map(account), None),
            ..base
        },
        Detail::ShareSession(session) => finding::Evidence {
            src_endpoint: Some(address(session.source_ip, session.source_port)),
            actor: actor(session.account.as_ref().map(account), None),
            ..base
        },
        Detail::PipeConnected(pipe) => finding::Evidence {
            file: Some(named_pipe(&pipe.pipe)),
            ..base
        },
        Detail::ShareAccess(share) => finding::Evidence {
            src_endpoint: share.source_ip.map(|ip| address(ip, share.source_port)),
            actor: actor(share.account.as_ref().map(account), None),
            file: Some(match share.pipe() {
                Some(pipe) => named_pipe(pipe),
                None => path_of_share(&share.to_string()),
            }),
            ..base
        },
    }
}

/// Adds a connection to what is of any observation.
fn connected(
    connection: &NetworkConnection,
    destination: &finding::Endpoint,
    base: finding::Evidence,
) -> finding::Evidence {
    let process = connection
        .process
        .as_ref()
        .and_then(|process| sysmon_process(process, connection.user.as_ref()));
    // The process ran on the computer that logged it: the source's is the actor's, the asset's is not.
    let (actors, own) = if connection.initiated {
        (process, None)
    } else {
        (None, process)
    };
    finding::Evidence {
        src_endpoint: Some(finding::Endpoint {
            ip: Some(connection.source_ip),
            port: connection.source_port,
            hostname: connection.source_host.as_ref().and_then(|host| hostname(host)),
        }),
        dst_endpoint: Some(finding::Endpoint {
            ip: connection.destination_ip.or(destination.ip),
            port: Some(connection.destination_port),
            hostname: destination.hostname.clone().filter(|_| !connection.of_client),
        }),
        connection_info: Some(finding::ConnectionInfo {
            direction_id: if connection.initiated { 2 } else { 1 },
            direction: if connection.initiated {
                "Outbound"
            } else {
                "Inbound"
            },
            protocol_num: 6,
            protocol_name: "tcp",
        }),
        actor: actor(None, actors),
        process: own,
        ..base
    }
}

const fn address(ip: IpAddr, port: Option<u16>) -> finding::Endpoint {
    finding::Endpoint {
        ip: Some(ip),
        port,
        hostname: None,
    }
}

fn actor(user: Option<finding::User>, process: Option<finding::Process>) -> Option<finding::Actor> {
    (user.is_some() || process.is_some()).then_some(finding::Actor { user, process })
}

fn account(account: &event::Account) -> finding::User {
    finding::User {
        name: account.name.to_string(),
        domain: account.domain.as_ref().map(ToString::to_string),
        uid: account.sid.as_ref().map(ToString::to_string),
    }
}

fn sysmon_process(seen: &event::Process, user: Option<&Arc<str>>) -> Option<finding::Process> {
    process(
        seen.image.as_deref(),
        seen.guid.as_deref(),
        seen.pid,
        user.map(AsRef::as_ref),
    )
}

/// `None` where neither a pid nor an identity is known: OCSF demands one. The image is in `data` all the same.
fn process(
    image: Option<&str>,
    guid: Option<&str>,
    pid: Option<u32>,
    user: Option<&str>,
) -> Option<finding::Process> {
    let image = image.filter(|image| *image != UNKNOWN_PROCESS);
    let uid = guid.filter(|guid| *guid != NO_GUID).map(str::to_owned);
    (uid.is_some() || pid.is_some()).then(|| finding::Process {
        name: image.map(|image| image.rsplit('\\').next().unwrap_or(image).to_owned()),
        path: image.filter(|image| image.contains('\\')).map(str::to_owned),
        pid,
        uid,
        user: user.map(|user| match user.split_once('\\') {
            Some((domain, name)) => finding::User {
                name: name.to_owned(),
                domain: Some(domain.to_owned()),
                uid: None,
            },
            None => finding::User {
                name: user.to_owned(),
                domain: None,
                uid: None,
            },
        }),
    })
}

fn named_pipe(name: &str) -> finding::File {
    finding::File {
        name: name.to_owned(),
        path: None,
        type_id: 6,
        kind: "Named Pipe",
    }
}

/// A file or a folder: the log does not say which.
fn path_of_share(path: &str) -> finding::File {
    finding::File {
        name: path.rsplit('\\').next().unwrap_or(path).to_owned(),
        path: Some(path.to_owned()),
        type_id: 0,
        kind: "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_sysmon_could_not_name_has_neither_name_nor_identity() {
        assert_eq!(process(Some(UNKNOWN_PROCESS), Some(NO_GUID), None, None), None);
        let unnamed = process(Some(UNKNOWN_PROCESS), Some(NO_GUID), Some(6392), Some("-")).unwrap();
        assert_eq!((unnamed.name, unnamed.uid, unnamed.pid), (None, None, Some(6392)));
        let named = process(Some(r"C:\Tools\pssrecon.exe"), None, Some(7), Some(r"APERTURE\x")).unwrap();
        assert_eq!(named.name.as_deref(), Some("pssrecon.exe"));
        assert_eq!(named.user.unwrap().domain.as_deref(), Some("APERTURE"));
        let system = process(Some("System"), None, Some(4), None).unwrap();
        assert_eq!((system.name.as_deref(), system.path), (Some("System"), None));
    }
}
