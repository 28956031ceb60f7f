//! Small worlds to detect in: observations by hand and at random, deliveries in any order, and a join run
//! over them to its final alerts.

mod accounts;
mod policy;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::detection::{
    AlertKey, Body, Content, Join, JoinOutput, JoinSettings, Revision, Rule, Status,
};
use pipewarden_core::event::{
    Account, AssetId, Detail, Event, Log, Logon, NetworkConnection, Observation, ObservationRecord, Outcome,
    PipeConnected, Process, ShareAccess, ShareSession, TimeSource,
};
use pipewarden_core::log::{At, Offset};
use pipewarden_core::time::{AppendTime, EventTime};
use proptest::prelude::*;

pub use self::accounts::{accounts, is_use_from_elsewhere, rule_about_accounts};
pub use self::policy::{exceptions, rule_with_callback, rules};

/// The epoch of every world: a moment inside a bucket, in microseconds.
pub const EPOCH: i64 = 1_729_782_125_024_000;

/// The parameters of one observation.
#[derive(Clone, Debug)]
pub struct Seed {
    pub kind: u8,
    pub asset: u8,
    pub source: u8,
    pub port: u8,
    /// Milliseconds after [`EPOCH`].
    pub at: i64,
    pub account: u8,
    pub other_rule: bool,
    pub client_side: bool,
    /// Which record it claims to be, instead of one of its own.
    pub record: Option<u8>,
}

/// The source that stands for the asset itself, by an address that the inventory gives it.
pub const ITSELF: u8 = 3;
/// The source that stands for the asset itself, by a link-local address, which only a connection of its own shows.
pub const LINK_LOCAL: u8 = 4;

impl Seed {
    /// The observation with these parameters; `number` gives its record id.
    pub fn observation(&self, number: u64) -> Observation {
        let asset = self.asset();
        let (computer, detail) = match self.kind {
            0 if self.client_side => (self.client(), Detail::NetworkConnection(self.connection())),
            0 => (asset.clone(), Detail::NetworkConnection(self.connection())),
            1 => (asset.clone(), Detail::PipeConnected(self.pipe())),
            2 => (asset.clone(), Detail::ShareAccess(self.share())),
            3 => (asset.clone(), Detail::Logon(self.logon())),
            5 => (asset.clone(), Detail::NetworkConnection(self.call_back())),
            _ => (asset.clone(), Detail::ShareSession(self.share_session())),
        };
        let event = Event {
            time: EventTime::from_micros(EPOCH + self.at * 1000),
            time_source: TimeSource::Timestamp,
            computer: computer.as_str().into(),
            channel: "test".into(),
            record_id: Some(self.record.map_or(number.wrapping_add(1_000), u64::from)),
            detail,
        };
        // A link-local address of the asset is in no inventory: only a connection shows whose it is.
        let is_local = match event.detail {
            Detail::NetworkConnection(ref connection) if connection.of_client => false,
            Detail::NetworkConnection(_) | Detail::Logon(_) | Detail::ShareSession(_) => self.is_itself(),
            Detail::ShareAccess(ref share) => self.source == ITSELF && share.source_ip.is_some(),
            Detail::PipeConnected(_) => false,
        };
        Observation::new(AssetId::new(&asset), event).local_where(is_local)
    }

    fn asset(&self) -> String {
        format!("asset{}.aperture.local", self.asset)
    }

    fn is_itself(&self) -> bool {
        self.source == ITSELF || self.source == LINK_LOCAL
    }

    fn client(&self) -> String {
        if self.is_itself() {
            self.asset()
        } else {
            format!("client{}.aperture.local", self.source)
        }
    }

    fn source_ip(&self) -> IpAddr {
        match self.source {
            ITSELF => ip(200 + self.asset),
            LINK_LOCAL => format!("fe80::{}", 1 + self.asset).parse().unwrap(),
            source => ip(source),
        }
    }

    fn source_port(&self) -> u16 {
        50_000 + u16::from(self.port)
    }

