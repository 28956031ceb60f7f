//! What truly happens in a world, and the documents by which its hosts tell of it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use pipewarden_tools::winlogbeat::Shape;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::World;
use super::draft::{self, Draft, End};
use super::estate::{ASSETS, CLIENTS, Host, MONITOR};

/// One use of a watched pipe that truly happens.
#[derive(Clone, Debug)]
pub struct Access {
    /// The asset's place in [`ASSETS`].
    pub asset: usize,
    /// Every address that a true log may name its source by; none where the asset does it itself.
    pub addresses: BTreeSet<IpAddr>,
    /// By the clock of the asset, in milliseconds after the epoch.
    pub time: i64,
    /// When it is, by nobody's clock in particular.
    pub real_time: i64,
    /// The source's address and port as the asset sees them.
    pub ip: String,
    pub port: u16,
}

/// A document on its way.
#[derive(Clone, Debug)]
pub struct Message {
    /// When it is appended, in milliseconds after the epoch.
    pub arrival: i64,
    pub draft: Draft,
    /// The access that it truly tells of.
    pub access: Option<usize>,
    /// What the adversary means by it; `None` where it is true.
    pub forgery: Option<&'static str>,
}

/// Which of the sensors tell of an access.
#[derive(Clone, Copy, Debug)]
pub struct Sensors {
    pub client: bool,
    pub server: bool,
    pub pipe: bool,
    pub share: bool,
    /// Security 5156, 4624 and 5140.
    pub session: bool,
}

/// Tells of what happens.
pub struct Teller<'a> {
    pub random: &'a mut StdRng,
    pub world: World,
    /// By how much the clocks of assets and clients are ahead, in milliseconds.
    clocks: [i64; ASSETS.len() + CLIENTS.len()],
    shapes: Vec<Shape>,
    is_forwarded: bool,
    is_late: bool,
    /// Whether hosts log their short names.
    is_short_named: bool,
    record: u64,
}

impl<'a> Teller<'a> {
    pub fn new(world: World, random: &'a mut StdRng) -> Self {
        let wrong = |random: &mut StdRng| match random.random_range(0..12) {
            0 => random.random_range(-9_999_000..=9_999_000),
            1..=3 => random.random_range(-20_000..=20_000),
            _ => 0,
        };
        let has_wrong_clocks = random.random_bool(0.4);
        let mut clocks = [0; ASSETS.len() + CLIENTS.len()];
        if has_wrong_clocks {
            clocks.iter_mut().for_each(|clock| *clock = wrong(random));
        }
        let shapes = match random.random_range(0..4) {
            0 => Shape::ALL.to_vec(),
            _ => vec![Shape::Winlogbeat8],
        };
        Self {
            clocks,
            shapes,
            is_forwarded: random.random_bool(0.2),
            is_late: random.random_bool(0.5),
            is_short_named: random.random_bool(0.15),
            record: 1_000,
            random,
            world,
        }
    }

    /// A world in which every clock is right and every document arrives at once.
    pub fn plain(world: World, random: &'a mut StdRng) -> Self {
        Self {
            clocks: [0; ASSETS.len() + CLIENTS.len()],
            shapes: vec![Shape::Winlogbeat8],
            is_forwarded: false,
            is_late: false,
            is_short_named: false,
            record: 1_000,
            random,
            world,
        }
    }

    /// A few accesses near a few moments, with bystanders.
    pub fn tell_all(&mut self) {
        let bursts: Vec<i64> = (0..self.random.random_range(1..=3))
            .map(|_| self.random.random_range(0..2_400_000))
            .collect();
        for _ in 0..self.random.random_range(1..=6) {
            let at =
                bursts.choose(self.random).copied().unwrap_or_default() + self.random.random_range(0..12_000);
            let asset = match self.random.random_range(0..3) {
                0 => self.random.random_range(0..ASSETS.len()),
                _ => 0,
            };
            match self.random.random_range(0..10) {
                0 | 1 => self.local(asset, at),
                2 => self.bystander(asset, at),
                3 => self.monitor(asset, at),
                _ => {
                    let client = self.random.random_range(0..CLIENTS.len());
                    let sensors = self.sensors();
                    self.access(asset, client, at, sensors);
                }
            }
        }
    }

    fn sensors(&mut self) -> Sensors {
        let mut yes = |share| self.random.random_bool(share);
        let sensors = Sensors {
            client: yes(0.6),
            server: yes(0.4),
            pipe: yes(0.7),
            share: yes(0.6),
            session: yes(0.2),
        };
        Sensors {
            pipe: sensors.pipe || !sensors.share,
            ..sensors
        }
    }

    /// A client opens a pipe, sometimes several times over one session, and sometimes over one that began long before.
    pub fn access(&mut self, asset: usize, client: usize, at: i64, sensors: Sensors) {
        let is_v6 = self.random.random_bool(0.2);
        let port = self.random.random_range(49_152..49_158);
        let began = match self.random.random_range(0..6) {
            0 => at - self.random.random_range(20_000..800_000),
            1 => at - 7_200_000,
            _ => at - self.random.random_range(0..1_500),
        };
        self.session(asset, client, began, port, is_v6, sensors);
        let times = if self.random.random_bool(0.2) { 3 } else { 1 };
        for time in 0..times {
            self.open(asset, client, at + time * 700, port, is_v6, sensors);
        }
    }

