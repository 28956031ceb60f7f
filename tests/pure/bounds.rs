//! Every record that the service writes has a bound, whatever the texts are that an event may hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipewarden_core::alert::{self, AlertFormat, STUB_MAX_BYTES};
use pipewarden_core::detection::{JoinSettings, Limits, RuleSet};
use pipewarden_core::event::{Observation, ObservationRecord, Word};
use pipewarden_core::inventory::{BINDING_MAX_BYTES, BindingRecord, Inventory, Seen, Span, UnlistedHosts};
use pipewarden_core::log::{Offset, Partition};
use pipewarden_core::time::{AppendTime, EventTime};
use pipewarden_engine::local::Replayer;
use pipewarden_engine::{
    AlertRecord, CHECKPOINT_MAX_BYTES, DEAD_LETTER_MAX_BYTES, OBSERVATION_MAX_BYTES, Origin, Policy, Routed,
    Router,
};
use proptest::prelude::*;
use serde_json::Value;
use testkit::detect::INVENTORY;
use testkit::{schema, shapes, winlogbeat};

/// Characters that take one byte in JSON, two, three, four and six.
const LETTERS: [&str; 5] = ["x", "\"", "漢", "\u{1F600}", "\u{1}"];

/// A text of one kind of character, of so many bytes at least.
fn text(letter: usize, bytes: usize) -> String {
    let letter = LETTERS[letter % LETTERS.len()];
    letter.repeat(bytes / letter.len() + 1)
}

/// Fields that decide what an event is; all others may hold anything.
const DECISIVE: [&str; 22] = [
    "@timestamp",
    "created",
    "event_id",
    "code",
    "provider",
    "provider_name",
    "source_name",
    "channel",
    "log_name",
    "IpAddress",
    "IpPort",
    "SourceIp",
    "SourcePort",
    "DestinationIp",
    "DestinationPort",
    "Protocol",
    "Initiated",
    "ShareName",
    "RelativeTargetName",
    "PipeName",
    "ip",
    "direction",
];

/// The document with this text in every field that decides nothing.
fn hostile(mut document: Value, text: &str) -> Value {
    fn fill(value: &mut Value, text: &str) {
        match value {
            Value::Object(fields) => {
                for (key, field) in fields {
                    if !DECISIVE.contains(&key.as_str()) {
                        fill(field, text);
                    }
                }
            }
            Value::String(kept) if kept != "System" => text.clone_into(kept),
            _ => {}
        }
    }
    fill(&mut document, text);
    document
}

/// An access to atlas, with this text in every other field.
fn hostile_access(number: i64, text: &str) -> Value {
    let share = winlogbeat::share(5_000 + number, winlogbeat::CLIENT, 40_000);
    let mut document = hostile(share, text);
    document["winlog"]["computer_name"] = "atlas.aperture.local".into();
    document
}

fn policy(max_bytes: usize, limits: Limits) -> Arc<Policy> {
    let join = JoinSettings {
        limits,
        ..JoinSettings::default()
    };
    let inventory = Arc::new(Inventory::parse(INVENTORY, "test").unwrap());
    let policy = Policy::new(
        RuleSet::builtin(),
        inventory,
        UnlistedHosts::Watch,
        join,
        "0123456789abcdef0123456789abcdef".to_owned(),
    );
    Arc::new(policy.with_format(AlertFormat::Both).with_max_bytes(max_bytes))
}

/// What a router makes of a document, if it is an observation.
fn routed(router: &mut Router, document: &Value) -> Option<Observation> {
    let origin = Origin {
        topic: "winlogbeat",
        partition: Partition::ZERO,
        offset: Offset::ZERO,
    };
    let message = serde_json::to_vec(document).unwrap();
    let mut observation = None;
    router.route_each(Some(&message), origin, &mut |routed| {
        if let Routed::Observation(routed) = routed {
            observation = Some(routed.observation);
        }
    });
    observation
}

