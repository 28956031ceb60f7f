//! What Windows logs of sessions and of pipes that are opened in them, and when it arrives.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;

use pipewarden_core::time::EventTime;
use pipewarden_tools::winlogbeat::{
    CONNECTION_PERMITTED, Definition, Event, LOGON, NETWORK_CONNECTION, PIPE_CONNECTED, Provider,
    SHARE_ACCESS, SHARE_SESSION, Shape, Surroundings,
};
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::Millis;
use super::hosts::{HostId, Hosts};
use super::sessions::{Account, Session, Wish};
use super::truth::{By, Truth};

/// Documents on their way.
pub(super) struct Traffic {
    pub(super) hosts: Hosts,
    pub(super) rng: StdRng,
    pub(super) truth: Truth,
    on_the_way: BinaryHeap<Reverse<(Millis, u64, Vec<u8>)>>,
    sent: u64,
}

/// The most that a document is under way: within `allowed_lateness`.
const LATEST: Millis = 1_700_000;

impl Traffic {
    pub(super) fn new(hosts: Hosts, rng: StdRng) -> Self {
        Self {
            hosts,
            rng,
            truth: Truth::default(),
            on_the_way: BinaryHeap::new(),
            sent: 0,
        }
    }

    /// The next document that arrives by `now`, with its arrival.
    pub(super) fn arrived(&mut self, now: Millis) -> Option<(Millis, Vec<u8>)> {
        if self.on_the_way.peek().is_none_or(|Reverse(next)| next.0 > now) {
            return None;
        }
        let Reverse((at, _, document)) = self.on_the_way.pop()?;
        Some((at, document))
    }

    /// Opens a session, with all that the two hosts log of it.
    pub(super) fn connect(&mut self, at: Millis, wish: &Wish) -> Session {
        let (client, server) = (self.hosts.host(wish.client), self.hosts.host(wish.server));
        let v6 = client.ipv6.zip(server.ipv6).filter(|_| wish.over_ipv6);
        let (from, to) = v6.unwrap_or((client.ip, server.ip));
        let seen = client.nat.unwrap_or(from);
        self.connect_by(at, wish, (from, seen, to))
    }

    /// A host opens a session with itself, by one of its addresses.
    pub(super) fn connect_to_itself(&mut self, at: Millis, host: HostId, address: IpAddr) -> Session {
        let wish = Wish {
            client: host,
            server: host,
            account: Account::of(self.hosts.host(host)),
            over_ipv6: false,
            is_ntlm: false,
        };
        self.connect_by(at, &wish, (address, address, address))
    }

    fn connect_by(&mut self, at: Millis, wish: &Wish, ends: (IpAddr, IpAddr, IpAddr)) -> Session {
        let (from, seen, to) = ends;
        let port = self.rng.random_range(49_152..=65_535);
        let mut session = Session {
            client: wish.client,
            server: wish.server,
            from,
            port,
            seen,
            seen_port: if seen == from {
                port
            } else {
                self.rng.random_range(1_024..=65_535)
            },
            to,
            account: wish.account.clone(),
            logon_id: self.rng.random_range(0x10_0000..0xffff_ffff),
            is_ntlm: wish.is_ntlm,
            logon_record: None,
        };
        let (client, server) = (
            self.hosts.host(wish.client).logs,
            self.hosts.host(wish.server).logs,
        );
        if client.connections {
            self.connection(at, &session, true);
        }
        if server.connections {
            self.connection(at, &session, false);
        }
        if server.firewall {
            self.permitted(at, &session);
        }
        if server.logons {
            let at = at + self.rng.random_range(20..150);
            session.logon_record = Some(self.logon(at, &session));
        }
        if server.share_sessions {
            let at = at + self.rng.random_range(150..250);
            self.share_session(at, &session);
        }
        session
    }

    /// Opens winreg in a session.
    pub(super) fn open(&mut self, at: Millis, session: &Session, by: By) {
        self.open_pipe(at, session, "winreg", by);
    }

    /// Opens a pipe in a session.
    pub(super) fn open_pipe(&mut self, at: Millis, session: &Session, pipe: &str, by: By) {
        let logs = self.hosts.host(session.server).logs;
        let access = self.truth.begin(by, session, &self.hosts);
        if logs.pipes {
            let time = at + self.rng.random_range(0..6);
            self.pipe_connected(time, session.server, pipe, access);
        }
        if logs.share_accesses {
            let first = at + self.rng.random_range(0..6);
            let opened = ("IPC$", pipe);
            self.share_access(first, session, opened, (access, "success"));
            // One open is often logged twice.
            if self.rng.random_bool(0.25) {
                let again = first + self.rng.random_range(0..57);
                self.share_access(again, session, opened, (access, "success"));
            }
        }
    }

