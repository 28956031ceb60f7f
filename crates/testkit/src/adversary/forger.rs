//! What somebody who may write to an input topic adds to what is true.

use pipewarden_tools::winlogbeat::Shape;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::World;
use super::draft::{self, Draft, End};
use super::estate::{ASSETS, CLIENTS, SCANNER};
use super::fields;
use super::truth::{Access, Message};

/// Somebody who knows all that is true and adds to it.
pub struct Forger<'a> {
    random: &'a mut StdRng,
    world: &'a World,
    forged: Vec<Message>,
    record: u64,
}

/// What is added to a world.
pub fn forge(world: &World, random: &mut StdRng) -> Vec<Message> {
    let mut forger = Forger {
        random,
        world,
        forged: Vec::new(),
        record: 1_000_000,
    };
    for _ in 0..forger.random.random_range(1..=5) {
        forger.attack();
    }
    forger.forged
}

/// The addresses that the adversary writes.
const ADDRESSES: [&str; 11] = [
    "10.1.0.101",
    "10.1.0.102",
    SCANNER,
    "10.9.0.1",
    "10.1.0.50",
    "10.2.0.50",
    "fd00::102",
    "fe80::50",
    "fe80::101",
    "127.0.0.1",
    "203.0.113.7",
];

impl Forger<'_> {
    fn attack(&mut self) {
        let Some(target) = self.world.accesses.choose(self.random).cloned() else {
            return;
        };
        match self.random.random_range(0..20) {
            0..=2 => self.changed_copy(),
            3 => self.copies(),
            4 | 5 => self.client(&target),
            6 | 7 => self.server(&target),
            8 | 9 => self.local(&target),
            10..=12 => self.share(&target),
            13..=15 => self.pipe(&target),
            16 => self.poison(&target),
            17 | 18 => self.excepted(&target),
            _ => self.flood(&target),
        }
    }

    /// Adds a document at any moment near another.
    fn add(&mut self, near: i64, draft: Draft, forgery: &'static str) {
        let arrival = match self.random.random_range(0..4) {
            0 => near - self.random.random_range(0..60_000),
            1 => near + self.random.random_range(0..3_000_000),
            2 => self.random.random_range(-600_000..3_000_000),
            _ => near + self.random.random_range(0..5_000),
        };
        self.add_at(arrival, draft, forgery);
    }

    fn add_at(&mut self, arrival: i64, draft: Draft, forgery: &'static str) {
        self.record += 1;
        let record = if draft.record == 0 {
            self.record
        } else {
            draft.record
        };
        self.forged.push(Message {
            arrival,
            draft: Draft { record, ..draft },
            access: None,
            forgery: Some(forgery),
        });
    }

    /// A moment at an access by the asset's clock, or far from it.
    fn moment(&mut self, target: &Access) -> i64 {
        target.time
            + match self.random.random_range(0..8) {
                0 => self.random.random_range(-9_999_000..=9_999_000),
                1 => self.random.random_range(-600_000..=600_000),
                2 | 3 => self.random.random_range(-9_000..=9_000),
                4 => self.random.random_range(-90..=90),
                _ => self.random.random_range(-6..=6),
            }
    }

    fn address(&mut self, target: &Access) -> String {
        if self.random.random_bool(0.3) {
            return target.ip.clone();
        }
        ADDRESSES
            .choose(self.random)
            .map_or_else(String::new, |ip| ip.to_string())
    }

    fn port(&mut self, target: &Access) -> u16 {
        if self.random.random_bool(0.4) {
            target.port
        } else {
            self.random.random_range(49_152..49_158)
        }
    }

    /// A true document with one thing changed.
    fn changed_copy(&mut self) {
        let Some(message) = self.world.messages.choose(self.random) else {
            return;
        };
        let changes = fields::changes(&message.draft);
        let Some((_, draft)) = changes.choose(self.random).cloned() else {
            return;
        };
        self.add(message.arrival, draft, "a copy with a change");
    }

    /// True documents again and again.
    fn copies(&mut self) {
        let Some(message) = self.world.messages.choose(self.random).cloned() else {
            return;
        };
        for _ in 0..self.random.random_range(1..100) {
            let arrival = message.arrival + self.random.random_range(-100..60_000);
            self.add_at(arrival, message.draft.clone(), "copies");
        }
    }

    fn client(&mut self, target: &Access) {
        let (ip, port) = (self.address(target), self.port(target));
        let computer = ["evil.example", CLIENTS[1].name, CLIENTS[2].name, ASSETS[1].name];
        let computer = computer.choose(self.random).copied().unwrap_or("evil.example");
        let to = [ASSETS[target.asset].ip, ASSETS[target.asset].other];
        let to = to.choose(self.random).copied().unwrap_or_default();
        let draft = draft::connection(self.moment(target), computer, true, (&ip, port), to);
        self.add(target.real_time, draft, "a client");
    }

    fn server(&mut self, target: &Access) {
        let (ip, port) = (self.address(target), self.port(target));
        let asset = &ASSETS[target.asset];
        let (time, from): (i64, End<'_>) = (self.moment(target), (&ip, port));
        let draft = match self.random.random_range(0..4) {
            0 => draft::permitted(time, asset.name, from, asset.ip),
            1 => draft::logon(time, asset.name, from, draft::USER),
            2 => draft::share_session(time, asset.name, from, draft::USER),
            _ => draft::connection(time, asset.name, false, from, asset.ip),
        };
        self.add(target.real_time, draft, "a server");
    }

    /// The asset, connected to itself.
    fn local(&mut self, target: &Access) {
        let asset = &ASSETS[target.asset];
        let ip = [
            asset.ip,
            asset.other,
            asset.link_local,
            "127.0.0.1",
            "::1",
            &*target.ip,
        ];
        let ip = ip.choose(self.random).copied().unwrap_or_default().to_owned();
        let (time, port) = (self.moment(target), self.port(target));
        let draft = match self.random.random_range(0..4) {
            0 => draft::share(time, asset.name, (&ip, port), draft::USER, "winreg"),
            1 => draft::permitted(time, asset.name, (&ip, port), &ip),
            _ => draft::connection(time, asset.name, self.random.random_bool(0.5), (&ip, port), &ip),
        };
        self.add(target.real_time, draft, "a local");
    }

    fn share(&mut self, target: &Access) {
        let (ip, port) = (self.address(target), self.port(target));
        let account = [draft::USER, super::estate::MONITOR, "Administrator"];
        let account = account.choose(self.random).copied().unwrap_or(draft::USER);
        let name = ["winreg", "samr"]
            .choose(self.random)
            .copied()
            .unwrap_or("winreg");
        let asset = &ASSETS[target.asset];
        let mut draft = draft::share(self.moment(target), asset.name, (&ip, port), account, name);
        if self.random.random_bool(0.2) {
            draft.outcome = Some("failure");
        }
        self.add(target.real_time, draft, "a share access");
    }

    fn pipe(&mut self, target: &Access) {
        let name = ["\\winreg", "\\lsass"]
            .choose(self.random)
            .copied()
            .unwrap_or("\\winreg");
        let draft = draft::pipe(self.moment(target), ASSETS[target.asset].name, name);
        self.add(target.real_time, draft, "a pipe connection");
    }

    /// Claims of addresses.
    fn poison(&mut self, target: &Access) {
        let asset = &ASSETS[target.asset];
        let claimed = [asset.ip, asset.other, CLIENTS[0].ip, &*target.ip];
        let claimed = claimed
            .choose(self.random)
            .copied()
            .unwrap_or_default()
            .to_owned();
        let computer = ["evil.example", ASSETS[1].name, CLIENTS[1].name];
        let computer = computer.choose(self.random).copied().unwrap_or_default();
        let time = self.moment(target);
        for number in 0..self.random.random_range(1..6) {
            let draft = match self.random.random_range(0..3) {
                0 => draft::connection(time + number, computer, true, (&claimed, 50_000), "203.0.113.9"),
                1 => draft::connection(time + number, computer, false, ("203.0.113.9", 50_000), &claimed),
                _ => Draft {
                    host_ips: vec![claimed.clone(), "203.0.113.7".to_owned()],
                    ..draft::connection(
                        time + number,
                        computer,
                        true,
                        ("203.0.113.7", 50_000),
                        "203.0.113.9",
                    )
                },
            };
            self.add(target.real_time - 1_000, draft, "poison");
        }
    }

    /// The word of somebody whom an exception covers.
    fn excepted(&mut self, target: &Access) {
        let (asset, port, time) = (&ASSETS[target.asset], self.port(target), self.moment(target));
        let draft = match self.random.random_range(0..5) {
            0 => draft::share(time, asset.name, (SCANNER, port), draft::USER, "winreg"),
            1 => draft::share(
                time,
                asset.name,
                (&target.ip, port),
                super::estate::MONITOR,
                "winreg",
            ),
            2 => draft::connection(time, "sentry3", true, (&target.ip, target.port), asset.ip),
            3 => draft::connection(time, asset.name, false, (SCANNER, port), asset.ip),
            _ => draft::connection(time, CLIENTS[3].name, true, (SCANNER, port), asset.ip),
        };
        self.add(target.real_time, draft, "by the leave of an exception");
    }

    /// Many documents of one kind, by one source or by many, at one asset or at all.
    fn flood(&mut self, target: &Access) {
        let most = if self.world.regime.is_tight { 250 } else { 30 };
        let (number, kind) = (self.random.random_range(1..most), self.random.random_range(0..7));
        let (many_sources, many_ports) = (self.random.random_bool(0.5), self.random.random_bool(0.5));
        let (many_assets, span) = (self.random.random_bool(0.2), self.random.random_range(1..600_000));
        let before = self.random.random_range(0..span);
        let text = if self.random.random_bool(0.1) {
            "\u{1}".repeat(900)
        } else {
            draft::USER.to_owned()
        };
        for number in 0..number {
            let asset = if many_assets {
                number % ASSETS.len()
            } else {
                target.asset
            };
            let asset = &ASSETS[asset];
            let host = if many_sources { 10 + number % 240 } else { 7 };
            let ip = format!("203.0.113.{host}");
            let port = if many_ports {
                1_024 + u16::try_from(number).unwrap_or_default()
            } else {
                50_000
            };
            let shift = self.random.random_range(0..span) - before;
            let (time, from): (i64, End<'_>) = (target.time + shift, (&ip, port));
            let draft = match kind {
                0 => draft::connection(time, "evil.example", true, from, asset.ip),
                1 => draft::connection(time, asset.name, false, from, asset.ip),
                2 => draft::pipe(time, asset.name, "\\winreg"),
                3 => draft::share(time, asset.name, from, &format!("{text}{}", number % 9), "winreg"),
                4 => draft::share(time, asset.name, (asset.ip, port), &text, "winreg"),
                5 => draft::connection(time, asset.name, true, (asset.link_local, port), asset.link_local),
                _ => draft::logon(time, asset.name, from, &text),
            };
            let shape = if number % 16 == 0 {
                Shape::IngestPipeline
            } else {
                Shape::Winlogbeat8
            };
            self.add_at(target.real_time + shift, Draft { shape, ..draft }, "a flood");
        }
    }
}