    fn connection(&self) -> NetworkConnection {
        NetworkConnection {
            source_ip: self.source_ip(),
            source_port: Some(self.source_port()),
            source_host: Some(self.client().as_str().into()),
            destination_ip: Some(if self.is_itself() {
                self.source_ip()
            } else {
                ip(200 + self.asset)
            }),
            destination_port: 445,
            destination_host: None,
            initiated: self.client_side,
            of_client: false,
            reported_by: Log::Sysmon,
            process: Some(Process {
                image: Some(format!("C:\\tool{}.exe", self.account).into()),
                guid: None,
                pid: Some(u32::from(self.port)),
            }),
            user: Some(format!("APERTURE\\user{}", self.account).into()),
            utc_time: None,
        }
    }

    /// The asset connects to the client.
    fn call_back(&self) -> NetworkConnection {
        NetworkConnection {
            source_ip: ip(200 + self.asset),
            source_host: Some(self.asset().as_str().into()),
            destination_ip: Some(self.source_ip()),
            destination_port: [445, 80, 139, 443][usize::from(self.port) % 4],
            initiated: true,
            of_client: true,
            ..self.connection()
        }
    }

    fn pipe(&self) -> PipeConnected {
        PipeConnected {
            pipe: if self.other_rule { "lsass" } else { "winreg" }.into(),
            image: Some("System".into()),
            utc_time: None,
        }
    }

    /// Its logon id says no more than its port, so that sources share some.
    fn account(&self) -> Account {
        let has_id = self.account != 1;
        Account {
            name: format!("user{}", self.account).into(),
            domain: Some("APERTURE".into()),
            sid: None,
            logon_id: has_id.then(|| format!("0x{:x}", 0x5000 + u32::from(self.port)).into()),
        }
    }

    fn logon(&self) -> Logon {
        Logon {
            source_ip: self.source_ip(),
            source_port: (self.account != 2).then_some(self.source_port()),
            account: Some(self.account()),
            logon_type: 3,
            authentication_package: Some("NTLM V2".into()),
            workstation: None,
        }
    }

    fn share_session(&self) -> ShareSession {
        ShareSession {
            source_ip: self.source_ip(),
            source_port: Some(self.source_port()),
            account: Some(self.account()),
            share: r"\\*\IPC$".into(),
            access_mask: None,
            outcome: Some(Outcome::Success),
        }
    }

    fn share(&self) -> ShareAccess {
        let nameless = self.account == 3;
        let outcomes = [Some(Outcome::Success), Some(Outcome::Failure), None];
        let (share, path) = match (self.other_rule, self.client_side) {
            (true, true) => (Some("reminst"), r"smstemp\boot.var"),
            (true, false) => (None, "samr"),
            (false, _) => (None, "winreg"),
        };
        ShareAccess {
            share: share.map(Arc::from),
            path: path.into(),
            source_ip: (!nameless).then_some(self.source_ip()),
            source_port: (!nameless && self.port != 3).then_some(self.source_port()),
            account: Some(self.account()),
            access_mask: Some("0x12019f".into()),
            outcome: outcomes[usize::from(self.port) % 3],
        }
    }
}

/// The observations of these seeds, each event once: what is a copy of another by chance is left out.
pub fn observations(seeds: &[Seed]) -> Vec<Observation> {
    let mut seen = BTreeSet::new();
    let mut observations = Vec::new();
    for (number, seed) in seeds.iter().enumerate() {
        let observation = seed.observation(number as u64);
        if seen.insert(observation.id) {
            observations.push(observation);
        }
    }
    observations
}

/// An address of the worlds' network.
pub fn ip(host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 1, 0, host))
}

/// How one observation is delivered.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Milliseconds from event time to append.
    pub delay: i64,
    /// A second copy comes this much later.
    pub copy_after: Option<i64>,
}

/// Random seeds over few assets, sources, ports and instants, so that ties and near misses are common.
/// Times cluster around a few bursts, with gaps near the widths of the windows.
pub fn seeds(span_ms: i64) -> impl Strategy<Value = Vec<Seed>> {
    let at = prop_oneof![
        0..span_ms,
        (0..6i64, -3..=3i64).prop_map(|(burst, jitter)| burst * 1_000 + jitter),
        (0..4i64, 0..3i64).prop_map(move |(burst, jitter)| burst * (span_ms / 4) + jitter * 500),
    ];
    let seed = (
        0..6u8,
        0..2u8,
        prop_oneof![8 => 0..3u8, 1 => Just(ITSELF), 1 => Just(LINK_LOCAL)],
        0..4u8,
        at,
        0..4u8,
        prop::bool::weighted(0.15),
        any::<bool>(),
        prop::option::weighted(0.1, 0..3u8),
    )
        .prop_map(
            |(kind, asset, source, port, at, account, other_rule, client_side, record)| Seed {
                kind,
                asset,
                source,
                port,
                at,
                account,
                other_rule,
                client_side,
                record,
            },
        );
    prop::collection::vec(seed, 1..40)
}

