//! What the types cannot say: values that cannot work, alone or together.

use std::time::Duration;

use super::Settings;
use crate::alert;

/// Everything that is wrong, each with its key and what would be right.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn require(&mut self, holds: bool, problem: impl Into<String>) {
        if !holds {
            self.0.push(problem.into());
        }
    }

    fn at_least(&mut self, least: usize, key: &str, value: usize) {
        self.require(value >= least, format!("{key} must be at least {least}"));
    }

    fn at_most(&mut self, most: usize, key: &str, value: usize, reason: &str) {
        self.require(value <= most, format!("{key} must be at most {most}{reason}"));
    }
}

/// One function for each group of settings, in the order in which problems are listed.
const RULES: [fn(&Settings, &mut Problems); 13] = [
    spans,
    windows,
    sensors,
    campaign,
    limits,
    documents,
    bindings,
    workers,
    brokers_and_topics,
    topic_names,
    properties,
    endpoints,
    log,
];

impl Settings {
    /// Everything that is wrong, each with its key and what would be right.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Problems::default();
        for rule in RULES {
            rule(self, &mut problems);
        }
        problems.0
    }
}

fn spans(settings: &Settings, problems: &mut Problems) {
    let detection = &settings.detection;
    for (key, span) in [
        ("detection.attribution_window", detection.attribution_window),
        ("detection.tuple_window", detection.tuple_window),
        ("detection.pair_window", detection.pair_window),
        ("detection.group_by", detection.group_by),
        ("detection.revise_at_most_every", detection.revise_at_most_every),
        ("detection.allowed_lateness", detection.allowed_lateness),
        ("correlator.commit_interval", settings.correlator.commit_interval),
        ("router.commit_interval", settings.router.commit_interval),
    ] {
        problems.require(
            span >= Duration::from_millis(1),
            format!("{key} must be at least 1ms"),
        );
        problems.require(
            span <= Duration::from_secs(86_400),
            format!("{key} must be at most 1 day"),
        );
    }
}

fn windows(settings: &Settings, problems: &mut Problems) {
    let detection = &settings.detection;
    for (key, window) in [
        ("detection.attribution_window", detection.attribution_window),
        ("detection.pair_window", detection.pair_window),
    ] {
        problems.require(
            window <= detection.tuple_window,
            format!("{key} must not be wider than detection.tuple_window, which the horizon is made for"),
        );
    }
}

fn sensors(settings: &Settings, problems: &mut Problems) {
    let detection = &settings.detection;
    problems.require(
        detection.sensors.min_accesses >= 1,
        "detection.sensors.min_accesses must be at least 1",
    );
    let limit = detection.sensor_span_limit();
    problems.require(
        detection.sensors.min_span.is_none_or(|span| span < limit),
        "detection.sensors.min_span must be shorter than the horizon less allowed_lateness and a sixteenth of it: \
         accesses farther apart are not remembered together",
    );
}

fn campaign(settings: &Settings, problems: &mut Problems) {
    let (campaign, group_by) = (&settings.detection.campaign, settings.detection.group_by);
    problems.require(
        campaign.min_assets >= 2,
        "detection.campaign.min_assets must be at least 2: one asset is no campaign",
    );
    problems.require(
        campaign.within > group_by,
        "detection.campaign.within must be longer than detection.group_by: of an alert only the first and the last access are \
         touches",
    );
    problems.require(
        campaign.longest >= campaign.within && campaign.longest >= group_by,
        "detection.campaign.longest must not be shorter than detection.campaign.within",
    );
    problems.require(
        campaign.longest <= Duration::from_secs(7 * 86_400),
        "detection.campaign.longest must be at most 7 days: six times as much of the sightings is kept",
    );
    let (sources, touches) = (campaign.sources_per_partition, campaign.touches_per_source);
    problems.at_least(1, "detection.campaign.sources_per_partition", sources);
    problems.at_least(2, "detection.campaign.touches_per_source", touches);
}

