//! What a partition costs that is taken over, by observation: from asking for its offset until it is live.

use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::detection::{JoinSettings, RuleSet};
use pipewarden_core::inventory::{Inventory, UnlistedHosts};
use pipewarden_core::log::Partition;
use pipewarden_core::time::AppendTime;
use pipewarden_engine::local::{Broker, Layout, PollResult, Worker};
use pipewarden_engine::worker::{Fact, PartitionId};
use pipewarden_engine::{ObservationRecord, Policy};

use super::observations::{ASSETS, START, connection, share};
use super::process::usage_of;
use super::table::Table;

/// Of these every fiftieth is an access.
const RETAINED: u32 = 200_000;

const TIMES: u32 = 5;

const PARTITION: PartitionId = PartitionId::observations(Partition::ZERO);

/// From the in-process log, so that neither a broker nor a client is measured.
pub(crate) fn run(table: &mut Table) {
    let records: Vec<Vec<u8>> = (0..RETAINED)
        .map(|number| {
            let make = if number.is_multiple_of(50) {
                share
            } else {
                connection
            };
            ObservationRecord::Observation(make(number, ASSETS)).encode()
        })
        .collect();
    let (mut broker, layout) = (Broker::new(), Layout::new(1));
    for (number, record) in (0..).zip(&records) {
        let now = AppendTime::from_millis(START + number);
        broker.append(&layout.input(PARTITION), now, b"", record);
    }
    let policy = Arc::new(Policy::new(
        RuleSet::builtin(),
        Arc::new(Inventory::empty()),
        UnlistedHosts::Watch,
        JoinSettings::default(),
        "bench".to_owned(),
    ));
    let take_over = |broker: &mut Broker| {
        let mut worker = Worker::start(broker, &layout, "worker", &policy);
        worker.assign(broker, &[PARTITION], 0);
        while worker.poll(broker, PARTITION) == PollResult::Record {}
        worker
    };
    take_over(&mut broker).commit(&mut broker);
    let has_restored =
        |fact: &Fact| matches!(fact, Fact::Restored { records, .. } if *records == u64::from(RETAINED));
    let restored = cpu(|| {
        let mut worker = take_over(&mut broker);
        assert!(worker.take_facts().iter().any(has_restored));
    });
    let decoded = cpu(|| {
        let sound = records
            .iter()
            .filter(|record| ObservationRecord::decode(record).is_ok());
        assert_eq!(sound.count(), records.len());
    });
    let rate = |spent: Duration| f64::from(RETAINED) / 1_000.0 / spent.as_secs_f64();
    table.row(
        &format!("restore, {RETAINED} observations, {ASSETS} assets, a core"),
        &format!("{:.0} k observations/s", rate(restored)),
        &format!("decoding them, {:.0} k/s", rate(decoded)),
        &format!("{:.2} of decoding", rate(restored) / rate(decoded)),
    );
}

/// The mean of what this process spends on it.
fn cpu(mut act: impl FnMut()) -> Duration {
    let spent = || usage_of(std::process::id()).map_or(Duration::ZERO, |(usage, _)| usage.cpu);
    let before = spent();
    (0..TIMES).for_each(|_| act());
    (spent() - before) / TIMES
}