/// A delay within what counts as timely.
pub fn delivery(settings: &JoinSettings) -> impl Strategy<Value = Delivery> + use<> {
    let (early, late) = (millis(settings.clock_skew), millis(settings.allowed_lateness));
    let delay = prop_oneof![Just(0), 0..2_000i64.min(late), -early..=late];
    let copy = prop::option::weighted(0.3, 0..late);
    (delay, copy).prop_map(|(delay, copy_after)| Delivery { delay, copy_after })
}

pub fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap()
}

/// A log: append times never fall, offsets have gaps.
pub fn log(observations: &[Observation], deliveries: &[Delivery]) -> Vec<(u64, AppendTime, Observation)> {
    let mut arrivals: Vec<(i64, usize)> = Vec::new();
    for (index, (observation, delivery)) in observations.iter().zip(deliveries).enumerate() {
        let at = observation.event.time.as_micros().div_euclid(1000) + delivery.delay;
        arrivals.push((at, index));
        if let Some(later) = delivery.copy_after {
            arrivals.push((at + later, index));
        }
    }
    arrivals.sort_by_key(|&(at, index)| (at, index * 7919 % 31));
    arrivals
        .into_iter()
        .enumerate()
        .map(|(place, (at, index))| {
            let offset = place as u64 * 3 + u64::from(place % 2 == 0);
            (offset, AppendTime::from_millis(at), observations[index].clone())
        })
        .collect()
}

/// Every revision that a join writes over `log`, its end included.
pub fn revisions(
    log: &[(u64, AppendTime, Observation)],
    rules: &[Rule],
    settings: &JoinSettings,
) -> Vec<Revision> {
    revisions_of(Join::new(rules, settings.clone()), log)
}

/// Every revision that this join writes over `log`, its end included.
pub fn revisions_of(mut join: Join, log: &[(u64, AppendTime, Observation)]) -> Vec<Revision> {
    let mut all = Vec::new();
    for (offset, append_time, observation) in log {
        let record = ObservationRecord::Observation(observation.clone());
        all.extend(join.apply(at(*offset, *append_time), record).revisions);
    }
    let end = log.last().map_or(0, |(offset, ..)| offset + 1);
    all.extend(tick(&mut join, end, AppendTime::MAX).revisions);
    all
}

/// A record's place in a log.
pub fn at(offset: u64, append_time: AppendTime) -> At {
    At {
        now: append_time,
        offset: Offset::new(offset),
    }
}

/// Lets a join come to a time without an observation.
pub fn tick(join: &mut Join, offset: u64, append_time: AppendTime) -> JoinOutput {
    join.apply(at(offset, append_time), ObservationRecord::Tick {})
}

/// The last revision of every alert about accesses that is not superseded, suppressed ones included.
pub fn last_active(revisions: &[Revision]) -> BTreeMap<AlertKey, Content> {
    let mut last = BTreeMap::new();
    for revision in revisions {
        if let Body::Access(alert) = &revision.body {
            last.insert(alert.key.clone(), alert.content.clone());
        }
    }
    last.retain(|_, content: &mut Content| content.status != Status::Superseded);
    last
}

/// Settings with every span divided, so that deadlines, closing and expiry all happen within a short world.
pub fn scaled_down(by: u32) -> JoinSettings {
    let mut settings = JoinSettings::default();
    for span in [
        &mut settings.tuple_window,
        &mut settings.group_by,
        &mut settings.revise_after,
        &mut settings.revise_at_most_every,
        &mut settings.allowed_lateness,
        &mut settings.clock_skew,
        &mut settings.settle.audited,
        &mut settings.settle.attributed,
        &mut settings.settle.none,
        &mut settings.campaign.within,
        &mut settings.campaign.longest,
    ] {
        *span /= by;
    }
    settings.sensors.min_span = Some(settings.sensors.min_span() / by);
    settings
}
