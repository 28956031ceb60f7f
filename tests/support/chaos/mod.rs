//! Hostile days on a real broker: load with known attacks, processes that are killed, frozen, stopped and started, a broker
//! that goes away, and what must be there afterwards.

#![allow(unreachable_pub, reason = "shared by several test binaries")]

pub mod cluster;
pub mod load;
pub mod verdict;

use load::Load;

use super::broker::{self, Broker, Jdk};
use super::service::Settings;

/// A broker of its own, topics on it, and a load that has begun.
pub struct Scene {
    pub broker: Jdk,
    pub client: Broker,
    pub settings: Settings,
    pub load: Load,
}

impl Scene {
    /// `None` with a loud word where there is no broker. `settings` are told the broker's servers.
    pub fn open(settings: impl FnOnce(&str) -> Settings, seed: u64) -> Option<Self> {
        let broker = match Jdk::start() {
            Ok(broker) => broker,
            Err(reason) => {
                broker::skip(&reason);
                return None;
            }
        };
        let client = broker::at(&broker.servers());
        let settings = settings(&broker.servers());
        settings.create_topics();
        let producer = client
            .client()
            .set("enable.idempotence", "true")
            // The broker may be away for longer than a message would wait.
            .set("message.timeout.ms", "0")
            .create()
            .unwrap();
        let load = Load::start(producer, settings.topic("input"), 200, seed);
        Some(Self {
            broker,
            client,
            settings,
            load,
        })
    }
}
