//! Hostile days on a real broker: load with known attacks, processes that are killed, frozen, stopped and started, a broker
//! that goes away, and what must be there afterwards.

pub mod cluster;
pub mod load;
pub mod verdict;

use load::{Load, Truth};
use verdict::Verdict;

use super::broker::Broker;
use super::service::Settings;

/// A service's topics on a broker, and a load on them that has begun.
pub struct Scene {
    client: Broker,
    pub settings: Settings,
    pub load: Load,
}

impl Scene {
    /// Creates the topics and starts the load.
    pub fn open(client: Broker, settings: Settings, seed: u64) -> Self {
        settings.create_topics();
        let producer = client
            .client()
            .set("enable.idempotence", "true")
            // The broker may be away for longer than a message would wait.
            .set("message.timeout.ms", "0")
            .create()
            .unwrap();
        let load = Load::start(producer, settings.topic("input"), 200, seed);
        Self {
            client,
            settings,
            load,
        }
    }

    /// What stands on the topics now, against what was sent.
    pub fn verdict(&self, truth: &Truth) -> Verdict {
        Verdict::of(&self.settings, &self.client, truth)
    }
}
