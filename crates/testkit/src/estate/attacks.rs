//! Ten kinds of attack, four accesses of each.

use std::net::IpAddr;

use rand::RngExt as _;
use serde::Serialize;

use super::hosts::{HostId, Hosts};
use super::sessions::{Account, Wish};
use super::{Millis, Span};

/// What is special about an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttackKind {
    /// Sysmon 3, Sysmon 18 and Security 5145.
    AllThree,
    /// Sysmon 3 and 18.
    ConnectionAndPipe,
    /// Sysmon 18 of the access, and no connection by either end.
    PipeOnly,
    /// Security 5145, and no Sysmon on either end.
    ShareOnly,
    /// By a relay, which has the account of another host.
    Relay,
    /// From a host with two stacks, or behind a NAT.
    DualStackOrNat,
    /// Over a session that was opened long before.
    ReusedSession,
    /// On distribution points, from the registry to the PXE boot media.
    BootMedia,
    /// A logon with the account of a site server, and nothing that is watched after it.
    MachineAccount,
    /// By a pipe that makes the host connect to the attacker.
    Coercion,
}

impl AttackKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::AllThree,
        Self::ConnectionAndPipe,
        Self::PipeOnly,
        Self::ShareOnly,
        Self::Relay,
        Self::DualStackOrNat,
        Self::ReusedSession,
        Self::BootMedia,
        Self::MachineAccount,
        Self::Coercion,
    ];

    /// As it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AllThree => "3, 18 and 5145",
            Self::ConnectionAndPipe => "3 and 18",
            Self::PipeOnly => "18 only",
            Self::ShareOnly => "5145 only",
            Self::Relay => "through a relay",
            Self::DualStackOrNat => "dual stack or NAT",
            Self::ReusedSession => "reused session",
            Self::BootMedia => "PXE boot media",
            Self::MachineAccount => "machine account",
            Self::Coercion => "coercion",
        }
    }
}

/// What an attacker does in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Opens this pipe.
    Open(&'static str),
    /// Reads the variables of PXE boot media.
    ReadBootMedia,
    /// Nothing that is logged, but that it has logged on.
    LogOn,
}

/// One access by an attacker.
#[derive(Clone, Debug)]
pub(super) struct Attack {
    pub(super) kind: AttackKind,
    pub(super) wish: Wish,
    pub(super) act: Act,
    /// When the session begins.
    pub(super) connects: Millis,
    /// When that is done in it.
    pub(super) opens: Millis,
}

/// The attacks of a day; their hosts join the estate.
pub(super) struct Attacks<'a> {
    hosts: &'a mut Hosts,
    span: Span,
    all: Vec<Attack>,
    machines: u8,
}

const MINUTE: Millis = 60_000;

impl<'a> Attacks<'a> {
    /// `scan_of` is when the scanner is at a host.
    pub(super) fn plan(
        hosts: &'a mut Hosts,
        span: Span,
        scan_of: impl Fn(HostId) -> Millis,
        rng: &mut rand::rngs::StdRng,
    ) -> Vec<Attack> {
        let waiting = scan_of(hosts.named("dp04")) + 3_000;
        let mut attacks = Self {
            hosts,
            span,
            all: Vec::new(),
            machines: 0,
        };
        attacks.with_all_three();
        attacks.with_connection_and_pipe(waiting);
        attacks.with_one_log();
        attacks.through_relays();
        attacks.by_odd_addresses();
        attacks.over_reused_sessions();
        attacks.against_several();
        let mut all = attacks.all;
        for attack in &mut all {
            let shift = rng.random_range(0..20_000);
            // Whoever waits for the scanner comes when it does.
            if attack.opens != waiting {
                attack.connects += shift;
                attack.opens += shift;
            }
        }
        all
    }

    /// One attacker, who is quick enough for a campaign.
    fn with_all_three(&mut self) {
        let begin = self.span.part(300);
        let client = self.client("3");
        for (number, server) in (0..).zip(["pri01", "pri02", "cas01", "dp03"]) {
            let at = begin + number * 4 * MINUTE;
            self.add(AttackKind::AllThree, client, server, at);
        }
    }

    /// Against hosts that do not audit; one attacker waits until the scanner is there.
    fn with_connection_and_pipe(&mut self, waiting: Millis) {
        let times = [40, 180, 640].map(|part| self.span.part(part));
        let [first, second, third] = times;
        for (server, at) in [
            ("dp04", first),
            ("dp07", second),
            ("dp04", waiting),
            ("dc03", third),
        ] {
            let client = self.client("3");
            self.add(AttackKind::ConnectionAndPipe, client, server, at);
        }
    }

