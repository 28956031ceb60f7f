//! Settings in layers, as operators write them, and the errors of those that are wrong.

use std::process::Command;
use std::time::Duration;

use pipewarden::config::Settings;

fn load(name: &str, text: &str, environment: &[(&str, &str)]) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::load(Some(&path), environment).map_err(|error| error.to_string())
}

#[track_caller]
fn rejected(text: &str, environment: &[(&str, &str)], words: &[&str]) {
    let message = load("pipewarden.yaml", text, environment).unwrap_err();
    for word in words {
        assert!(message.contains(word), "{message:?} does not name {word:?}");
    }
}

#[test]
fn a_layer_says_only_what_differs_and_the_environment_comes_after_the_file() {
    let text = "kafka: {brokers: 'a:1', topics: {input: [x, y]}}\ndetection: {tuple_window: 20min}";
    let settings = load(
        "pipewarden.yaml",
        text,
        &[
            ("PIPEWARDEN_KAFKA__BROKERS", "b:2,c:3"),
            ("PIPEWARDEN_ROUTER__THREADS", "2"),
            ("PIPEWARDEN_CORRELATOR__ENABLED", "false"),
            ("PIPEWARDEN_DETECTION__SETTLE__NONE", "1h 30m"),
            ("PIPEWARDEN_INVENTORY__FILE", "hosts.yaml"),
            ("UNRELATED", "x"),
        ],
    )
    .unwrap();
    let mut expected = Settings::default();
    expected.kafka.brokers = "b:2,c:3".to_owned();
    expected.kafka.topics.input = vec!["x".to_owned(), "y".to_owned()];
    expected.detection.tuple_window = Duration::from_secs(20 * 60);
    expected.detection.settle.none = Duration::from_secs(90 * 60);
    expected.router.threads = 2;
    expected.correlator.enabled = false;
    expected.inventory.file = Some("hosts.yaml".into());
    assert_eq!(settings, expected);
}

#[test]
fn input_topics_are_named_or_match_a_pattern() {
    let text = "kafka: {topics: {input: [winlogbeat, '^winlogbeat-.*', '^wec[0-9]+$']}}";
    let topics = load("c.yaml", text, &[]).unwrap().kafka.topics;
    assert_eq!(topics.named_input().collect::<Vec<_>>(), ["winlogbeat"]);
    assert_eq!(topics.input_patterns().count(), 2);
}

#[test]
fn a_list_in_the_environment_is_separated_by_commas() {
    let settings = load(
        "c.yaml",
        "",
        &[("PIPEWARDEN_KAFKA__TOPICS__INPUT", "winlogbeat, wec-security")],
    )
    .unwrap();
    assert_eq!(settings.kafka.topics.input, ["winlogbeat", "wec-security"]);
    let settings = load("c.yaml", "", &[("PIPEWARDEN_RULES__ENABLED", "default,svcctl")]).unwrap();
    assert_eq!(settings.rules.enabled, ["default", "svcctl"]);
}