fn limits(settings: &Settings, problems: &mut Problems) {
    let limits = &settings.detection.limits;
    for (key, limit) in [
        (
            "detection.limits.session_evidence_per_asset",
            limits.session_evidence_per_asset,
        ),
        (
            "detection.limits.session_evidence_per_partition",
            limits.session_evidence_per_partition,
        ),
        (
            "detection.limits.session_evidence_per_source",
            limits.session_evidence_per_source,
        ),
        ("detection.limits.alerts_per_asset", limits.alerts_per_asset),
        (
            "detection.limits.alerts_per_partition",
            limits.alerts_per_partition,
        ),
        ("detection.limits.many_sources", limits.many_sources),
        ("detection.limits.accesses_per_asset", limits.accesses_per_asset),
        (
            "detection.limits.accesses_per_partition",
            limits.accesses_per_partition,
        ),
        (
            "detection.limits.seen_events_per_partition",
            limits.seen_events_per_partition,
        ),
        ("detection.limits.evidence", limits.evidence),
        ("detection.limits.list_entries", limits.list_entries),
    ] {
        problems.at_least(1, key, limit);
    }
    let size = ": a record has a size limit";
    problems.at_most(1_000, "detection.limits.evidence", limits.evidence, size);
    if settings.alerts.format.has_ocsf() {
        let size = " where alerts.format is ocsf or both: a finding describes each observation at greater length, and a \
                    record has a size limit";
        problems.at_most(400, "detection.limits.evidence", limits.evidence, size);
    }
    problems.at_most(1_000, "detection.limits.list_entries", limits.list_entries, size);
}

fn documents(settings: &Settings, problems: &mut Problems) {
    /// With its key and the batch around it a record must fit what our clients take.
    const MOST: usize = 8_000_000;
    const PROPERTY: &str = "message.max.bytes";
    let max_bytes = settings.alerts.max_bytes;
    let least = alert::LEAST_MAX_BYTES;
    problems.require(
        (least..=MOST).contains(&max_bytes),
        format!("alerts.max_bytes must be from {least} to {MOST}"),
    );
    let Some(set) = settings.kafka.client.get(PROPERTY) else {
        return;
    };
    // What is no number is rejected by librdkafka.
    let needed = max_bytes.saturating_add(4 << 10);
    problems.require(
        set.parse::<usize>().map_or(true, |set| set >= needed),
        format!(
            "kafka.client.{PROPERTY} is {set} and must be at least {needed}, which an alert may take; raise it or lower \
             alerts.max_bytes"
        ),
    );
}

fn bindings(settings: &Settings, problems: &mut Problems) {
    let bindings = &settings.bindings;
    problems.require(
        bindings.publish_after >= Duration::from_secs(1),
        "bindings.publish_after must be at least 1s",
    );
    problems.require(
        bindings.max_age > bindings.publish_after,
        "bindings.max_age must be longer than bindings.publish_after: what is not published any more would be dropped",
    );
    problems.at_least(1, "bindings.limit", bindings.limit);
    problems.at_least(1, "bindings.limit_per_address", bindings.limit_per_address);
    problems.at_least(1, "bindings.limit_per_computer", bindings.limit_per_computer);
}

fn workers(settings: &Settings, problems: &mut Problems) {
    let (router, correlator) = (&settings.router, &settings.correlator);
    problems.at_least(1, "router.threads", router.threads);
    problems.at_least(1, "correlator.threads", correlator.threads);
    problems.require(
        router.enabled || correlator.enabled,
        "router.enabled and correlator.enabled are both false: nothing would run",
    );
}