    fn with_one_log(&mut self) {
        for (server, part) in [("dp08", 75), ("mp02", 215), ("dp08", 355), ("dp08", 600)] {
            let client = self.client("");
            self.add(AttackKind::PipeOnly, client, server, self.span.part(part));
        }
        for (server, part) in [("dp05", 110), ("dp09", 250), ("db02", 390), ("dp05", 680)] {
            let client = self.client("");
            self.add(AttackKind::ShareOnly, client, server, self.span.part(part));
        }
    }

    /// Each with the computer account of a site server, which the relay has coerced.
    fn through_relays(&mut self) {
        for (server, part, coerced) in [
            ("pri01", 145, "pri02"),
            ("dp02", 285, "cas01"),
            ("db01", 425, "pri01"),
            ("dp04", 560, "pri01"),
        ] {
            let client = self.client("");
            let coerced = self.hosts.named(coerced);
            let account = Account::of(self.hosts.host(coerced));
            self.add(AttackKind::Relay, client, server, self.span.part(part));
            if let Some(attack) = self.all.last_mut() {
                attack.wish.account = account;
                attack.wish.is_ntlm = true;
            }
        }
    }

    fn by_odd_addresses(&mut self) {
        for (server, part) in [("dp01", 20), ("dp10", 125)] {
            let client = self.client("3");
            let ipv6 = format!("fd00:9::{part:x}").parse();
            self.hosts.all[client.0].ipv6 = Some(ipv6.expect("it is an address"));
            self.add(AttackKind::DualStackOrNat, client, server, self.span.part(part));
            if let Some(attack) = self.all.last_mut() {
                attack.wish.over_ipv6 = true;
            }
        }
        for (server, part, logs) in [("pri02", 520, "3"), ("dp07", 710, "")] {
            let client = self.client(logs);
            self.hosts.all[client.0].nat = Some(IpAddr::from([10, 9, 0, 1]));
            self.add(AttackKind::DualStackOrNat, client, server, self.span.part(part));
        }
    }

    /// Against two hosts that audit and two that do not; the last session is not old yet.
    fn over_reused_sessions(&mut self) {
        for (server, part, age) in [
            ("pri01", 760, 40),
            ("dp06", 810, 40),
            ("dp04", 860, 40),
            ("dp08", 910, 10),
        ] {
            let client = self.client("3");
            let at = self.span.part(part);
            self.add(AttackKind::ReusedSession, client, server, at);
            if let Some(attack) = self.all.last_mut() {
                attack.connects = at - age * MINUTE;
            }
        }
    }

    /// Three attackers, each quick enough for a campaign. Who reads boot media has asked the registry of the first host for them.
    fn against_several(&mut self) {
        let begin = self.span.part(470);
        let client = self.client("3");
        let steps = [
            ("dp01", Act::Open("winreg")),
            ("dp01", Act::ReadBootMedia),
            ("dp02", Act::ReadBootMedia),
            ("dp06", Act::ReadBootMedia),
        ];
        for (number, (server, act)) in (0..).zip(steps) {
            self.add(AttackKind::BootMedia, client, server, begin + number * 3 * MINUTE);
            self.with(act);
        }

        let begin = self.span.part(615);
        let client = self.client("");
        let account = Account::of(self.hosts.host(self.hosts.named("cas01")));
        for (number, server) in (0..).zip(["pri01", "pri02", "db00", "mp01"]) {
            self.add(
                AttackKind::MachineAccount,
                client,
                server,
                begin + number * 3 * MINUTE,
            );
            let attack = self.with(Act::LogOn);
            attack.wish.account = account.clone();
            attack.wish.is_ntlm = true;
        }

        let begin = self.span.part(735);
        let client = self.client("");
        for (number, server) in (0..).zip(["pri01", "pri02", "cas01", "mp01"]) {
            self.add(AttackKind::Coercion, client, server, begin + number * 3 * MINUTE);
            self.with(Act::Open("efsrpc"));
        }
    }

    /// Changes what the last attack does.
    fn with(&mut self, act: Act) -> &mut Attack {
        let attack = self.all.last_mut().expect("an attack was added before");
        attack.act = act;
        attack
    }

    fn add(&mut self, kind: AttackKind, client: HostId, server: &str, at: Millis) {
        self.all.push(Attack {
            kind,
            wish: Wish {
                client,
                server: self.hosts.named(server),
                account: Account::new("glados"),
                over_ipv6: false,
                is_ntlm: false,
            },
            act: Act::Open("winreg"),
            connects: at,
            opens: at + 600,
        });
    }

    /// Another machine that an attacker has.
    fn client(&mut self, logs: &str) -> HostId {
        self.machines += 1;
        let number = self.machines;
        self.hosts
            .add(&format!("ws-x{number:02}"), [10, 5, 0, number].into(), logs)
    }
}
