//! Who did what: every access that is watched, and the records that show it.

use std::collections::HashMap;
use std::net::IpAddr;

use super::hosts::{HostId, Hosts};
use super::sessions::Session;

/// Who makes an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The attack with this index.
    Attack(usize),
    /// The host itself.
    Itself,
    /// Somebody who may.
    Routine,
}

/// One access.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) by: By,
    /// Where it came from: as the server sees it, and by the client's own address.
    pub(super) sources: [IpAddr; 2],
    /// Whether the server logs 5145.
    pub(super) is_audited: bool,
}

/// All accesses so far.
#[derive(Debug, Default)]
pub(super) struct Truth {
    accesses: Vec<Access>,
    by_record: HashMap<(HostId, usize, u64), usize>,
}

impl Truth {
    /// A new access; returns its index.
    pub(super) fn begin(&mut self, by: By, session: &Session, hosts: &Hosts) -> usize {
        self.accesses.push(Access {
            by,
            sources: [session.seen, hosts.host(session.client).ip],
            is_audited: hosts.host(session.server).logs.share_accesses,
        });
        self.accesses.len() - 1
    }

    /// A record of a log (0 is Sysmon's, 1 Security's) shows this access.
    pub(super) fn add_record(&mut self, host: HostId, log: usize, number: u64, access: usize) {
        self.by_record.insert((host, log, number), access);
    }

    /// The access that a record shows.
    pub(super) fn of_record(&self, host: HostId, log: usize, number: u64) -> Option<usize> {
        self.by_record.get(&(host, log, number)).copied()
    }

    pub(super) fn access(&self, index: usize) -> &Access {
        &self.accesses[index]
    }

    /// The records that show one of these: host, log and number.
    pub(super) fn records(&self, is_one: impl Fn(By) -> bool) -> impl Iterator<Item = (HostId, usize, u64)> {
        let all = self.by_record.iter();
        let shown = all.filter(move |(_, access)| is_one(self.access(**access).by));
        shown.map(|(&record, _)| record)
    }

    /// How many there are of these.
    pub(super) fn count(&self, is_one: impl Fn(By) -> bool) -> usize {
        self.accesses.iter().filter(|access| is_one(access.by)).count()
    }
}
