//! What happens in the estate: one task after another, each of which says when it comes again.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::IpAddr;

use rand::RngExt as _;

use super::attacks::{Act, Attack, AttackKind};
use super::hosts::HostId;
use super::sessions::{Account, Session, Wish};
use super::traffic::Traffic;
use super::truth::By;
use super::{Millis, Span};

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;

/// Hosts without 5145 that open their own pipes, which is rarer than on site servers and domain controllers.
const UNAUDITED: [&str; 2] = ["dp04", "dp08"];

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    /// A client reads its policies from a domain controller.
    Refresh(HostId),
    /// A client asks a domain controller something, without SMB.
    Ask(HostId),
    /// Some client runs a package from the share of a distribution point.
    RunPackage,
    /// Somebody opens a share of a site server.
    Browse,
    /// A site system writes its status into a share of its site server.
    Report(HostId, HostId),
    /// A site server reads the registry of another, or of a site system.
    Manage(HostId, HostId),
    /// A site server updates the boot images of a distribution point.
    Distribute(HostId, HostId),
    /// A host opens its own pipe by its name.
    OpenOwn(HostId),
    /// The first monitor, over a session that it keeps for hours.
    Poll(HostId),
    /// The second monitor, over a session for each time.
    Sample(HostId),
    Scan(HostId),
    BackUp(HostId),
    /// An administrator reads or sets registry values, from where he should or from where he sits.
    Administer,
    /// The attacker with this index opens a session, and then the pipe.
    Connect(usize),
    Open(usize),
}

/// The estate at work.
pub(super) struct Routine {
    pub(super) traffic: Traffic,
    span: Span,
    attacks: Vec<Attack>,
    /// Sessions that are kept, with when they end.
    kept: BTreeMap<(HostId, HostId), (Session, Millis)>,
    tasks: BinaryHeap<Reverse<(Millis, u64, Task)>>,
    planned: u64,
    clients: Vec<HostId>,
}

impl Routine {
    pub(super) fn new(traffic: Traffic, span: Span, attacks: Vec<Attack>, clients: usize) -> Self {
        let clients = traffic.hosts.clients(clients).collect();
        let mut routine = Self {
            traffic,
            span,
            attacks,
            kept: BTreeMap::new(),
            tasks: BinaryHeap::new(),
            planned: 0,
            clients,
        };
        routine.begin();
        routine
    }

    pub(super) fn attacks(&self) -> &[Attack] {
        &self.attacks
    }

    /// The next document, with its arrival.
    pub(super) fn next(&mut self) -> Option<(Millis, Vec<u8>)> {
        loop {
            let next = self.tasks.peek().map_or(Millis::MAX, |Reverse(next)| next.0);
            if let Some(arrived) = self.traffic.arrived(next) {
                return Some(arrived);
            }
            let Reverse((at, _, task)) = self.tasks.pop()?;
            self.run(at, task);
        }
    }

    fn begin(&mut self) {
        for client in self.clients.clone() {
            self.soon(Task::Refresh(client), 90 * MINUTE);
            self.soon(Task::Ask(client), 2 * HOUR);
        }
        self.soon(Task::RunPackage, 30 * MINUTE);
        self.soon(Task::Browse, 30 * MINUTE);
        self.soon(Task::Administer, HOUR);
        for server in self.traffic.hosts.servers() {
            self.soon(Task::Poll(server), 5 * MINUTE);
            self.soon(Task::Sample(server), 15 * MINUTE);
            self.plan(self.span.scan_of(server), Task::Scan(server));
            self.plan(
                self.span.part(800) + server.0 as Millis * 20_000,
                Task::BackUp(server),
            );
        }
        self.begin_sites();
        for name in ["cas01", "pri01", "pri02", "dc01", "dc02", "db01", "db02", "dp04"] {
            let host = self.traffic.hosts.named(name);
            self.soon(Task::OpenOwn(host), 20 * MINUTE);
        }
        for name in UNAUDITED {
            let host = self.traffic.hosts.named(name);
            self.soon(Task::OpenOwn(host), HOUR);
        }
        for (number, attack) in self.attacks.clone().iter().enumerate() {
            self.plan(attack.connects, Task::Connect(number));
        }
    }

