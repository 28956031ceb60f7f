//! Session evidence that Windows itself logs: logons, uses of `IPC$`, connections that its firewall let pass.

use super::{CallBack, End, Unusable, connection, initiated_by_direction, ip, port, process_of, shared};
use crate::event::decoded::{AddressClaim, DecodeError, Skip};
use crate::event::field::Scalar;
use crate::event::record::{OddFields, Record};
use crate::event::{Account, Detail, Log, Logon, NetworkConnection, ShareSession, names};
use crate::time::EventTime;

/// `LogonType` of a logon over the network.
const NETWORK: u64 = 3;

/// Security 4624.
pub(super) fn logon(record: &Record<'_, '_>, odd: &mut OddFields) -> Result<Detail, Unusable> {
    let (data, document) = (record.data, record.document);
    let logon_type = odd.unless_empty(&data.logon_type, "LogonType", data.logon_type.number());
    if logon_type != Some(NETWORK) {
        return Err(Skip::OtherLogon.into());
    }
    let was_moved = data.ip_address.is_empty() && !document.source.ip.is_empty();
    let source_ip = ip(data.ip_address.or(&document.source.ip), "IpAddress", odd).ok_or(Skip::NoAddress)?;
    let package = data.lm_package_name.or(&data.authentication_package_name);
    Ok(Detail::Logon(Logon {
        source_ip,
        source_port: port(data.ip_port.or(&document.source.port), "IpPort", odd),
        account: target(record, was_moved),
        logon_type: 3,
        authentication_package: shared(package),
        workstation: shared(data.workstation_name.or(&document.source.domain)),
    }))
}

/// Who logged on. An early script module moved these fields to the top level, together with the address.
fn target(record: &Record<'_, '_>, was_moved: bool) -> Option<Account> {
    let (data, user) = (record.data, &record.document.user);
    let nothing = Scalar::Missing;
    let or_moved = |field, moved| {
        if was_moved {
            Scalar::or(field, moved)
        } else {
            field
        }
    };
    account([
        or_moved(&data.target_user_name, &user.name),
        or_moved(&data.target_domain_name, &user.domain),
        or_moved(&data.target_user_sid, &user.id),
        or_moved(&data.target_logon_id, &nothing),
    ])
}

/// Security 5140 on `IPC$`.
pub(super) fn share_session(record: &Record<'_, '_>, odd: &mut OddFields) -> Result<Detail, Unusable> {
    let (data, document) = (record.data, record.document);
    let share = share_name(&data.share_name)?;
    if !is_share_of_pipes(share) {
        return Err(Skip::OtherShare.into());
    }
    // A path of two backslashes has four where they are doubled.
    let share = if share.starts_with(r"\\\\") {
        share.replace(r"\\", r"\")
    } else {
        share.to_owned()
    };
    let source_ip = ip(data.ip_address.or(&document.source.ip), "IpAddress", odd).ok_or(Skip::NoAddress)?;
    Ok(Detail::ShareSession(ShareSession {
        source_ip,
        source_port: port(data.ip_port.or(&document.source.port), "IpPort", odd),
        account: subject(record),
        share: names::truncate(&share).into(),
        access_mask: shared(&data.access_mask),
        outcome: record.outcome(),
    }))
}

/// The share as it is written, with its path.
pub(super) fn share_name<'f>(name: &'f Scalar<'_>) -> Result<&'f str, DecodeError> {
    name.text().ok_or(DecodeError::MissingField("ShareName"))
}

/// Whether it is the share that pipes are opened in.
pub(super) fn is_share_of_pipes(share: &str) -> bool {
    let is_ipc = |last: &str| last.eq_ignore_ascii_case("IPC$");
    share.rsplit('\\').next().is_some_and(is_ipc)
}

/// Who used a share.
pub(super) fn subject(record: &Record<'_, '_>) -> Option<Account> {
    let data = record.data;
    account([
        &data.subject_user_name,
        &data.subject_domain_name,
        &data.subject_user_sid,
        &data.subject_logon_id,
    ])
}

/// By name, domain, SID and logon id.
fn account([name, domain, sid, logon_id]: [&Scalar<'_>; 4]) -> Option<Account> {
    shared(name).map(|name| Account {
        name,
        domain: shared(domain),
        sid: shared(sid),
        logon_id: shared(logon_id),
    })
}

/// Security 5156. Its source is the client, whichever end logged it.
pub(super) fn connection_permitted(
    record: &Record<'_, '_>,
    time: EventTime,
    claims: &mut Vec<AddressClaim>,
    call_back: &mut CallBack<'_>,
    odd: &mut OddFields,
) -> Result<Detail, Unusable> {
    let (data, document) = (record.data, record.document);
    // Windows writes the protocol's number.
    let protocol = data.protocol.or(&document.network.transport);
    let is_tcp = protocol.number() == Some(6)
        || protocol
            .text()
            .is_some_and(|name| name.eq_ignore_ascii_case("tcp"));
    if !is_tcp && !protocol.is_empty() {
        return Err(Skip::OtherTransport.into());
    }
    let (source, destination) = (&document.source, &document.destination);
    let ends = (
        End {
            ip: ip(data.source_address.or(&source.ip), "SourceIp", odd),
            port: port(data.source_port.or(&source.port), "SourcePort", odd),
            host: None,
        },
        End {
            ip: ip(data.dest_address.or(&destination.ip), "DestinationIp", odd),
            port: port(data.dest_port.or(&destination.port), "DestinationPort", odd),
            host: None,
        },
    );
    let direction = data.direction.text().and_then(|text| match text {
        "%%14592" => Some(false),
        "%%14593" => Some(true),
        other => initiated_by_direction(other),
    });
    let direction = odd
        .unless_empty(&data.direction, "Direction", direction)
        .or_else(|| initiated_by_direction(document.network.direction.text()?));
    let process = || {
        process_of(
            data.application.or(&document.process.executable),
            &Scalar::Missing,
            data.permitted_process_id.or(&document.process.pid),
        )
    };
    let made = super::call_back::of(record, &ends, direction, call_back.ports)?;
    call_back.found = made.map(|connection| NetworkConnection {
        reported_by: Log::Security,
        process: process(),
        user: None,
        ..connection
    });
    if ![&ends.0, &ends.1].into_iter().any(End::is_smb) {
        // Its claims would be missing where the event is skipped unparsed.
        return Err(super::without_smb_port(&ends.0, &ends.1, odd));
    }
    let mut own = Vec::new();
    let mut detail = connection(record, time, ends, direction, &mut own, odd)?;
    if direction.is_some() {
        claims.append(&mut own);
    } else {
        // It may be either end that logged it.
        detail.source_host = None;
    }
    detail.reported_by = Log::Security;
    detail.process = process();
    Ok(Detail::NetworkConnection(detail))
}
