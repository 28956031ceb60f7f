//! Why a broker cannot be reached: each reason has a line of its own, in every command and at the level `info`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::broker::{self, Extra, Jdk, broker, skip};
use crate::support::service::{Service, Settings};
use crate::wire::{PASSWORD, secured};

/// A way not to reach a broker: the servers, `kafka.client`, and the words that name it.
struct Mistake {
    name: &'static str,
    servers: String,
    client: Value,
    words: &'static str,
}

/// The certificate of an authority that has signed nothing here.
fn other_authority(folder: &Path) -> PathBuf {
    let (store, certificate) = (folder.join("other.p12"), folder.join("other.pem"));
    let keytool = |arguments: &[&str]| {
        let done = Command::new("keytool")
            .args(arguments)
            .arg("-keystore")
            .arg(&store)
            .args(["-storepass", "changeit", "-alias", "other"])
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    };
    keytool(&[
        "-genkeypair",
        "-storetype",
        "PKCS12",
        "-keyalg",
        "RSA",
        "-dname",
        "CN=other",
    ]);
    keytool(&["-exportcert", "-rfc", "-file", certificate.to_str().unwrap()]);
    certificate
}

fn mistakes(plain: &str, secured: &str, authority: &Path, other: &Path) -> Vec<Mistake> {
    let client = |authority: &Path, password: &str| {
        json!({
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": authority,
            "sasl.mechanisms": "SCRAM-SHA-512",
            "sasl.username": "pipewarden",
            "sasl.password": password,
        })
    };
    let mistake = |name, servers: &str, client, words| Mistake {
        name,
        servers: servers.to_owned(),
        client,
        words,
    };
    let nothing = json!({});
    vec![
        mistake(
            "password",
            secured,
            client(authority, "perch"),
            "the broker rejects this user or password",
        ),
        mistake(
            "authority",
            secured,
            client(other, PASSWORD),
            "certificate is not signed by an authority of ssl.ca.location",
        ),
        mistake(
            "tls-on-plain",
            plain,
            client(authority, PASSWORD),
            "this port does not speak TLS",
        ),
        mistake(
            "plain-on-tls",
            secured,
            nothing.clone(),
            "this port seems to want TLS",
        ),
        mistake(
            "host",
            "no-such-host.invalid:9092",
            nothing.clone(),
            "the host's name is not known",
        ),
        mistake("refused", "127.0.0.1:1", nothing, "nothing listens there"),
    ]
}

#[test]
fn each_reason_why_no_broker_answers_is_named_by_every_command() {
    let port = broker::free_port().unwrap();
    let mut folder = PathBuf::new();
    let broker = Jdk::start_with(|own| {
        folder = own.to_owned();
        secured(own, port)
    });
    let broker = match broker {
        Ok(broker) => broker,
        Err(reason) => return skip(&reason),
    };
    let other = other_authority(&folder);
    let secured = format!("127.0.0.1:{port}");
    for mistake in mistakes(&broker.servers(), &secured, &folder.join("ca.pem"), &other) {
        let Mistake {
            name,
            servers,
            client,
            words,
        } = mistake;
        let settings = Settings::new(&servers, name).with("kafka/client", client);
        for command in [
            &["topics", "check"][..],
            &["topics", "create"],
            &["check", "--connect"],
        ] {
            let output = settings.command(command);
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{name} {command:?}: {text}");
            assert!(text.contains(words), "{name} {command:?}: {text}");
            assert_eq!(text.lines().count(), 1, "{name} {command:?}: {text}");
        }
        let service = Service::start(&settings);
        let entry = service.await_message(words);
        assert!(
            entry["message"].as_str().unwrap().contains("no broker answers"),
            "{name}: {entry}"
        );
        let (status, body) = service.get("/readyz");
        assert!(status == 503 && body.contains(words), "{name}: {body}");
        let text = Value::from(service.log()).to_string();
        assert!(!text.contains(PASSWORD) && !text.contains("perch"), "{text}");
    }
}

#[test]
fn check_asks_each_broker_by_the_address_that_it_gives_itself() {
    let nobody = broker::free_port().unwrap();
    let broker = Jdk::start_with(|_| {
        Ok(Extra {
            properties: format!("advertised.listeners=PLAINTEXT://127.0.0.1:{nobody}\n"),
            format: Vec::new(),
        })
    });
    let broker = match broker {
        Ok(broker) => broker,
        Err(reason) => return skip(&reason),
    };
    let output = Settings::new(&broker.servers(), "advertised").command(&["check", "--connect"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains(&format!("127.0.0.1:{nobody}: nothing listens there")),
        "{text}"
    );
}

#[test]
fn check_finds_brokers_and_topics_as_they_should_be() {
    let Some(broker) = broker() else { return };
    let settings = Settings::new(broker.servers(), &broker.prefix("sound"));
    settings.create_topics();
    let output = settings.command(&["check", "--connect"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains(&format!("{}: ok", settings.topic("observations"))),
        "{text}"
    );
}
