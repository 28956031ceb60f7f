//! What is wrong with the properties of `kafka.client`, found without a broker.

use std::collections::BTreeSet;
use std::fs::File;

use pipewarden_core::diagnostics::{did_you_mean, with_causes};
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfig;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::BaseProducer;
use rdkafka::types::RDKafkaConfRes;

use super::client;
use super::error::ClientError;
use super::settings::Kafka;

/// Properties that people set, for the question which of them was meant.
const USUAL: [&str; 24] = [
    "security.protocol",
    "sasl.mechanisms",
    "sasl.mechanism",
    "sasl.username",
    "sasl.password",
    "sasl.oauthbearer.config",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.key.location",
    "ssl.key.pem",
    "ssl.key.password",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.endpoint.identification.algorithm",
    "enable.ssl.certificate.verification",
    "auto.offset.reset",
    "session.timeout.ms",
    "group.protocol",
    "client.rack",
    "compression.type",
    "statistics.interval.ms",
    "socket.keepalive.enable",
];

/// Those of them that take one of a few words.
const WORDS: [(&str, &str); 4] = [
    ("security.protocol", "plaintext, ssl, sasl_plaintext or sasl_ssl"),
    ("auto.offset.reset", "earliest or latest"),
    ("group.protocol", "classic or consumer"),
    ("compression.type", "none, gzip, snappy, lz4 or zstd"),
];

/// What is wrong with a property that librdkafka does not take. Its value may be a secret and is not named.
pub(super) fn property_problem(result: RDKafkaConfRes, description: &str, property: &str) -> String {
    if matches!(result, RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN) {
        let hint = did_you_mean(property, USUAL);
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        return format!("{property} is no property of librdkafka{hint}");
    }
    if description.contains("not supported in this build") {
        return format!("{property} is not supported by this build of librdkafka");
    }
    let words = WORDS.iter().find(|(known, _)| *known == property);
    let words = words
        .map(|(_, words)| format!("; write {words}"))
        .unwrap_or_default();
    format!("librdkafka does not take this value of {property}{words}")
}

/// Everything that is wrong with `kafka.client`, each with its property; values are not named, but for paths. Nothing is
/// connected.
pub fn client_problems(kafka: &Kafka) -> Vec<String> {
    let mut problems: Vec<String> = kafka
        .client
        .iter()
        .filter_map(|(property, value)| of_property(property, value))
        .map(|problem| format!("kafka.client: {problem}"))
        .collect();
    if problems.is_empty() {
        // Together they may still not do, and each kind of client has demands of its own.
        problems.extend(of_clients(kafka));
    }
    problems
}

fn of_property(property: &str, value: &str) -> Option<String> {
    match ClientConfig::new().set(property, value).create_native_config() {
        Err(KafkaError::ClientConfig(result, description, ..)) => {
            return Some(property_problem(result, &description, property));
        }
        Err(other) => return Some(format!("{property}: {}", ClientError::from(other))),
        Ok(_) => {}
    }
    let is_file = property.starts_with("ssl.") && property.ends_with(".location");
    if is_file && value != "probe" {
        let unreadable = File::open(value).err()?;
        return Some(format!("{property}: cannot read {value}: {unreadable}"));
    }
    None
}

fn of_clients(kafka: &Kafka) -> BTreeSet<String> {
    let consumer = client::consumer(kafka, "check", "check", "check");
    let reader = client::reader(kafka, "check");
    let mut transactional = client::producer(kafka, "check");
    transactional.set("transactional.id", "check");
    let tried = [
        create::<BaseConsumer>(consumer),
        create::<BaseConsumer>(reader),
        create::<BaseProducer>(transactional),
    ];
    tried
        .into_iter()
        .filter_map(Result::err)
        .map(|problem| {
            let problem = with_causes(&ClientError::from(problem));
            let hint = if problem.contains("No provider for SASL mechanism") {
                "; set sasl.mechanisms to PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
            } else {
                ""
            };
            format!("kafka.client: {problem}{hint}")
        })
        .collect()
}

/// Makes a client that knows no broker, and ends it.
fn create<C: FromClientConfig>(mut config: ClientConfig) -> KafkaResult<()> {
    config.remove("bootstrap.servers");
    config.create::<C>().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(client: &[(&str, &str)]) -> Vec<String> {
        let own = |(property, value): &(&str, &str)| ((*property).to_owned(), (*value).to_owned());
        client_problems(&Kafka {
            client: client.iter().map(own).collect(),
            ..Kafka::default()
        })
    }

    #[test]
    fn every_wrong_property_is_named_with_what_was_meant_and_no_value_is() {
        let found = problems(&[
            ("security.protcol", "swordfish"),
            ("security.protocol", "TLSfish"),
            ("session.timeout.ms", "catfish"),
            ("sasl.password", "goldfish"),
        ]);
        assert_eq!(found.len(), 3, "{found:?}");
        let text = found.join("\n");
        for part in [
            "security.protcol is no property of librdkafka; did you mean security.protocol?",
            "this value of security.protocol; write plaintext, ssl, sasl_plaintext or sasl_ssl",
            "this value of session.timeout.ms",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("fish"), "{text}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_its_path() {
        let found = problems(&[
            ("security.protocol", "ssl"),
            ("ssl.ca.location", "missing/ca.pem"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("ssl.ca.location: cannot read missing/ca.pem: No such file"),
            "{found:?}"
        );
    }

    #[test]
    fn properties_that_do_not_go_together_are_found_without_a_broker() {
        let found = problems(&[("group.protocol", "consumer"), ("session.timeout.ms", "7000")]);
        assert!(
            found.iter().any(|problem| problem.contains("session.timeout.ms")),
            "{found:?}"
        );
        let found = problems(&[("security.protocol", "sasl_ssl")]);
        assert!(
            found.concat().contains("set sasl.mechanisms to PLAIN"),
            "{found:?}"
        );
        assert_eq!(
            problems(&[("security.protocol", "ssl"), ("acks", "all")]),
            Vec::<String>::new()
        );
    }
}
