//! What a client opens: pipes, and paths of shares.

use std::sync::Arc;

use super::session::{is_share_of_pipes, share_name, subject};
use super::{Unusable, ip, port, shared};
use crate::event::decoded::{DecodeError, Skip, Watched};
use crate::event::field::Scalar;
use crate::event::record::{OddFields, Record};
use crate::event::{Detail, PipeConnected, ShareAccess, WatchedShare, names};

/// Sysmon 18.
pub(super) fn pipe_connected(record: &Record<'_, '_>, watched: &Watched) -> Result<Detail, Unusable> {
    let data = record.data;
    let name = data.pipe_name.or(&record.document.file.name);
    if name.is_empty() {
        return Err(DecodeError::MissingField("PipeName").into());
    }
    let pipe = watched_pipe(name, "PipeName", &watched.pipe_connected)?;
    let Some(pipe) = pipe else {
        return Err(Skip::OtherPipe.into());
    };
    let image = shared(data.image.or(&record.document.process.executable));
    // The redirector opens pipes for remote clients as `System`; any other known process runs on this very host.
    let is_remote = image.as_deref().is_none_or(|image| {
        image.eq_ignore_ascii_case("System") || image.eq_ignore_ascii_case("<unknown process>")
    });
    if !is_remote {
        return Err(Skip::LocalClient.into());
    }
    Ok(Detail::PipeConnected(PipeConnected {
        pipe,
        image,
        utc_time: shared(&data.utc_time),
    }))
}

/// Security 5145.
pub(super) fn share_access(
    record: &Record<'_, '_>,
    watched: &Watched,
    odd: &mut OddFields,
) -> Result<Detail, Unusable> {
    let (data, document) = (record.data, record.document);
    let share = share_name(&data.share_name)?;
    let name = data.relative_target_name.or(&document.file.name);
    let (share, path) = if is_share_of_pipes(share) {
        let pipe = watched_pipe(name, "RelativeTargetName", &watched.share_access)?;
        (None, pipe.ok_or(Skip::OtherPipe)?)
    } else {
        let (share, path) = watched_path(share, name, &watched.shares)?;
        (Some(share), path)
    };
    // An access without a usable address is still an access: one without a named source.
    let source_ip = ip(data.ip_address.or(&document.source.ip), "IpAddress", odd);
    let source_port = port(data.ip_port.or(&document.source.port), "IpPort", odd);
    Ok(Detail::ShareAccess(ShareAccess {
        share,
        path,
        source_ip,
        source_port: source_port.filter(|_| source_ip.is_some()),
        account: subject(record),
        access_mask: shared(&data.access_mask),
        outcome: record.outcome(),
    }))
}

fn watched_pipe(
    name: &Scalar<'_>,
    field: &'static str,
    watched: &std::collections::HashSet<Arc<str>>,
) -> Result<Option<Arc<str>>, DecodeError> {
    let Some(name) = name.text() else {
        return if name.is_empty() {
            Ok(None)
        } else {
            Err(DecodeError::BadField {
                field,
                expected: "the name of a pipe",
            })
        };
    };
    Ok(watched.get(names::normalise_pipe(name).as_str()).cloned())
}

/// A share and a path in it, if a rule watches that.
fn watched_path(
    share: &str,
    name: &Scalar<'_>,
    watched: &[WatchedShare],
) -> Result<(Arc<str>, Arc<str>), Unusable> {
    if watched.is_empty() {
        return Err(Skip::OtherShare.into());
    }
    let share = names::normalise_path(share.rsplit('\\').next().unwrap_or(share));
    let mut of_share = watched.iter().filter(|watched| watched.is_of(&share)).peekable();
    of_share.peek().ok_or(Skip::OtherShare)?;
    let path = match name.text() {
        Some(path) => names::normalise_path(path),
        // The root of the share.
        None if name.is_empty() => String::new(),
        None => {
            let (field, expected) = ("RelativeTargetName", "a path in the share");
            return Err(DecodeError::BadField { field, expected }.into());
        }
    };
    if of_share.any(|watched| watched.covers(&share, &path)) {
        Ok((share.into(), path.into()))
    } else {
        Err(Skip::OtherShare.into())
    }
}