/// Every revision of these events, each arriving at its own time.
fn revisions(policy: &Arc<Policy>, documents: &[Value]) -> Vec<AlertRecord> {
    let mut router = Router::new(policy);
    let observations = documents
        .iter()
        .filter_map(|document| routed(&mut router, document));
    let mut observations: Vec<Observation> = observations.collect();
    observations.sort_by_key(|observation| observation.event.time);
    let mut replayer = Replayer::new(policy);
    let mut all = Vec::new();
    for observation in observations {
        let at = AppendTime::at_event(observation.event.time);
        all.extend(replayer.observe(at, observation).alerts);
    }
    all.extend(replayer.finish().alerts);
    all
}

fn parsed(document: &[u8]) -> Value {
    serde_json::from_slice(document).unwrap()
}

/// One opened pipe, and connections of so many sources, each by so many processes of so many users.
fn many_candidates(sources: usize, each: usize, text: &str) -> Vec<Value> {
    let mut documents = vec![winlogbeat::pipe(5_000)];
    for source in 0..sources {
        for number in 0..each {
            let ms = i64::try_from(4_000 + source * each + number).unwrap();
            let port = u16::try_from(10_000 + source * each + number).unwrap();
            let own = format!("{number}{text}");
            let ip = format!("10.9.{}.{}", source / 250, source % 250 + 1);
            documents.push(hostile(winlogbeat::connection(ms, "x", &ip, port), &own));
        }
    }
    documents
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_document_of_both_formats_keeps_to_its_budget_and_to_its_schema(
        letter in 0..LETTERS.len(), length in 0..700usize, sources in 1..80usize, each in 1..8usize, is_audited: bool,
        budget in prop::sample::select(vec![16 << 10, 40_000, 100_000, 256 << 10]),
        entries in prop::sample::select(vec![64, 400])
    ) {
        let limits = Limits { evidence: entries, list_entries: entries, ..Limits::default() };
        let policy = policy(budget, limits);
        let text = text(letter, length);
        let mut documents = many_candidates(sources, each, &text);
        if is_audited {
            documents.extend((0..64).map(|number| hostile_access(number, &format!("{number}{text}"))));
        }
        let found = revisions(&policy, &documents);
        prop_assert!(!found.is_empty());
        for revision in &found {
            let finding = revision.finding.as_deref().unwrap();
            prop_assert!(revision.value.len() <= budget, "{} in ECS", revision.value.len());
            prop_assert!(finding.len() <= budget, "{} in OCSF", finding.len());
            let (ecs, ocsf) = (parsed(&revision.value), parsed(finding));
            schema::assert_valid("alert", &ecs);
            schema::assert_valid("ocsf-detection-finding", &ocsf);
            let is_cut = ocsf["unmapped"]["pipewarden"]["omitted"]["bytes"].is_u64();
            prop_assert!(!is_cut || ocsf["metadata"]["is_truncated"] == true);
            for whole in [&revision.value, finding] {
                let stub = alert::stub(whole, "record_too_large").unwrap();
                prop_assert!(stub.len() <= STUB_MAX_BYTES, "a stub of {}", stub.len());
                let name = if whole == finding { "ocsf-detection-finding" } else { "alert" };
                schema::assert_valid(name, &parsed(&stub));
            }
        }
        // A revision says something that the one before it did not, however much of either is cut.
        let mut last: BTreeMap<String, Value> = BTreeMap::new();
        for revision in &found {
            let mut document = parsed(&revision.value);
            document["pipewarden"]["revision"] = Value::Null;
            document["event"]["created"] = Value::Null;
            let before = last.insert(revision.key.clone(), document.clone());
            prop_assert!(before.as_ref() != Some(&document), "{document:#}");
        }
        // Cut alike, whoever cuts.
        prop_assert_eq!(found, revisions(&policy, &documents));
    }
}