#[test]
fn yaml_toml_and_json_say_the_same() {
    let yaml = load("a.yaml", "kafka:\n  brokers: a:1\n", &[]).unwrap();
    let toml = load("a.toml", "[kafka]\nbrokers = 'a:1'\n", &[]).unwrap();
    let json = load("a.json", r#"{"kafka": {"brokers": "a:1"}}"#, &[]).unwrap();
    assert!(yaml == toml && toml == json);
    assert_eq!(load("empty.yaml", "\n", &[]).unwrap(), Settings::default());
}

#[test]
fn librdkafka_properties_pass_through_under_their_own_names() {
    let text = "kafka: {client: {security.protocol: SASL_SSL, enable.ssl.certificate.verification: false, \
                socket.timeout.ms: 30000}}";
    let environment = [
        ("PIPEWARDEN_KAFKA__CLIENT__SASL_PASSWORD", "s3cret"),
        ("PIPEWARDEN_KAFKA__CLIENT__SASL_MECHANISMS", "PLAIN"),
    ];
    let settings = load("c.yaml", text, &environment).unwrap();
    let client: Vec<(&str, &str)> = settings
        .kafka
        .client
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        client,
        [
            ("enable.ssl.certificate.verification", "false"),
            ("sasl.mechanisms", "PLAIN"),
            ("sasl.password", "s3cret"),
            ("security.protocol", "SASL_SSL"),
            ("socket.timeout.ms", "30000"),
        ]
    );
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_known_one() {
    rejected(
        "detection: {tuple_windw: 5min}",
        &[],
        &[
            "pipewarden.yaml",
            "detection.tuple_windw",
            "detection.tuple_window",
        ],
    );
    rejected("kafak: {brokers: x}", &[], &["kafak", "kafka"]);
    rejected(
        "",
        &[("PIPEWARDEN_ROUTER__THREDS", "2")],
        &["PIPEWARDEN_ROUTER__THREDS", "router.threads"],
    );
}

#[test]
fn a_key_of_an_earlier_version_is_rejected_with_its_new_name() {
    rejected(
        "detection: {limits: {identities_per_partition: 7}}",
        &[],
        &[
            "pipewarden.yaml: detection.limits.identities_per_partition is called",
            "detection.limits.seen_events_per_partition",
        ],
    );
    rejected(
        "identities: {max_age: 7h}",
        &[],
        &["pipewarden.yaml: identities is called bindings now"],
    );
    rejected(
        "",
        &[("PIPEWARDEN_IDENTITIES__MAX_AGE", "7h")],
        &["PIPEWARDEN_IDENTITIES__MAX_AGE: identities.max_age is called bindings.max_age now"],
    );
}

#[test]
fn what_kubernetes_puts_into_the_environment_is_no_setting_and_an_underscore_too_few_is_an_error() {
    let environment = [
        ("PIPEWARDEN_SERVICE_HOST", "10.96.0.7"),
        ("PIPEWARDEN_PORT_9464_TCP", "tcp://10.96.0.7:9464"),
        ("PIPEWARDEN_REQUIRE_BROKER", "1"),
    ];
    assert_eq!(load("c.yaml", "", &environment).unwrap(), Settings::default());
    let words = [
        "PIPEWARDEN_KAFKA_BROKERS",
        "did you mean PIPEWARDEN_KAFKA__BROKERS?",
    ];
    rejected("", &[("PIPEWARDEN_KAFKA_BROKERS", "a:1")], &words);
}

#[test]
fn a_value_of_the_wrong_form_is_named_by_its_key() {
    rejected("detection: {pair_window: 2}", &[], &["detection.pair_window"]);
    rejected("detection: {pair_window: soon}", &[], &["detection.pair_window"]);
    rejected("router: {threads: many}", &[], &["router.threads"]);
    rejected("http: {listen: nowhere}", &[], &["http.listen"]);
    rejected("", &[("PIPEWARDEN_ROUTER__THREADS", "many")], &["router.threads"]);
    rejected("kafka: [", &[], &["pipewarden.yaml"]);
}

#[test]
fn values_that_cannot_work_are_rejected_all_at_once() {
    rejected(
        "detection: {pair_window: 1h}\nrouter: {enabled: false, threads: 0}\ncorrelator: {enabled: false}",
        &[],
        &[
            "detection.pair_window",
            "detection.tuple_window",
            "router.threads",
            "nothing would run",
        ],
    );
    rejected(
        "kafka: {topics: {input: [pipewarden.alerts]}}",
        &[],
        &["must be different topics"],
    );
    rejected(
        "kafka: {topics: {alerts_ocsf: pipewarden.alerts}}",
        &[],
        &["must be different topics"],
    );
    rejected(
        "{alerts: {format: both}, detection: {limits: {evidence: 401}}}",
        &[],
        &["detection.limits.evidence", "400"],
    );
    rejected(
        "bindings: {publish_after: 2h, max_age: 1h, limit_per_address: 0}",
        &[],
        &[
            "bindings.max_age",
            "bindings.limit_per_address must be at least 1",
        ],
    );
    rejected(
        "detection: {sensors: {min_accesses: 0, min_span: 2h}}",
        &[],
        &[
            "detection.sensors.min_accesses must be at least 1",
            "detection.sensors.min_span must be shorter than the horizon less allowed_lateness",
        ],
    );
    rejected(
        "kafka: {client: {group.id: mine}}",
        &[],
        &["kafka.client.group.id"],
    );
    rejected(
        "http: {certificate_file: own.crt}",
        &[],
        &["http.certificate_file and http.key_file belong together"],
    );
    for bytes in [(16 << 20) - 1, (1 << 30) + 1] {
        rejected(
            &format!("kafka: {{max_inflated_batch_bytes: {bytes}}}"),
            &[],
            &["kafka.max_inflated_batch_bytes must be from 16777216"],
        );
    }
}

#[test]
fn an_input_topic_has_a_name_or_a_pattern_that_no_topic_of_ours_can_match() {
    for name in ["winlogbeat-*", "", "a b"] {
        let text = format!("kafka: {{topics: {{input: [winlogbeat, \"{name}\"]}}}}");
        rejected(&text, &[], &["can be no topic's name", "^winlogbeat-.*"]);
    }
    for pattern in [
        "^",
        "^.*",
        "^pipe.*",
        "^(winlogbeat|wec)-.*",
        "^winlogbeat-.*|.*",
        "^x?pipewarden.*",
    ] {
        let text = format!("kafka: {{topics: {{input: [\"{pattern}\"]}}}}");
        rejected(&text, &[], &["may match topics that Pipewarden writes to"]);
    }
}

#[test]
fn a_document_is_neither_too_small_for_an_alert_nor_larger_than_what_the_client_sends() {
    for bytes in [16_383, 8_000_001] {
        rejected(
            &format!("alerts: {{max_bytes: {bytes}}}"),
            &[],
            &["alerts.max_bytes must be from 16384 to 8000000"],
        );
    }
    rejected(
        "kafka: {client: {message.max.bytes: '100000'}}",
        &[],
        &["kafka.client.message.max.bytes is 100000 and must be at least 266240"],
    );
    let smaller = "{alerts: {max_bytes: 65536}, kafka: {client: {message.max.bytes: '100000'}}}";
    load("settings.yaml", smaller, &[]).unwrap();
}

#[test]
fn a_span_of_sensors_must_fit_into_the_horizon_and_its_default_yields_to_a_short_one() {
    let with = |detection: &str, min_span: Duration| {
        let text = format!(
            "detection: {{{detection} sensors: {{min_span: {}ms}}}}",
            min_span.as_millis()
        );
        load("c.yaml", &text, &[])
    };
    let short = "allowed_lateness: 2min, tuple_window: 1min, group_by: 1min, clock_skew: 10s,";
    for detection in ["", short] {
        let settings = load("c.yaml", &format!("detection: {{{detection}}}"), &[]).unwrap();
        let limit = settings.detection.sensor_span_limit();
        // A millisecond below, since the limit may have a fraction.
        let fits = limit - Duration::from_millis(1);
        assert_eq!(
            with(detection, fits)
                .unwrap()
                .detection
                .sensors
                .min_span()
                .as_millis(),
            fits.as_millis()
        );
        let message = with(detection, limit + Duration::from_millis(1)).unwrap_err();
        assert!(
            message.contains("detection.sensors.min_span must be shorter"),
            "{message}"
        );
    }
    // Half an hour is longer than the short horizon: a mistake only where somebody has set it.
    let settings = load("c.yaml", &format!("detection: {{{short}}}"), &[]).unwrap();
    assert!(settings.detection.sensors.min_span() > settings.detection.sensor_span_limit());
    let message = with(short, settings.detection.sensors.min_span()).unwrap_err();
    assert!(
        message.contains("detection.sensors.min_span must be shorter"),
        "{message}"
    );
}

#[test]
fn what_is_left_out_is_shown_as_its_default_and_is_the_same_policy() {
    let text = "detection: {sensors: {min_span: 30min}}";
    let (set, default) = (load("c.yaml", text, &[]).unwrap(), Settings::default());
    assert_ne!(set, default);
    assert_eq!(set.to_display(), default.to_display());
    assert!(default.to_display().contains("min_span: 30m"));
    let id = |settings: &Settings| settings.policy().unwrap().checkpoint_id().to_owned();
    assert_eq!(id(&set), id(&default));
    rejected(
        "detection: {sensors: {min_span: null}}",
        &[],
        &["detection.sensors"],
    );
}

#[test]
fn topics_have_at_least_one_partition_and_one_replica() {
    for key in ["partitions", "replication_factor"] {
        for number in ["0", "-1", "65536"] {
            rejected(
                &format!("kafka: {{topics: {{{key}: {number}}}}}"),
                &[],
                &[&format!("kafka.topics.{key}: "), number],
            );
        }
    }
}

#[test]
fn settings_of_sensors_are_read_from_all_layers() {
    let environment = [("PIPEWARDEN_DETECTION__SENSORS__MIN_ACCESSES", "3")];
    let text = "detection: {sensors: {enabled: false, min_span: 45min, min_accesses: 9}}";
    let sensors = load("c.yaml", text, &environment).unwrap().detection.sensors;
    assert!(!sensors.enabled);
    assert_eq!(sensors.min_accesses, 3);
    assert_eq!(sensors.min_span, Some(Duration::from_secs(45 * 60)));
    rejected(
        "detection: {sensors: {min_acceses: 3}}",
        &[],
        &["detection.sensors.min_acceses", "detection.sensors.min_accesses"],
    );
    rejected(
        "detection: {sensors: {min_span: long}}",
        &[],
        &["detection.sensors.min_span"],
    );
    rejected(
        "detection: {sensors: {min_accesses: -1}}",
        &[],
        &["detection.sensors.min_accesses"],
    );
}

#[test]
fn check_prints_what_is_in_force_and_hides_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipewarden.yaml");
    std::fs::write(
        &path,
        "kafka: {client: {sasl.password: swordfish-1, ssl.key.password: swordfish-2, ssl.keystore.password: swordfish-3, \
         sasl.username: swordfish-4, sasl.mechanisms: PLAIN, security.protocol: SASL_SSL}}",
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["check", "--inventory", "samples/inventory.yaml", "--config"])
        .arg(&path)
        .output()
        .unwrap();
    let message = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(!message.contains("swordfish"), "{message}");
    for word in [
        "SASL_SSL",
        "join_span: 50m",
        "horizon: 1h 55m",
        "detect-8",
        "atlas.aperture.local",
        "primary-site-server",
    ] {
        assert!(message.contains(word), "{word}: {message}");
    }
}
