//! Sensors and clocks of listed assets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use prometheus::{GaugeVec, IntGaugeVec};

use super::Metrics;
use super::make::Make;
use crate::detection::{ClockState, SensorState};
use crate::event::{AssetId, Kind};
use crate::time::AppendTime;

/// Sensors of listed assets.
#[derive(Debug)]
pub(super) struct Sensors {
    asset_seen: IntGaugeVec,
    seen: IntGaugeVec,
    blind: IntGaugeVec,
    clock_offset: GaugeVec,
    /// Those that have gauges.
    shown: Mutex<BTreeSet<(AssetId, Kind)>>,
}

impl Sensors {
    pub(super) fn new(make: &Make<'_>) -> Self {
        Self {
            asset_seen: make.gauges(
                "asset_last_seen_timestamp_seconds",
                "When an observation of a listed asset arrived last, as far back as the log has been read; 0 if none has.",
                &["asset"],
            ),
            seen: make.gauges(
                "sensor_last_seen_timestamp_seconds",
                "When an observation of a listed asset arrived last, by kind, as far back as the log has been read.",
                &["asset", "sensor"],
            ),
            blind: make.gauges(
                "sensors_blind",
                "1 while accesses to a listed asset come without this kind of observation, else 0.",
                &["asset", "sensor"],
            ),
            clock_offset: make.real_gauges(
                "clock_offset_seconds",
                "How far a listed asset's clock is ahead of its clients' clocks: the median over its sessions in state.",
                &["asset"],
            ),
            shown: Mutex::default(),
        }
    }
}

impl Metrics {
    /// Assets come and go with the partitions, and with the inventory.
    pub(super) fn set_assets(&self, assets: BTreeMap<AssetId, Option<AppendTime>>) {
        let gauges = &self.sensors.asset_seen;
        gauges.reset();
        for (asset, seen) in assets {
            let seconds = seen.map_or(0, |seen| seen.as_millis().div_euclid(1000));
            gauges.with_label_values(&[asset.as_str()]).set(seconds);
        }
    }

    /// A clock of which no session is in state any more has no offset.
    pub(super) fn set_clocks(&self, clocks: Vec<ClockState>) {
        self.sensors.clock_offset.reset();
        for clock in clocks {
            let offset = self
                .sensors
                .clock_offset
                .with_label_values(&[clock.asset.as_str()]);
            offset.set(clock.ahead.as_secs_f64());
        }
    }

    /// Assets come and go with the partitions: those of another process are reported there.
    pub(super) fn set_sensors(&self, states: Vec<SensorState>) {
        let mut shown = self.sensors.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = std::mem::take(&mut *shown);
        for state in states {
            let labels = [state.asset.as_str(), state.sensor.as_str()];
            if let Some(seen) = state.last_seen {
                let seconds = seen.as_millis().div_euclid(1000);
                self.sensors.seen.with_label_values(&labels).set(seconds);
            }
            let is_blind = i64::from(state.is_blind);
            self.sensors.blind.with_label_values(&labels).set(is_blind);
            let sensor = (state.asset, state.sensor);
            gone.remove(&sensor);
            shown.insert(sensor);
        }
        for (asset, sensor) in gone {
            let labels = [asset.as_str(), sensor.as_str()];
            // A sensor that was never seen has only one of the two.
            let _ = self.sensors.seen.remove_label_values(&labels);
            let _ = self.sensors.blind.remove_label_values(&labels);
        }
    }
}
