//! A consumer as the Kafka client comes, which polls and drops: it shares no code with Pipewarden. `macro` measures beside
//! it. Arguments: servers, topic, group, how many messages.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "macro/consume.rs"]
mod consume;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [servers, topic, group, count] => consume::consume(servers, topic, group, count.parse().unwrap()),
        // `cargo bench` without a name starts all benches.
        _ => println!("started by `cargo bench --bench macro -- firehose`"),
    }
}