#[test]
fn a_document_of_hostile_texts_is_cut_and_still_lists_every_kind_of_evidence() {
    let text = text(4, 600);
    let documents = many_candidates(70, 6, &text);
    let policy = policy(alert::DEFAULT_MAX_BYTES, Limits::default());
    let found = revisions(&policy, &documents);
    let ambiguous = found.iter().map(|record| parsed(&record.value));
    let mut ambiguous = ambiguous.filter(|document| document["pipewarden"]["attribution"] == "ambiguous");
    let document = ambiguous.next_back().unwrap();
    let own = &document["pipewarden"];
    assert!(
        own["omitted"]["bytes"].as_u64().unwrap() > 1 << 20,
        "{}",
        own["omitted"]
    );
    assert!(own["candidates"].as_array().unwrap().len() >= 2);
    let kinds: Vec<&Value> = own["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["kind"])
        .collect();
    for kind in ["network_connection", "pipe_connected"] {
        assert!(kinds.iter().any(|found| *found == kind), "{kind} in {kinds:?}");
    }
}

#[test]
fn an_ordinary_document_with_full_lists_needs_no_cut() {
    let documents = many_candidates(64, 1, r"C:\Program Files\Some Vendor\Some Product\some-agent.exe");
    let policy = policy(alert::DEFAULT_MAX_BYTES, Limits::default());
    for revision in revisions(&policy, &documents) {
        assert!(parsed(&revision.value)["pipewarden"]["omitted"]["bytes"].is_null());
        let finding = parsed(revision.finding.as_deref().unwrap());
        assert!(finding["unmapped"]["pipewarden"]["omitted"]["bytes"].is_null());
    }
}

#[test]
fn observations_and_sightings_take_less_than_half_of_their_bound_whatever_an_event_holds() {
    let policy = policy(alert::DEFAULT_MAX_BYTES, Limits::default());
    let (mut routed_at_all, mut sighted, mut largest) = (0, 0, 0);
    for letter in 0..LETTERS.len() {
        let text = text(letter, 10_000);
        for shape in shapes::all() {
            for document in shape.events() {
                let mut router = Router::new(&policy);
                let Some(observation) = routed(&mut router, &hostile(document.clone(), &text)) else {
                    continue;
                };
                routed_at_all += 1;
                let bytes = ObservationRecord::Observation(observation.clone()).encode().len();
                let mut replayer = Replayer::new(&policy);
                let mut alerts = replayer
                    .observe(AppendTime::at_event(observation.event.time), observation)
                    .alerts;
                alerts.extend(replayer.finish().alerts);
                let sightings = alerts.iter().filter_map(|alert| alert.sighting.as_ref());
                let sighting = sightings
                    .map(|sighting| sighting.key.len() + sighting.value.len())
                    .max();
                sighted += usize::from(sighting.is_some());
                largest = largest.max(bytes).max(sighting.unwrap_or_default());
            }
        }
    }
    assert!(routed_at_all > 50 && sighted > 5, "{routed_at_all} {sighted}");
    assert!(largest > 10_000, "{largest}: nothing hostile was kept");
    assert!(largest < OBSERVATION_MAX_BYTES / 2, "{largest}");
}

#[test]
fn a_binding_keeps_to_its_bound_whatever_the_computer_is_called() {
    for letter in 0..LETTERS.len() {
        let mut computer = text(letter, 512);
        while computer.len() > 512 {
            computer.pop();
        }
        let time = EventTime::from_micros(i64::MIN / 1_000);
        let record = BindingRecord {
            address: "fd00:1111:2222:3333:4444:5555:6666:7777".parse().unwrap(),
            computer: computer.into(),
            seen: Span::new(time, time).map(|span| Seen {
                span,
                says: Word::Client,
            }),
        };
        let bytes = record.key().len() + record.encode().map_or(0, |value| value.len());
        assert!(bytes <= BINDING_MAX_BYTES, "{bytes}");
    }
}

/// The table of docs/guarantees.md has the bounds of the code.
#[test]
fn the_page_names_every_bound() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guarantees.md")).unwrap();
    for bound in [
        OBSERVATION_MAX_BYTES,
        BINDING_MAX_BYTES,
        DEAD_LETTER_MAX_BYTES,
        CHECKPOINT_MAX_BYTES,
        STUB_MAX_BYTES,
        alert::DEFAULT_MAX_BYTES,
        alert::LEAST_MAX_BYTES,
    ] {
        assert!(page.contains(&bound.to_string()), "{bound}");
    }
}