    fn begin_sites(&mut self) {
        let hosts = &self.traffic.hosts;
        let cas = hosts.named("cas01");
        let mut managed = Vec::new();
        for (server, site) in [("pri01", "P01"), ("pri02", "P02"), ("cas01", "CAS")] {
            let server = hosts.named(server);
            for role in ["distribution-point", "management-point", "site-database"] {
                let systems = hosts.with_role(role, Some(site)).into_iter();
                managed.extend(systems.map(|system| (server, system)));
            }
        }
        for (server, system) in managed.clone() {
            self.soon(Task::Report(system, server), 30 * MINUTE);
        }
        let points = self.traffic.hosts.with_role("distribution-point", None);
        for (number, (server, system)) in (0..).zip(managed.iter().copied()) {
            if points.contains(&system) {
                self.plan(
                    self.span.part(620) + number * MINUTE,
                    Task::Distribute(server, system),
                );
            }
        }
        let primaries = self.traffic.hosts.with_role("primary-site-server", None);
        managed.extend(
            primaries
                .into_iter()
                .flat_map(|primary| [(cas, primary), (primary, cas)]),
        );
        for (server, system) in managed {
            self.soon(Task::Manage(server, system), HOUR);
        }
    }

    /// For the first time within so long.
    fn soon(&mut self, task: Task, within: Millis) {
        let at = self.span.begin + self.traffic.rng.random_range(0..within);
        self.plan(at, task);
    }

    /// Once more after about so long.
    fn again(&mut self, at: Millis, task: Task, after: Millis) {
        let after = self.traffic.rng.random_range(after * 2 / 3..after * 4 / 3);
        self.plan(at + after, task);
    }

    fn plan(&mut self, at: Millis, task: Task) {
        if at < self.span.end {
            self.planned += 1;
            self.tasks.push(Reverse((at, self.planned, task)));
        }
    }

    fn run(&mut self, at: Millis, task: Task) {
        match task {
            Task::Refresh(client) => {
                self.refresh(at, client);
                self.again(at, task, 90 * MINUTE);
            }
            Task::Ask(client) => {
                let server = self.controller();
                let wish = self.as_itself(client, server);
                self.traffic.log_on(at, &wish);
                self.again(at, task, 2 * HOUR);
            }
            Task::RunPackage => {
                let servers = self.traffic.hosts.with_role("distribution-point", None);
                self.visit(at, &servers);
                // One client in fifty a day: content comes over HTTP.
                let after = 50 * 24 * HOUR / (self.clients.len() as Millis).max(1);
                self.again(at, task, after);
            }
            Task::Browse => {
                let servers = self.traffic.hosts.with_role("primary-site-server", None);
                self.visit(at, &servers);
                self.again(at, task, 45 * MINUTE);
            }
            Task::Report(system, server) => {
                let wish = self.as_itself(system, server);
                self.traffic.connect(at, &wish);
                self.again(at, task, 30 * MINUTE);
            }
            Task::Manage(server, system) => {
                let wish = self.as_itself(server, system);
                self.read(at, &wish, 1);
                self.again(at, task, HOUR);
            }
            Task::Distribute(server, system) => {
                let wish = self.as_itself(server, system);
                let session = self.traffic.connect(at, &wish);
                self.traffic.read_boot_media(at + 400, &session, By::Routine);
            }
            Task::OpenOwn(host) => self.open_own(at, host),
            Task::Poll(server) => self.poll(at, server),
            Task::Sample(server) => {
                let wish = self.wish("mon02", server, "svc-monitor");
                self.read(at, &wish, 1);
                self.plan(at + 15 * MINUTE, task);
            }
            Task::Scan(server) => self.scan(at, server),
            Task::BackUp(server) => {
                let wish = self.wish("bkp01", server, "svc-backup");
                self.read(at, &wish, 2);
            }
            Task::Administer => self.administer(at),
            Task::Connect(number) => self.connect(at, number),
            Task::Open(number) => self.open(at, number),
        }
    }

    /// Most clients are off at night; what begins at eight in the morning is over twelve hours later.
    fn refresh(&mut self, at: Millis, client: HostId) {
        let is_night = (at - self.span.begin) % (24 * HOUR) >= 12 * HOUR;
        if is_night && self.traffic.rng.random_bool(0.7) {
            return;
        }
        let server = self.controller();
        let wish = self.as_itself(client, server);
        self.traffic.connect(at, &wish);
    }

    /// Some client opens a session with one of these, and no watched pipe.
    fn visit(&mut self, at: Millis, servers: &[HostId]) {
        let client = self.clients[self.traffic.rng.random_range(0..self.clients.len())];
        let server = servers[self.traffic.rng.random_range(0..servers.len())];
        let wish = Wish {
            account: Account::new(&format!("user{}", client.0)),
            ..self.as_itself(client, server)
        };
        self.traffic.connect(at, &wish);
    }

