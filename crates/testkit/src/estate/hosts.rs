//! Who is there: the servers that are protected, what each of them logs, and all others.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pipewarden_core::event::Kind;
use pipewarden_tools::winlogbeat::Shape;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::Millis;

/// A protected server as the table below lists it.
struct Server {
    name: &'static str,
    role: &'static str,
    site: Option<&'static str>,
    /// The event ids that reach Kafka.
    logs: &'static str,
    /// How far its clock is ahead.
    clock: Millis,
}

const WHOLE: &str = "3 18 4624 5140 5145";

const fn server(name: &'static str, role: &'static str, site: &'static str, logs: &'static str) -> Server {
    Server {
        name,
        role,
        site: Some(site),
        logs,
        clock: 0,
    }
}

const fn controller(name: &'static str, logs: &'static str) -> Server {
    Server {
        name,
        role: "domain-controller",
        site: None,
        logs,
        clock: 0,
    }
}

const fn off_by(clock: Millis, server: Server) -> Server {
    Server { clock, ..server }
}

/// Five have no 5145, three no Sysmon, three Sysmon without event 3, two a wrong clock.
const SERVERS: &[Server] = &[
    server("cas01", "cas", "CAS", WHOLE),
    server("pri01", "primary-site-server", "P01", WHOLE),
    server("pri02", "primary-site-server", "P02", WHOLE),
    server("dp01", "distribution-point", "P01", WHOLE),
    server("dp02", "distribution-point", "P01", WHOLE),
    off_by(95_000, server("dp03", "distribution-point", "P01", WHOLE)),
    server("dp04", "distribution-point", "P01", "3 18 4624 5140"),
    server("dp05", "distribution-point", "P01", "4624 5145"),
    off_by(-200_000, server("dp06", "distribution-point", "P02", WHOLE)),
    server("dp07", "distribution-point", "P02", "3 18 4624"),
    server("dp08", "distribution-point", "P02", "18 4624 5140"),
    server("dp09", "distribution-point", "P02", "4624 5145"),
    server("dp10", "distribution-point", "P02", "18 4624 5145 5156"),
    server("mp01", "management-point", "P01", WHOLE),
    server("mp02", "management-point", "P02", "18"),
    server("db00", "site-database", "CAS", "3 18 4624 5140 5145 5156"),
    server("db01", "site-database", "P01", WHOLE),
    server("db02", "site-database", "P02", "4624 5145"),
    controller("dc01", WHOLE),
    controller("dc02", WHOLE),
    controller("dc03", "3 18 4624"),
];

/// What a host logs of SMB that reaches Kafka.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Logs {
    /// Sysmon 3, of connections that it opens and that it takes.
    pub(super) connections: bool,
    /// Sysmon 18.
    pub(super) pipes: bool,
    /// Security 4624.
    pub(super) logons: bool,
    /// Security 5140.
    pub(super) share_sessions: bool,
    /// Security 5145.
    pub(super) share_accesses: bool,
    /// Security 5156.
    pub(super) firewall: bool,
}

impl Logs {
    fn of(ids: &str) -> Self {
        let has = |id: &str| ids.split(' ').any(|listed| listed == id);
        Self {
            connections: has("3"),
            pipes: has("18"),
            logons: has("4624"),
            share_sessions: has("5140"),
            share_accesses: has("5145"),
            firewall: has("5156"),
        }
    }

    /// Whether the host's own log yields this kind.
    pub(super) fn yields(self, kind: Kind) -> bool {
        match kind {
            Kind::NetworkConnection => self.connections || self.firewall,
            Kind::Logon => self.logons,
            Kind::ShareSession => self.share_sessions,
            Kind::PipeConnected => self.pipes,
            Kind::ShareAccess => self.share_accesses,
        }
    }
}

/// A host, by its index in [`Hosts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct HostId(pub(super) usize);

/// A host, protected or not.
#[derive(Debug)]
pub(super) struct Host {
    /// As it names itself in its log.
    pub(super) name: String,
    pub(super) ip: IpAddr,
    /// Where it has two stacks.
    pub(super) ipv6: Option<IpAddr>,
    /// What the other end sees, where it is behind a NAT.
    pub(super) nat: Option<IpAddr>,
    pub(super) logs: Logs,
    pub(super) clock: Millis,
    pub(super) shape: Shape,
    /// Who ships its log.
    pub(super) reporter: String,
    /// The last record of each of its two logs: Sysmon's, Security's.
    pub(super) records: [u64; 2],
}

impl Host {
    /// Its name without the domain.
    pub(super) fn short(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }

    /// The address that its interface gives itself.
    pub(super) fn link_local(&self) -> IpAddr {
        let IpAddr::V4(ip) = self.ip else { return self.ip };
        let [.., high, low] = ip.octets();
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0x1c2d, 0x3e4f, u16::from(high), u16::from(low)).into()
    }
}