    /// Tries to open winreg, and may not: no pipe is opened.
    pub(super) fn try_to_open(&mut self, at: Millis, session: &Session, by: By) {
        if self.hosts.host(session.server).logs.share_accesses {
            let access = self.truth.begin(by, session, &self.hosts);
            self.share_access(at, session, ("IPC$", "winreg"), (access, "failure"));
        }
    }

    /// Reads the variables of PXE boot media from a distribution point.
    pub(super) fn read_boot_media(&mut self, at: Millis, session: &Session, by: By) {
        if self.hosts.host(session.server).logs.share_accesses {
            let access = self.truth.begin(by, session, &self.hosts);
            for (after, path) in (0..).zip(["SMSTemp", r"SMSTemp\2024.10.21.09.12.44.0001.{8D7C}.boot.var"]) {
                self.share_access(at + after * 90, session, ("REMINST", path), (access, "success"));
            }
        }
    }

    /// Says by whom a session was opened that is an access by itself.
    pub(super) fn log_on_by(&mut self, session: &Session, by: By) {
        if let Some(record) = session.logon_record {
            let access = self.truth.begin(by, session, &self.hosts);
            self.truth.add_record(session.server, 1, record, access);
        }
    }

    /// A logon without SMB.
    pub(super) fn log_on(&mut self, at: Millis, wish: &Wish) {
        if !self.hosts.host(wish.server).logs.logons {
            return;
        }
        let ip = self.hosts.host(wish.client).ip;
        let port = self.rng.random_range(49_152..=65_535);
        let session = Session {
            client: wish.client,
            server: wish.server,
            from: ip,
            port,
            seen: ip,
            seen_port: port,
            to: self.hosts.host(wish.server).ip,
            account: wish.account.clone(),
            logon_id: self.rng.random_range(0x10_0000..0xffff_ffff),
            is_ntlm: false,
            logon_record: None,
        };
        self.logon(at, &session);
    }

    /// Sysmon 3 of either end: logged a second late, and one in a hundred is lost.
    fn connection(&mut self, at: Millis, session: &Session, initiated: bool) {
        if self.rng.random_bool(0.01) {
            return;
        }
        let logger = if initiated { session.client } else { session.server };
        let server = self.hosts.host(session.server);
        let name = match self.rng.random_range(0..10) {
            _ if !initiated => server.name.clone(),
            0..4 => "-".to_owned(),
            4..8 => server.short().to_owned(),
            _ => server.name.clone(),
        };
        let client = if initiated {
            (session.from, session.port)
        } else {
            (session.seen, session.seen_port)
        };
        let mut ends = [(client.0, client.1, "-".to_owned()), (session.to, 445, name)];
        // Some receivers write themselves as the source.
        if !initiated && self.rng.random_bool(0.2) {
            ends.reverse();
        }
        let [source, destination] = ends;
        let time = at + self.rng.random_range(0..2_000);
        let fields = vec![
            ("UtcTime", sysmon_time(time)),
            ("ProcessId", "4".to_owned()),
            ("Image", "System".to_owned()),
            ("User", "NT AUTHORITY\\SYSTEM".to_owned()),
            ("Protocol", "tcp".to_owned()),
            ("Initiated", initiated.to_string()),
            ("SourceIp", source.0.to_string()),
            ("SourceHostname", source.2),
            ("SourcePort", source.1.to_string()),
            ("DestinationIp", destination.0.to_string()),
            ("DestinationHostname", destination.2),
            ("DestinationPort", destination.1.to_string()),
        ];
        self.log(time, logger, &NETWORK_CONNECTION, fields, None);
    }

    fn permitted(&mut self, at: Millis, session: &Session) {
        let fields = vec![
            ("ProcessID", "4".to_owned()),
            ("Application", "System".to_owned()),
            ("Direction", "%%14592".to_owned()),
            ("SourceAddress", session.seen.to_string()),
            ("SourcePort", session.seen_port.to_string()),
            ("DestAddress", session.to.to_string()),
            ("DestPort", "445".to_owned()),
            ("Protocol", "6".to_owned()),
        ];
        self.log(at, session.server, &CONNECTION_PERMITTED, fields, Some("success"));
    }

