use super::*;

fn cause(message: &str) -> Cause {
    Reason::parse(message).cause
}

#[test]
fn each_reason_that_librdkafka_gives_has_its_cause() {
    for (message, expected) in [
        (
            "[thrd:sasl_ssl://b:9093/bootstrap]: sasl_ssl://b:9093/bootstrap: SASL authentication error: Authentication \
             failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512 (after 309ms in \
             state AUTH_REQ)",
            Cause::Credentials,
        ),
        (
            "ssl://b:9093/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker \
             certificate could not be verified, verify that ssl.ca.location is correctly configured (after 5ms in state \
             SSL_HANDSHAKE)",
            Cause::Authority,
        ),
        (
            "ssl://b:9092/bootstrap: SSL handshake failed: error:0A00010B:SSL routines::wrong version number: connecting \
             to a PLAINTEXT broker listener? (after 5ms in state SSL_HANDSHAKE)",
            Cause::PlainPort,
        ),
        (
            "b:9093/bootstrap: Disconnected: requesting ApiVersion: might be caused by incorrect security.protocol \
             configuration (connecting to a SSL listener?) or broker version is < 0.10 (see api.version.request) (after \
             6ms in state APIVERSION_QUERY)",
            Cause::TlsPort,
        ),
        (
            "nosuch:9092/bootstrap: Failed to resolve 'nosuch:9092': Name or service not known (after 9ms in state CONNECT)",
            Cause::UnknownHost,
        ),
        (
            "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)",
            Cause::Refused,
        ),
        (
            "b:9092/1: Connection setup timed out in state CONNECT (after 30029ms in state CONNECT)",
            Cause::Silent,
        ),
        (
            "b:9092/1: Receive failed: Broken pipe (after 7ms in state UP)",
            Cause::Other,
        ),
    ] {
        assert_eq!(cause(message), expected, "{message}");
    }
}

#[test]
fn a_reason_names_the_broker_as_the_settings_do_and_leaves_out_what_changes_each_time() {
    let reason = Reason::parse(
        "[thrd:ssl://127.0.0.1:1/bootstrap]: ssl://127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection \
         refused (after 0ms in state CONNECT, 3 identical error(s) suppressed)",
    );
    let text = reason.to_string();
    assert!(text.starts_with("127.0.0.1:1: nothing listens there;"), "{text}");
    assert!(
        text.ends_with("(Connect to ipv4#127.0.0.1:1 failed: Connection refused)"),
        "{text}"
    );
}

#[test]
fn a_broker_that_was_reached_has_the_right_port_and_a_coordinator_is_named_by_its_address() {
    let mut failures = Failures::default();
    let message = "GroupCoordinator: b:9092: Disconnected: connection closed by peer (after 4ms in state APIVERSION_QUERY)";
    let reason = failures.reason(message);
    assert_eq!((&*reason.broker, reason.cause), ("b:9092", Cause::TlsPort));
    failures.reached.insert("b:9092".to_owned());
    assert_eq!(
        failures.reason(message).cause,
        Cause::Other,
        "it ends, or starts again"
    );
    let said =
        "b:9092/1: Connect to ipv4#10.1.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)";
    assert_eq!(failures.reason(said).cause, Cause::Refused);
}

#[test]
fn one_reason_of_one_broker_is_logged_once_a_minute() {
    let (mut failures, began) = (Failures::default(), Instant::now());
    let refused =
        |broker: &str| Reason::parse(&format!("{broker}/1: Connect to x failed: Connection refused"));
    assert!(failures.note(&refused("a:1"), began));
    assert!(!failures.note(&refused("a:1"), began + AGAIN / 2));
    assert!(failures.note(&refused("b:1"), began + AGAIN / 2));
    assert!(failures.note(&refused("a:1"), began + AGAIN));
}

#[test]
fn what_only_a_changed_setting_mends_is_not_hidden_by_what_passes() {
    let (mut failures, began) = (Failures::default(), Instant::now());
    let password = Reason::parse("a:1/1: SASL authentication error: no");
    failures.note(&password, began);
    failures.note(
        &Reason::parse("a:1/1: Connect to x failed: Connection refused"),
        began,
    );
    assert_eq!(failures.latest(began), Some(password));
    assert_eq!(failures.latest(began + KEPT), None);
}