    /// A session begins.
    fn session(&mut self, asset: usize, client: usize, at: i64, port: u16, is_v6: bool, sensors: Sensors) {
        let (server, host) = (&ASSETS[asset], &CLIENTS[client]);
        let (from, to) = match self.random.random_range(0..6) {
            _ if is_v6 => (host.v6, server.v6),
            0 => (host.ip, server.other),
            _ => (host.ip, server.ip),
        };
        if sensors.client {
            let own = if is_v6 { host.v6 } else { host.other };
            let time = at + self.clocks[ASSETS.len() + client];
            let draft = draft::connection(time, host.name, true, (own, port), to);
            let draft = if self.random.random_bool(0.5) {
                draft.with("DestinationHostname", server.name)
            } else {
                draft
            };
            self.send(at, draft, None);
        }
        let time = at + self.clocks[asset];
        if sensors.server {
            self.send(
                at,
                draft::connection(time, server.name, false, (from, port), to),
                None,
            );
        }
        if sensors.session {
            self.send(at, draft::permitted(time, server.name, (from, port), to), None);
            self.send(
                at,
                draft::logon(time, server.name, (from, port), draft::USER),
                None,
            );
            self.send(
                at,
                draft::share_session(time, server.name, (from, port), draft::USER),
                None,
            );
        }
    }

    /// A pipe is opened over a session.
    fn open(&mut self, asset: usize, client: usize, at: i64, port: u16, is_v6: bool, sensors: Sensors) {
        let host = &CLIENTS[client];
        let from = if is_v6 { host.v6 } else { host.ip };
        let addresses = [host.ip, host.v6, host.other, host.link_local];
        let number = self.note(asset, &addresses, at, (from, port));
        let account = if client == 3 { MONITOR } else { draft::USER };
        self.logs(number, at, (from, port), account, sensors);
    }

    fn note(&mut self, asset: usize, addresses: &[&str], at: i64, from: End<'_>) -> usize {
        let access = Access {
            asset,
            addresses: addresses.iter().map(|ip| ip.parse().unwrap()).collect(),
            time: at + self.clocks[asset],
            real_time: at,
            ip: from.0.to_owned(),
            port: from.1,
        };
        self.world.accesses.push(access);
        self.world.accesses.len() - 1
    }

    /// What the asset logs of an access.
    fn logs(&mut self, number: usize, at: i64, from: End<'_>, account: &str, sensors: Sensors) {
        let Access { asset, time, .. } = self.world.accesses[number];
        let server: &Host = &ASSETS[asset];
        let (connected, shared) = match self.random.random_range(0..8) {
            0 => ("\\lsass", "samr"),
            _ => ("\\winreg", "winreg"),
        };
        if sensors.pipe {
            let time = time - self.random.random_range(0..6);
            self.send(at, draft::pipe(time, server.name, connected), Some(number));
        }
        if sensors.share {
            let mut share = draft::share(time, server.name, from, account, shared);
            match self.random.random_range(0..12) {
                0 => share.outcome = Some("failure"),
                1 => share.outcome = None,
                2 => share = share.with("IpAddress", "-").with("IpPort", "-"),
                _ => {}
            }
            self.send(at, share, Some(number));
        }
    }

    /// The asset opens a pipe of its own over SMB.
    pub fn local(&mut self, asset: usize, at: i64) {
        let host = &ASSETS[asset];
        let from = ["127.0.0.1", "::1", host.ip, host.v6, host.link_local];
        let from = from.choose(self.random).copied().unwrap_or(host.ip);
        let port = self.random.random_range(49_152..49_158);
        let number = self.note(asset, &[], at, (from, port));
        if self.random.random_bool(0.7) {
            let time = at + self.clocks[asset];
            let own = draft::connection(time, host.name, self.random.random_bool(0.5), (from, port), from);
            self.send(at, own, None);
        }
        let sensors = self.sensors();
        self.logs(number, at, (from, port), "SYSTEM", sensors);
    }

    /// A client connects and opens nothing.
    pub fn bystander(&mut self, asset: usize, at: i64) {
        let client = self.random.random_range(0..CLIENTS.len());
        let sensors = self.sensors();
        let port = self.random.random_range(49_152..49_158);
        self.session(asset, client, at, port, false, sensors);
    }

    /// A monitor polls over one session.
    fn monitor(&mut self, asset: usize, at: i64) {
        let sensors = Sensors {
            client: true,
            server: true,
            ..self.sensors()
        };
        self.session(asset, 3, at, 50_000, false, sensors);
        for poll in 0..3 {
            self.open(asset, 3, at + 500 + poll * 300_000, 50_000, false, sensors);
        }
    }

    /// Ships a true document.
    fn send(&mut self, at: i64, draft: Draft, access: Option<usize>) {
        let delay = match self.random.random_range(0..6) {
            _ if !self.is_late => self.random.random_range(0..300),
            0 => self.random.random_range(0..1_800_000),
            _ => self.random.random_range(0..5_000),
        };
        self.record += 1;
        let short = draft
            .computer
            .split('.')
            .next()
            .unwrap_or_default()
            .to_uppercase();
        let draft = Draft {
            computer: if self.is_short_named {
                short
            } else {
                draft.computer.clone()
            },
            record: self.record,
            collector: self.is_forwarded.then(|| "collector.aperture.local".to_owned()),
            shape: self
                .shapes
                .choose(self.random)
                .copied()
                .unwrap_or(Shape::Winlogbeat8),
            ..draft
        };
        self.world.messages.push(Message {
            arrival: at + delay,
            draft,
            access,
            forgery: None,
        });
    }
}