/// All hosts.
#[derive(Debug)]
pub(super) struct Hosts {
    pub(super) all: Vec<Host>,
    clients: usize,
}

/// Machines that are not protected and have a part of their own.
const OTHERS: &[(&str, &str, &str)] = &[
    ("mon01", "10.1.8.10", "3"),
    ("mon02", "10.1.8.11", ""),
    ("scan01", "10.1.9.7", ""),
    ("bkp01", "10.1.8.20", "3"),
    ("paw01", "10.1.7.11", "3"),
    ("paw02", "10.1.7.12", "3"),
    ("paw03", "10.1.7.13", ""),
    // Administrators who use what they have at hand.
    ("ws-it1", "10.3.0.21", "3"),
    ("ws-it2", "10.3.0.22", ""),
];

impl Hosts {
    pub(super) fn new(clients: usize, rng: &mut StdRng) -> Self {
        let servers = (0..).zip(SERVERS).map(|(number, server)| Host {
            ipv6: Some(Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 0x50 + number).into()),
            clock: server.clock,
            shape: if number % 4 == 3 {
                Shape::Winlogbeat7Module
            } else {
                Shape::Winlogbeat8
            },
            ..host(
                server.name,
                [10, 1, 0, 50 + number as u8].into(),
                Logs::of(server.logs),
            )
        });
        let others = OTHERS.iter().map(|&(name, ip, logs)| {
            let ip = ip.parse().expect("the table has addresses");
            host(name, ip, Logs::of(logs))
        });
        let mut hosts = Self {
            all: servers.chain(others).collect(),
            clients: SERVERS.len() + OTHERS.len(),
        };
        for number in 0..clients as u32 {
            let ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 4, 0, 1)) + number);
            let has_sysmon = rng.random_bool(0.7);
            // Most clocks are right to the second, one in fifty is not.
            let clock = if rng.random_bool(0.02) { 600_000 } else { 1_000 };
            hosts.all.push(Host {
                clock: rng.random_range(-clock..=clock),
                reporter: "wec01.aperture.local".to_owned(),
                ..host(
                    &format!("ws{number:04}"),
                    ip.into(),
                    Logs::of(if has_sysmon { "3" } else { "" }),
                )
            });
        }
        hosts
    }

    /// A machine that joins the estate.
    pub(super) fn add(&mut self, name: &str, ip: IpAddr, logs: &str) -> HostId {
        self.all.push(host(name, ip, Logs::of(logs)));
        HostId(self.all.len() - 1)
    }

    /// A machine of the tables.
    pub(super) fn named(&self, name: &str) -> HostId {
        let place = self.all.iter().position(|host| host.short() == name);
        HostId(place.expect("the tables have it"))
    }

    /// Those that are protected.
    pub(super) fn servers(&self) -> impl Iterator<Item = HostId> + use<> {
        (0..SERVERS.len()).map(HostId)
    }

    /// Those that have this role, of this site if one is given.
    pub(super) fn with_role(&self, role: &str, site: Option<&str>) -> Vec<HostId> {
        let is_one = |server: &Server| server.role == role && (site.is_none() || server.site == site);
        self.servers().filter(|id| is_one(&SERVERS[id.0])).collect()
    }

    /// Ordinary clients, `wanted` of them at most.
    pub(super) fn clients(&self, wanted: usize) -> impl Iterator<Item = HostId> + use<> {
        (self.clients..self.clients + wanted).map(HostId)
    }

    pub(super) fn host(&self, id: HostId) -> &Host {
        &self.all[id.0]
    }

    /// The protected host with this canonical name.
    pub(super) fn asset(&self, name: &str) -> Option<HostId> {
        self.servers().find(|id| self.host(*id).name == name)
    }

    /// The inventory file of the estate.
    pub(super) fn inventory(&self) -> String {
        let mut text = "assets:\n".to_owned();
        for (host, server) in self.all.iter().zip(SERVERS) {
            let Host { name, ip, ipv6, .. } = host;
            let ipv6 = ipv6.map(|ip| format!(", '{ip}'")).unwrap_or_default();
            let site = server
                .site
                .map(|site| format!(", site: {site}"))
                .unwrap_or_default();
            let role = server.role;
            writeln!(
                text,
                "  - {{name: {name}, addresses: [{ip}{ipv6}], roles: [{role}]{site}}}"
            )
            .expect("a text takes all");
        }
        text
    }
}

fn host(name: &str, ip: IpAddr, logs: Logs) -> Host {
    let name = format!("{name}.aperture.local");
    Host {
        ip,
        ipv6: None,
        nat: None,
        logs,
        clock: 0,
        shape: Shape::Winlogbeat8,
        reporter: name.clone(),
        records: [1_000, 1_000],
        name,
    }
}