    /// A session, and winreg opened in it so often.
    fn read(&mut self, at: Millis, wish: &Wish, times: Millis) {
        let session = self.traffic.connect(at, wish);
        for time in 0..times {
            self.traffic.open(at + 400 + time * 700, &session, By::Routine);
        }
    }

    fn open_own(&mut self, at: Millis, host: HostId) {
        let own = self.traffic.hosts.host(host);
        let own_name = own.short().to_owned();
        let is_controller = own_name.starts_with("dc");
        let addresses = [own.ip, own.link_local(), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
        let address = match self.traffic.rng.random_range(0..4) {
            0 => addresses[2],
            _ if is_controller => addresses[1],
            _ => addresses[0],
        };
        let session = self.traffic.connect_to_itself(at, host, address);
        self.traffic.open(at + 300, &session, By::Itself);
        let is_unaudited = UNAUDITED.contains(&own_name.as_str());
        let after = if is_unaudited { 3 * HOUR } else { 40 * MINUTE };
        self.again(at, Task::OpenOwn(host), after);
    }

    fn poll(&mut self, at: Millis, server: HostId) {
        let wish = self.wish("mon01", server, "svc-monitor");
        let key = (wish.client, server);
        let kept = self.kept.get(&key).filter(|(_, until)| *until > at);
        let session = match kept {
            Some((session, _)) => session.clone(),
            None => {
                let session = self.traffic.connect(at, &wish);
                let until = at + self.traffic.rng.random_range(4 * HOUR..8 * HOUR);
                self.kept.insert(key, (session.clone(), until));
                session
            }
        };
        self.traffic.open(at + 400, &session, By::Routine);
        self.plan(at + 5 * MINUTE, Task::Poll(server));
    }

    /// Some sessions, of which the first has no rights.
    fn scan(&mut self, at: Millis, server: HostId) {
        let wish = self.wish("scan01", server, "svc-scan");
        let session = self.traffic.connect(at, &wish);
        self.traffic.try_to_open(at + 400, &session, By::Routine);
        for round in 1..4 {
            self.read(at + round * 4_000, &wish, 2);
        }
    }

    fn administer(&mut self, at: Millis) {
        let machines: &[(&str, &str)] = &[
            ("paw01", "adm-chell"),
            ("paw01", "adm-chell"),
            ("paw02", "adm-wheatley"),
            ("paw03", "adm-doug"),
        ];
        let is_careless = self.traffic.rng.random_bool(0.2);
        let (machine, account) = if is_careless {
            [("ws-it1", "adm-chell"), ("ws-it2", "adm-doug")][self.traffic.rng.random_range(0..2)]
        } else {
            machines[self.traffic.rng.random_range(0..machines.len())]
        };
        let servers: Vec<HostId> = self.traffic.hosts.servers().collect();
        let server = servers[self.traffic.rng.random_range(0..servers.len())];
        let wish = self.wish(machine, server, account);
        self.read(at, &wish, 2);
        self.again(at, Task::Administer, 2 * HOUR);
    }

    fn connect(&mut self, at: Millis, number: usize) {
        let Attack { wish, opens, .. } = self.attacks[number].clone();
        let session = self.traffic.connect(at, &wish);
        self.kept.insert((wish.client, wish.server), (session, opens));
        self.plan(opens, Task::Open(number));
    }

    fn open(&mut self, at: Millis, number: usize) {
        let Attack { kind, wish, act, .. } = self.attacks[number].clone();
        let Some((session, _)) = self.kept.remove(&(wish.client, wish.server)) else {
            return;
        };
        let by = By::Attack(number);
        match act {
            Act::Open(pipe) => self.traffic.open_pipe(at, &session, pipe, by),
            Act::ReadBootMedia => self.traffic.read_boot_media(at, &session, by),
            Act::LogOn => self.traffic.log_on_by(&session, by),
        }
        if kind == AttackKind::Coercion {
            let back = self.as_itself(wish.server, wish.client);
            self.traffic.connect(at + 1_500, &back);
        }
    }

    fn controller(&mut self) -> HostId {
        let controllers = self.traffic.hosts.with_role("domain-controller", None);
        controllers[self.traffic.rng.random_range(0..controllers.len())]
    }

    fn as_itself(&self, client: HostId, server: HostId) -> Wish {
        Wish {
            client,
            server,
            account: Account::of(self.traffic.hosts.host(client)),
            over_ipv6: false,
            is_ntlm: false,
        }
    }

    fn wish(&self, client: &str, server: HostId, account: &str) -> Wish {
        Wish {
            account: Account::new(account),
            ..self.as_itself(self.traffic.hosts.named(client), server)
        }
    }
}
