//! The program as a process beside Apache Kafka.
//!
//! All share one broker (`support::broker`) and run beside each other: each test has topics, a group and transactional ids of
//! its own. Those that kill the broker, or need another one, start their own.
//!
//! | module | what it holds |
//! |---|---|
//! | `kafka` | the service from its first start to its last record, as its users run it |
//! | `topics` | a service without a broker, without topics or with wrong ones |
//! | `recovery` | partitions taken over from another process, and from a log or a checkpoint that is not as it should be |
//! | `failover` | how long what a killed process owned is not watched |
//! | `twins` | two processes of one name |
//! | `group_protocol` | groups whose partitions the brokers assign (KIP-848) |
//! | `restore` | how long a process that was killed takes to come back |
//! | `rolling` | a rolling update under load |
//! | `chaos` | processes and broker killed, frozen, stopped, a network at fault, under load |
//! | `reload` | rules, inventory and exceptions that change while the service runs |
//! | `bindings` | what one process learns of addresses, known to every other |
//! | `gzip` | batches of gzip, whole, damaged and too large |
//! | `rule_pack` | the cases of the built-in rules through the service |
//! | `generate` | attacks that `pipewarden generate` writes to a broker |
//! | `blind`, `live_findings` | sensors, clocks and campaigns as findings, gauges and on `/status` |
//! | `late_requests` | requests of the transaction protocol that a proxy keeps back and lets arrive later |
//! | `poison` | records that the broker will never take |
//! | `connections` | why a broker cannot be reached, in words |
//! | `readiness` | what `/readyz`, `/status` and the log say when brokers or topics go, and come back |
//! | `wire` | TLS, SCRAM and the privileges of docs/security.md |
//! | `dashboard` | every panel has data; needs Prometheus |
//! | `input_shapes` | input of unknown shapes, its age, and the time from event to alert |
//! | `page` | what the page shows of the topics of alerts and of services |
//! | `propose` | exceptions of what is committed to the alerts topic |
//! | `health` | what `pipewarden health` says of a service without a broker |
//!
//! # Sizes
//! `cargo test --test broker` is the quick size, `PIPEWARDEN_TEST_SIZE=ci` what CI runs. In full, each by its command:
//!
//! ```sh
//! PIPEWARDEN_CHAOS_KILLS=300 cargo test --release --test broker chaos:: -- --nocapture
//! PIPEWARDEN_CHAOS_NETWORK=300 cargo test --release --test broker chaos:: -- --nocapture network
//! PIPEWARDEN_RESTORE=1000000 cargo test --release --test broker restore:: -- --nocapture
//! ```
//!
//! # Where the broker comes from
//! `PIPEWARDEN_TEST_BROKERS`, or a Docker daemon, or Maven Central and the JDK. Without any of them a test skips loudly;
//! `PIPEWARDEN_REQUIRE_BROKER=1` makes that a failure.

// Functions that `clippy.toml` does not recognise as tests: helpers of tests.
#![allow(clippy::unwrap_used)]
// The support is shared with benches.
#![allow(unreachable_pub)]

mod support;

mod bindings;
mod blind;
mod chaos;
mod connections;
mod dashboard;
mod failover;
mod generate;
mod group_protocol;
mod gzip;
mod health;
mod input_shapes;
mod kafka;
mod late_requests;
mod live_findings;
mod page;
mod poison;
mod propose;
mod readiness;
mod recovery;
mod reload;
mod restore;
mod rolling;
mod rule_pack;
mod topics;
mod twins;
mod wire;
