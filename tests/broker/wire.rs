//! The service over TLS and SCRAM, with the privileges of docs/security.md and no others.

use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::winlogbeat;

use crate::support::broker::{self, Extra, Jdk, skip};
use crate::support::service::{Service, Settings};

pub(crate) const PASSWORD: &str = "swordfish";

/// A certificate for the loopback address, and a listener that wants TLS and SCRAM and asks an authorizer.
pub(crate) fn secured(folder: &Path, port: u16) -> Result<Extra, String> {
    let (store, certificate) = (folder.join("broker.p12"), folder.join("ca.pem"));
    let keytool = |arguments: &[&str]| {
        let output = Command::new("keytool")
            .args(arguments)
            .output()
            .map_err(|error| format!("keytool: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            Ok(())
        } else {
            Err(format!("keytool: {text}"))
        }
    };
    let access = [
        "-keystore",
        store.to_str().unwrap(),
        "-storepass",
        "changeit",
        "-alias",
        "broker",
    ];
    let make = [
        "-genkeypair",
        "-storetype",
        "PKCS12",
        "-keyalg",
        "RSA",
        "-dname",
        "CN=localhost",
        "-ext",
        "san=ip:127.0.0.1",
    ];
    keytool(&[&make[..], &access[..]].concat())?;
    keytool(
        &[
            &["-exportcert", "-rfc", "-file", certificate.to_str().unwrap()][..],
            &access[..],
        ]
        .concat(),
    )?;
    let properties = format!(
        "listeners=PLAINTEXT://127.0.0.1:PLAINTEXT_PORT,CONTROLLER://127.0.0.1:CONTROLLER_PORT,SASL_SSL://127.0.0.1:{port}
advertised.listeners=PLAINTEXT://127.0.0.1:PLAINTEXT_PORT,SASL_SSL://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PKCS12
ssl.keystore.location={}
ssl.keystore.password=changeit
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
",
        store.display()
    );
    let user = format!("SCRAM-SHA-512=[name=pipewarden,password={PASSWORD}]");
    Ok(Extra {
        properties,
        format: vec!["--add-scram".to_owned(), user],
    })
}

/// The commands of docs/security.md.
fn grant_what_the_page_says(broker: &Jdk) {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md")).unwrap();
    let commands: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("kafka-acls.sh "))
        .collect();
    assert!(commands.len() > 5);
    let servers = broker.servers();
    for command in commands {
        let mut arguments = vec!["--bootstrap-server", servers.as_str()];
        arguments.extend(command.split(' '));
        broker.tool("org.apache.kafka.tools.AclCommand", &arguments);
    }
}

/// By `topics check`, without any privilege and with those of the page, which grants them.
fn missing_rights_are_named(broker: &Jdk, settings: &Settings) {
    let denied = String::from_utf8(settings.command(&["topics", "check"]).stdout).unwrap();
    for topic in [
        "observations",
        "sightings",
        "alerts",
        "suppressed",
        "dead-letters",
        "bindings",
    ] {
        let right = format!("Describe on topic pipewarden.{topic}");
        assert!(denied.contains(&right), "{denied}");
    }
    grant_what_the_page_says(broker);
    let output = settings.command(&["topics", "check"]);
    let checked = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "what may not be compared is not wrong: {checked}"
    );
    assert!(
        checked.contains("DescribeConfigs") && !checked.contains("unset"),
        "{checked}"
    );
}

#[test]
fn over_tls_and_scram_with_least_privilege_an_attack_is_found_and_the_password_is_not_shown() {
    let port = broker::free_port().unwrap();
    let mut certificate = None;
    let broker = Jdk::start_with(|folder| {
        certificate = Some(folder.join("ca.pem"));
        secured(folder, port)
    });
    let broker = match broker {
        Ok(broker) => broker,
        Err(reason) => return skip(&reason),
    };
    // The administrator comes by the listener that asks for nothing.
    let own_names = json!({"partitions": 2, "replication_factor": 1});
    Settings::new(&broker.servers(), "pipewarden")
        .with("kafka/topics", own_names.clone())
        .create_topics();
    let client = json!({
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": certificate.unwrap(),
        "sasl.mechanisms": "SCRAM-SHA-512",
        "sasl.username": "pipewarden",
        "sasl.password": PASSWORD,
    });
    let settings = Settings::new(&format!("127.0.0.1:{port}"), "pipewarden")
        .with("kafka/topics", own_names)
        .with("kafka/client", client)
        .with("log/level", "debug".into());
    let (status, log) = Service::start(&settings).wait();
    assert_eq!(
        status.code(),
        Some(1),
        "without privileges there is nothing to run on: {log:#?}"
    );

    missing_rights_are_named(&broker, &settings);
    let service = Service::start(&settings);
    service.await_ready();
    let plain = broker::at(&broker.servers());
    plain.produce("winlogbeat", &detect_8_now());
    plain.produce("winlogbeat", &[(1, b"5145".to_vec())]);
    service.await_that("the alert", || plain.read_all("pipewarden.alerts").len() == 1);
    service.await_that("the dead letter", || {
        plain.read_all("pipewarden.dead-letters").len() == 1
    });
    let metrics = service.get("/metrics").1;
    service.signal("TERM");
    let (status, log) = service.wait();
    assert!(status.success());
    let text = Value::from(log).to_string();
    // The settings of topics are an administrator's to see, and what is not seen is not called wrong.
    assert!(text.contains("DescribeConfigs on topic pipewarden"), "{text}");
    assert!(!text.contains("the topic is not as it should be"), "{text}");
    let shown = settings.command(&["check"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("SCRAM-SHA-512"), "{shown}");
    for text in [text, shown, metrics] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
    a_right_that_is_withdrawn_ends_the_service_and_is_named(&broker, &settings);
}

fn detect_8_now() -> Vec<(i32, Vec<u8>)> {
    let now = |mut event: Value| {
        event["@timestamp"] = format!("{:.3}", Timestamp::now()).into();
        (0, event.to_string().into_bytes())
    };
    winlogbeat::detect_8().into_iter().map(now).collect()
}

fn a_right_that_is_withdrawn_ends_the_service_and_is_named(broker: &Jdk, settings: &Settings) {
    let service = Service::start(settings);
    service.await_ready();
    let servers = broker.servers();
    let write = ["--operation", "Write", "--topic", "pipewarden.alerts"];
    let mut remove = vec!["--bootstrap-server", servers.as_str(), "--remove", "--force"];
    remove.extend(["--allow-principal", "User:pipewarden"]);
    remove.extend(write);
    broker.tool("org.apache.kafka.tools.AclCommand", &remove);
    broker::at(&servers).produce("winlogbeat", &detect_8_now());
    let (status, log) = service.wait();
    assert_eq!(status.code(), Some(1));
    let message = log.last().unwrap()["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("grant") && message.contains("Write on topic"),
        "{message}"
    );
    assert!(message.contains("pipewarden.alerts"), "{message}");
}