    fn logon(&mut self, at: Millis, session: &Session) -> u64 {
        let account = &session.account;
        let workstation = self.hosts.host(session.client).short().to_uppercase();
        let (package, version, workstation) = if session.is_ntlm {
            ("NTLM", "NTLM V2", workstation)
        } else {
            ("Kerberos", "-", "-".to_owned())
        };
        let fields = vec![
            ("SubjectUserSid", "S-1-0-0".to_owned()),
            ("SubjectUserName", "-".to_owned()),
            ("SubjectDomainName", "-".to_owned()),
            ("SubjectLogonId", "0x0".to_owned()),
            ("TargetUserSid", account.sid()),
            ("TargetUserName", account.name.clone()),
            ("TargetDomainName", "APERTURE".to_owned()),
            ("TargetLogonId", format!("{:#x}", session.logon_id)),
            ("LogonType", "3".to_owned()),
            ("LogonProcessName", package.to_owned()),
            ("AuthenticationPackageName", package.to_owned()),
            ("WorkstationName", workstation),
            ("LmPackageName", version.to_owned()),
            ("IpAddress", session.seen.to_string()),
            ("IpPort", session.seen_port.to_string()),
        ];
        self.log(at, session.server, &LOGON, fields, Some("success"))
    }

    fn share_session(&mut self, at: Millis, session: &Session) {
        let mut fields = session.subject();
        fields.push(("ShareName", "\\\\*\\IPC$".to_owned()));
        fields.push(("AccessMask", "0x1".to_owned()));
        self.log(at, session.server, &SHARE_SESSION, fields, Some("success"));
    }

    fn pipe_connected(&mut self, at: Millis, server: HostId, pipe: &str, access: usize) {
        let fields = vec![
            ("EventType", "ConnectPipe".to_owned()),
            ("UtcTime", sysmon_time(at)),
            ("ProcessId", "4".to_owned()),
            ("PipeName", format!("\\{pipe}")),
            ("Image", "System".to_owned()),
        ];
        let record = self.log(at, server, &PIPE_CONNECTED, fields, None);
        self.truth.add_record(server, 0, record, access);
    }

    /// `opened` are share and path; an access and how it ended.
    fn share_access(
        &mut self,
        at: Millis,
        session: &Session,
        (share, path): (&str, &str),
        (access, outcome): (usize, &str),
    ) {
        let mut fields = session.subject();
        fields.push(("ShareName", format!(r"\\*\{share}")));
        fields.push(("RelativeTargetName", path.to_owned()));
        fields.push(("AccessMask", "0x12019f".to_owned()));
        let record = self.log(at, session.server, &SHARE_ACCESS, fields, Some(outcome));
        self.truth.add_record(session.server, 1, record, access);
    }

    /// A record of a host's log, at a true time. Returns its number.
    fn log(
        &mut self,
        at: Millis,
        host: HostId,
        definition: &'static Definition,
        fields: Vec<(&str, String)>,
        outcome: Option<&str>,
    ) -> u64 {
        let arrival = at + self.delay();
        let host = &mut self.hosts.all[host.0];
        let record = &mut host.records[usize::from(definition.provider != Provider::SYSMON)];
        *record += 1;
        let number = *record;
        let surroundings = Surroundings {
            reporter: host.reporter.clone(),
            created: text(arrival),
            process_id: 4.into(),
            thread_id: 128.into(),
            keyword: outcome.map(|outcome| format!("Audit {outcome}")),
        };
        let mut event = Event::new(definition, text(at + host.clock), host.name.clone())
            .record_id(number)
            .set_all(fields)
            .surrounded(surroundings);
        if let Some(outcome) = outcome {
            event = event.outcome(outcome);
        }
        let document = match host.shape {
            Shape::Winlogbeat8 => serde_json::to_vec(&event),
            shape => serde_json::to_vec(&shape.document(&event)),
        };
        let document = document.expect("texts and numbers are JSON");
        // Winlogbeat ships once more what it has no answer for.
        if self.rng.random_bool(0.002) {
            let later = at + self.delay();
            self.send(later, document.clone());
        }
        self.send(arrival, document);
        number
    }

    fn send(&mut self, arrival: Millis, document: Vec<u8>) {
        self.sent += 1;
        self.on_the_way.push(Reverse((arrival, self.sent, document)));
    }

    /// From recordings: half of all arrive within 35 s, one in a hundred after more than 522 s.
    fn delay(&mut self) -> Millis {
        match self.rng.random_range(0..100) {
            0..50 => self.rng.random_range(1_000..35_000),
            50..80 => self.rng.random_range(35_000..90_000),
            80..99 => self.rng.random_range(90_000..522_000),
            _ => self.rng.random_range(522_000..LATEST),
        }
    }
}

fn text(at: Millis) -> String {
    EventTime::from_micros(at * 1_000).to_string()
}

fn sysmon_time(at: Millis) -> String {
    text(at).replace('T', " ").replace('Z', "")
}
