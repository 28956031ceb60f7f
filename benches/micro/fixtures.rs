//! What is measured, for the benches by time and by instructions alike.

use std::net::IpAddr;

use pipewarden_core::detection::{Join, JoinSettings, Limits, RuleSet};
use pipewarden_core::event::{
    AssetId, Decoder, Detail, Event, Log, NetworkConnection, Observation, ObservationRecord, ShareAccess,
    TimeSource,
};
use pipewarden_core::log::{At, Offset};
use pipewarden_core::time::{AppendTime, EventTime};
use pipewarden_tools::generator::{Fleet, Generator, Mix, Plan};

pub(crate) fn decoder() -> Decoder {
    Decoder::new(
        RuleSet::builtin().watched(),
        JoinSettings::default().allowed_lateness,
    )
}

/// Documents of one kind.
pub(crate) fn documents(kind: &str) -> Vec<Vec<u8>> {
    let plan = Plan {
        mix: kind.parse::<Mix>().unwrap(),
        attack_every: None,
        ..Plan::new(1, 64)
    };
    let mut generator = Generator::new(&plan, Fleet::invented(20, 200));
    std::iter::from_fn(|| {
        let mut document = Vec::new();
        generator.write_next(&mut document).map(|_| document)
    })
    .collect()
}

/// How many assets most are about.
pub(crate) const ASSETS: u32 = 1_000;

pub(crate) const START: i64 = 1_729_782_000_000;

fn observation(number: u32, assets: u32, channel: &str, detail: Detail) -> Observation {
    let event = Event {
        time: EventTime::from_micros((START + i64::from(number)) * 1_000),
        time_source: TimeSource::Timestamp,
        computer: "site0003.aperture.local".into(),
        // Two events of one channel with one record id would be copies.
        channel: channel.into(),
        record_id: Some(u64::from(number)),
        detail,
    };
    Observation::new(
        AssetId::new(&format!("site{:04}.aperture.local", number % assets)),
        event,
    )
}

/// Connection `number` to one of so many assets, each in turn.
pub(crate) fn connection(number: u32, assets: u32) -> Observation {
    observation(
        number,
        assets,
        "microsoft-windows-sysmon/operational",
        Detail::NetworkConnection(NetworkConnection {
            source_ip: IpAddr::from((0x0a40_0000 + number).to_be_bytes()),
            source_port: Some(50_000),
            source_host: Some("ws0001.aperture.local".into()),
            destination_ip: Some(IpAddr::from((0x0a60_0000 + number % assets).to_be_bytes())),
            destination_port: 445,
            destination_host: None,
            initiated: true,
            of_client: false,
            reported_by: Log::Sysmon,
            process: None,
            user: None,
            utc_time: None,
        }),
    )
}

/// The share access that connection `number` carried.
pub(crate) fn share(number: u32, assets: u32) -> Observation {
    observation(
        number,
        assets,
        "security",
        Detail::ShareAccess(ShareAccess {
            share: None,
            path: "winreg".into(),
            source_ip: Some(IpAddr::from((0x0a40_0000 + number).to_be_bytes())),
            source_port: Some(50_000),
            account: None,
            access_mask: None,
            outcome: None,
        }),
    )
}

/// A join in which nothing goes, or is refused, for want of room: what is measured is the cost of holding it.
pub(crate) fn unbounded() -> Join {
    let limits = Limits {
        session_evidence_per_asset: usize::MAX,
        session_evidence_per_partition: usize::MAX,
        accesses_per_asset: usize::MAX,
        accesses_per_partition: usize::MAX,
        seen_events_per_partition: usize::MAX,
        ..Limits::default()
    };
    let settings = JoinSettings {
        limits,
        ..JoinSettings::default()
    };
    Join::new(RuleSet::builtin().rules(), settings)
}

/// A record's place in a log.
pub(crate) fn at(offset: u64, now: AppendTime) -> At {
    At {
        now,
        offset: Offset::new(offset),
    }
}

/// A join that holds so many connections of a thousand assets, from number 0.
pub(crate) fn holding(retained: u32) -> Join {
    let mut join = unbounded();
    for number in 0..retained {
        let at = at(number.into(), AppendTime::from_millis(START + i64::from(number)));
        join.apply(at, ObservationRecord::Observation(connection(number, ASSETS)));
    }
    join
}
