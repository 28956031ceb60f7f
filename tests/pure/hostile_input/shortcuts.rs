//! What is left out because it changes nothing: the texts for humans of a document, and in `replay` the writing and reading of
//! records.

use std::sync::Arc;

use pipewarden_core::detection::{CAMPAIGN, JoinSettings, RuleSet};
use pipewarden_core::event::{Observation, ObservationRecord};
use pipewarden_core::inventory::{Inventory, UnlistedHosts};
use pipewarden_core::log::{Offset, Partition};
use pipewarden_core::time::AppendTime;
use pipewarden_engine::local::Replayer;
use pipewarden_engine::{AlertRecord, Correlator, LogRecord, Origin, Policy, Routed, Router, Topic};
use rand::seq::IndexedRandom as _;
use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use testkit::escape::rewritten;
use testkit::size;

use super::{DOCUMENTS, decoder, documents, mutate};

/// What a text for humans may be made of, as it stands in JSON or as it must not.
const PIECES: [&str; 22] = [
    "Network connection detected:",
    "\\r\\n",
    "\\t\\t",
    "Source:",
    "C:\\\\Windows",
    "\\\"",
    "\\\\",
    "\\/",
    "\\u003c",
    "\\u00e9",
    "\\ud83d\\ude00",
    "\\ud83d",
    "\u{fc}",
    "\u{1F600}",
    "\\",
    "\\u12",
    "\\x",
    "\"",
    "\t",
    "\",\"code\":\"3",
    "\"message\":\"",
    "{\\\"event_id\\\":3}",
];

/// Mostly sound.
fn text_for_humans(random: &mut impl Rng) -> String {
    let sound = if random.random_bool(0.7) { 14 } else { PIECES.len() };
    let count = random.random_range(0..60);
    (0..count)
        .map(|_| *PIECES[..sound].choose(random).unwrap())
        .collect()
}

/// The document with such a text as one more field somewhere.
fn with_text(document: &[u8], random: &mut impl Rng) -> Vec<u8> {
    let name = ["message", "x\\\"message", "Message", "event_id\",\"message"].choose(random);
    let field = format!("\"{}\":\"{}\",", name.unwrap(), text_for_humans(random));
    let objects: Vec<usize> = (0..document.len()).filter(|&at| document[at] == b'{').collect();
    let mut written = document.to_vec();
    if let Some(at) = objects.choose(random) {
        written.splice(at + 1..at + 1, field.into_bytes());
    }
    written
}

#[test]
fn a_document_is_read_alike_whether_its_text_for_humans_is_cut_out_or_not() {
    let (documents, decoder) = (documents(), decoder());
    let mut read = [0; 2];
    for seed in 0..size::of(DOCUMENTS) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut document = documents.choose(&mut random).unwrap().clone();
        if random.random_bool(0.3) {
            mutate(&mut document, &mut random);
        }
        let written = if random.random_bool(0.5) {
            document.to_string().into_bytes()
        } else {
            rewritten(&document, &mut random)
        };
        let message = with_text(&written, &mut random);
        if !decoder.can_matter(&message) {
            continue;
        }
        let (found, plain) = (decoder.decode(&message), decoder.decode_unfiltered(&message));
        let text = String::from_utf8_lossy(&message);
        assert!(found == plain, "seed {seed}\n{found:?}\n{plain:?}\n{text}");
        read[usize::from(plain.is_ok())] += 1;
    }
    assert!(read.iter().all(|&count| count > 300), "both happen: {read:?}");
}

fn policy() -> Arc<Policy> {
    let (inventory, join) = (Arc::new(Inventory::empty()), JoinSettings::default());
    let rules = RuleSet::builtin();
    Arc::new(Policy::new(
        rules,
        inventory,
        UnlistedHosts::Watch,
        join,
        "test".to_owned(),
    ))
}

/// What is kept of documents of every shape, some of them changed.
fn observations(seed: u64, policy: &Policy) -> Vec<Observation> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let documents = documents();
    let mut router = Router::new(policy);
    let mut kept = Vec::new();
    for offset in 0..60 {
        let mut document = documents.choose(&mut random).unwrap().clone();
        if random.random_bool(0.6) {
            mutate(&mut document, &mut random);
        }
        let has_room = document.is_object() && document.get("agent").is_none_or(Value::is_object);
        if has_room && random.random_bool(0.5) {
            document["agent"]["id"] = format!("{}", random.random_range(0..3)).into();
        }
        let origin = Origin {
            topic: "winlogbeat",
            partition: Partition::ZERO,
            offset: Offset::try_from(offset).unwrap(),
        };
        let message = document.to_string();
        router.route_each(Some(message.as_bytes()), origin, &mut |routed| {
            if let Routed::Observation(routed) = routed {
                kept.push(routed.observation);
            }
        });
    }
    kept
}

#[test]
fn a_record_is_read_as_what_it_was_written_from_so_that_replay_need_not_write_it() {
    let policy = policy();
    let mut alerts = 0;
    for seed in 0..size::of(DOCUMENTS) / 100 {
        let mut log = Correlator::fresh(Arc::clone(&policy), Topic::Observations, 1);
        let mut append = |at, record: &ObservationRecord| {
            let value = record.encode();
            // Texts, so that what takes no part in comparisons is compared.
            let read = ObservationRecord::decode(&value).unwrap();
            assert_eq!(format!("{read:?}"), format!("{record:?}"), "seed {seed}");
            let offset = log.position();
            log.apply(LogRecord {
                offset,
                append_time: at,
                value: &value,
            })
            .alerts
        };
        let mut replayer = Replayer::new(&policy);
        for observation in observations(seed, &policy) {
            let at = AppendTime::at_event(observation.event.time);
            let expected = append(at, &ObservationRecord::Observation(observation.clone()));
            let mut found: Vec<AlertRecord> = replayer.observe(at, observation).alerts;
            found.retain(|alert| *alert.rule != *CAMPAIGN);
            alerts += found.len();
            assert!(found == expected, "seed {seed}");
        }
    }
    assert!(alerts > 20, "{alerts}");
}
