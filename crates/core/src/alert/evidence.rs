//! What a document shows of the grounds of an alert.

use super::document as doc;
use super::ecs::string;
use crate::detection::{Content, Evidence, GroundLog, Says};
use crate::event::{Account, Detail, Log};

/// What the alert rests on. What gives the source its name, if no log does, comes behind what logs say of the source.
pub(super) fn rests_on(content: &Content, names: &[doc::SourceName]) -> Vec<doc::Ground> {
    let mut grounds: Vec<doc::Ground> = content
        .rests_on()
        .into_iter()
        .map(|ground| doc::Ground {
            says: ground.says,
            event: Some(ground.event.to_owned()),
            log: ground.log,
            computer: Some(ground.computer.to_string()),
            agent: ground.agent.as_deref().cloned(),
        })
        .collect();
    let of_source = grounds.partition_point(|ground| ground.says == Says::Source);
    let by = names.first().and_then(|name| match name.from {
        doc::NamedBy::Inventory => Some(GroundLog::Inventory),
        doc::NamedBy::Binding => Some(GroundLog::Binding),
        doc::NamedBy::Client => None,
    });
    let named = by.map(|log| doc::Ground {
        says: Says::Source,
        event: None,
        log,
        computer: None,
        agent: None,
    });
    grounds.splice(of_source..of_source, named);
    grounds
}

/// One entry of the evidence.
pub(super) fn evidence(seen: &Evidence) -> doc::Evidence {
    let mut evidence = without_detail(seen);
    match &seen.observation.event.detail {
        Detail::NetworkConnection(connection) => {
            evidence.source_ip = Some(connection.source_ip);
            evidence.source_port = connection.source_port;
            if connection.of_client {
                evidence.destination_ip = connection.destination_ip;
                evidence.destination_port = Some(connection.destination_port);
            }
            evidence.image = connection
                .process
                .as_ref()
                .and_then(|process| string(process.image.as_ref()));
            evidence.user = string(connection.user.as_ref());
            evidence.log = Some(connection.reported_by).filter(|log| *log != Log::Sysmon);
            evidence.utc_time = string(connection.utc_time.as_ref());
        }
        Detail::Logon(logon) => {
            evidence.source_ip = Some(logon.source_ip);
            evidence.source_port = logon.source_port;
            name(logon.account.as_ref(), &mut evidence);
            evidence.logon_type = Some(logon.logon_type);
            evidence.authentication_package = string(logon.authentication_package.as_ref());
            evidence.workstation = string(logon.workstation.as_ref());
        }
        Detail::ShareSession(session) => {
            evidence.source_ip = Some(session.source_ip);
            evidence.source_port = session.source_port;
            evidence.share = Some(session.share.to_string());
            name(session.account.as_ref(), &mut evidence);
            evidence.access_mask = string(session.access_mask.as_ref());
            evidence.outcome = session.outcome;
        }
        Detail::PipeConnected(pipe) => {
            evidence.pipe = Some(pipe.pipe.to_string());
            evidence.image = string(pipe.image.as_ref());
            evidence.utc_time = string(pipe.utc_time.as_ref());
        }
        Detail::ShareAccess(share) => {
            evidence.source_ip = share.source_ip;
            evidence.source_port = share.source_port;
            // Pipes are opened in this share, and their path in it is their name.
            evidence.share = Some(share.share.as_deref().unwrap_or("IPC$").to_owned());
            evidence.path = Some(share.path.to_string());
            evidence.pipe = string(share.pipe());
            name(share.account.as_ref(), &mut evidence);
            evidence.access_mask = string(share.access_mask.as_ref());
            evidence.outcome = share.outcome;
        }
    }
    evidence
}

/// What every kind of observation has.
fn without_detail(seen: &Evidence) -> doc::Evidence {
    let event = &seen.observation.event;
    doc::Evidence {
        kind: seen.observation.kind(),
        role: seen.role,
        paired_ms: seen.paired_ms,
        time: event.time,
        computer: event.computer.to_string(),
        record_id: event.record_id,
        source_ip: None,
        source_port: None,
        destination_ip: None,
        destination_port: None,
        share: None,
        path: None,
        pipe: None,
        account: None,
        sid: None,
        logon_id: None,
        logon_type: None,
        authentication_package: None,
        workstation: None,
        access_mask: None,
        outcome: None,
        image: None,
        user: None,
        utc_time: None,
        log: None,
        agent: seen.observation.agent.as_deref().cloned(),
        origin: seen.observation.origin.as_deref().cloned(),
    }
}

/// The account of an observation, and of its session.
fn name(account: Option<&Account>, evidence: &mut doc::Evidence) {
    let Some(account) = account else { return };
    evidence.account = Some(account.to_string());
    evidence.sid = string(account.sid.as_ref());
    evidence.logon_id = string(account.logon_id.as_ref());
}