fn brokers_and_topics(settings: &Settings, problems: &mut Problems) {
    let (kafka, topics) = (&settings.kafka, &settings.kafka.topics);
    problems.require(
        (16 << 20..=1 << 30).contains(&kafka.max_inflated_batch_bytes),
        "kafka.max_inflated_batch_bytes must be from 16777216 (16 MiB), which ordinary batches may reach, to 1073741824 \
         (1 GiB)",
    );
    problems.require(
        !kafka.brokers.trim().is_empty(),
        "kafka.brokers is empty: name host:port",
    );
    problems.require(
        !topics.input.is_empty(),
        "kafka.topics.input is empty: name the topic that Winlogbeat publishes to",
    );
    let own = [
        &topics.observations,
        &topics.sightings,
        &topics.alerts,
        &topics.alerts_ocsf,
        &topics.suppressed,
        &topics.dead_letters,
        &topics.bindings,
    ];
    for pattern in topics.input_patterns() {
        let begin = literal_begin(pattern);
        problems.require(
            !own.iter().any(|name| name.starts_with(begin)),
            format!(
                "kafka.topics.input: the pattern {pattern} may match topics that Pipewarden writes to; begin it with letters \
                 that none of these begins with, as ^winlogbeat-.*"
            ),
        );
    }
    let is_used_twice =
        |(index, name): (usize, &&String)| own[..index].contains(name) || topics.input.contains(name);
    problems.require(
        !own.iter().enumerate().any(is_used_twice),
        "kafka.topics: input, observations, sightings, alerts, alerts_ocsf, suppressed, dead_letters and bindings must be \
         different topics",
    );
}

/// What Kafka takes as a topic's name. An input that begins with `^` is a pattern.
fn topic_names(settings: &Settings, problems: &mut Problems) {
    let topics = &settings.kafka.topics;
    let input = topics.named_input();
    let own = [
        ("observations", &topics.observations),
        ("sightings", &topics.sightings),
        ("alerts", &topics.alerts),
        ("alerts_ocsf", &topics.alerts_ocsf),
        ("suppressed", &topics.suppressed),
        ("dead_letters", &topics.dead_letters),
        ("bindings", &topics.bindings),
    ];
    let is_sound = |name: &str| {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        (1..=249).contains(&name.len()) && name.bytes().all(is_legal) && !matches!(name, "." | "..")
    };
    for (key, name) in input.map(|name| ("input", name)).chain(own) {
        let hint = if key == "input" {
            "; a pattern begins with ^, as ^winlogbeat-.*"
        } else {
            ""
        };
        problems.require(
            is_sound(name),
            format!(
                "kafka.topics.{key}: {name:?} can be no topic's name: Kafka takes 1 to 249 of a-z, A-Z, 0-9, dot, _ and -{hint}"
            ),
        );
    }
}

fn log(settings: &Settings, problems: &mut Problems) {
    if let Err(problem) = super::log_filter(&settings.log.level) {
        problems.require(false, problem);
    }
}

/// What every name begins with that a pattern of topics matches, as far as the pattern says so letter by letter.
fn literal_begin(pattern: &str) -> &str {
    let text = pattern.trim_start_matches('^');
    let is_literal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let end = text
        .bytes()
        .position(|byte| !is_literal(byte))
        .unwrap_or(text.len());
    match text.as_bytes().get(end) {
        // Another alternative begins otherwise.
        _ if text.contains('|') => "",
        // The last letter need not be there.
        Some(b'?' | b'*' | b'{') => &text[..end.saturating_sub(1)],
        _ => &text[..end],
    }
}

fn properties(settings: &Settings, problems: &mut Problems) {
    for key in [
        "bootstrap.servers",
        "group.id",
        "group.instance.id",
        "transactional.id",
        "enable.auto.commit",
        "isolation.level",
    ] {
        problems.require(
            !settings.kafka.client.contains_key(key),
            format!("kafka.client.{key} is set by Pipewarden itself: its guarantees depend on it"),
        );
    }
}

fn endpoints(settings: &Settings, problems: &mut Problems) {
    let http = &settings.http;
    problems.require(
        http.certificate_file.is_some() == http.key_file.is_some(),
        "http.certificate_file and http.key_file belong together: set both or neither",
    );
}
