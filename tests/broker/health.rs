//! `pipewarden health` says what the endpoints say.

use std::process::{Command, Output};

use crate::support::service::{Service, Settings};

fn health(arguments: &[&str]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .arg("health")
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    (output, text)
}

#[test]
fn a_service_without_a_broker_is_healthy_and_not_ready() {
    let settings = Settings::new("127.0.0.1:1", "health");
    let service = Service::start(&settings);
    let address = service.address().to_string();
    let (output, text) = health(&["--address", &address]);
    assert!(output.status.success(), "{text}");
    assert!(text.contains(r#""ok":true"#), "{text}");
    let (output, text) = health(&["--ready", "--address", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("no worker has started"), "{text}");
}

#[test]
fn no_answer_is_a_failure_that_names_the_address() {
    let (output, _) = health(&["--address", "127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("http://127.0.0.1:1/healthz")
    );
}
