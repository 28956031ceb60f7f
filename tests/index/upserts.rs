//! Revisions that arrive in any order, and the fields of what stands.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::alerts::{self, INDICES, Revision};
use crate::opensearch::{OpenSearch, opensearch};

/// How many orders of the revisions of each alert are tried: all of as many as four.
const ORDERS: u64 = 24;

fn template(name: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/index/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// The index with the day's alerts in it, as a sink upserts them in the order of the topics.
pub(crate) struct Indexed {
    pub(crate) index: &'static OpenSearch,
    pub(crate) revisions: Vec<Revision>,
}

impl Indexed {
    /// What stands in one of the indices, by the alert's id.
    pub(crate) fn standing(&self, index: &str) -> BTreeMap<&str, &Revision> {
        let of_index = self
            .revisions
            .iter()
            .filter(|revision| revision.indices.contains(&index));
        alerts::newest(of_index)
    }

    /// The ids of what a search finds in an index, in the order in which it finds them.
    pub(crate) fn search(&self, index: &str, body: &Value) -> Vec<String> {
        let mut body = body.clone();
        body["size"] = 1_000.into();
        body["_source"] = false.into();
        let found = self
            .index
            .ask("POST", &format!("/{index}/_search"), &body.to_string());
        let hits = found["hits"]["hits"].as_array().unwrap().iter();
        hits.map(|hit| hit["_id"].as_str().unwrap().to_owned()).collect()
    }
}

/// All of it, once for all tests; `None` where there is no OpenSearch.
pub(crate) fn indexed() -> Option<&'static Indexed> {
    static INDEXED: OnceLock<Option<Indexed>> = OnceLock::new();
    let indexed = INDEXED.get_or_init(|| {
        let index = opensearch()?;
        let body = template("opensearch").to_string();
        index.ask("PUT", "/_index_template/pipewarden-alerts", &body);
        let revisions = alerts::revisions();
        let operations = revisions.iter().flat_map(|revision| {
            let of_one = move |&name: &&'static str| (name, revision.key.clone(), revision);
            revision.indices.iter().map(of_one)
        });
        let stale = upsert(index, operations);
        assert_eq!(stale, 0, "in their own order none is older than what stands");
        index.ask("POST", "/pipewarden.*/_refresh", "");
        Some(Indexed { index, revisions })
    });
    indexed.as_ref()
}

/// Upserts revisions, each into an index under an id, with its number as external version. How many were older than what stands.
fn upsert<'a>(
    index: &OpenSearch,
    operations: impl IntoIterator<Item = (&'a str, String, &'a Revision)>,
) -> usize {
    let mut body = String::new();
    for (name, id, revision) in operations {
        let action = json!({"index": {
            "_index": name, "_id": id, "version": revision.number, "version_type": "external"}});
        body.push_str(&format!("{action}\n{}\n", revision.document));
    }
    let answer = index.ask("POST", "/_bulk", &body);
    let items = answer["items"].as_array().unwrap().iter();
    let stale = items.filter(|item| {
        let status = item["index"]["status"].as_u64().unwrap();
        assert!(status < 300 || status == 409, "an alert is refused: {item:#}");
        status == 409
    });
    stale.count()
}

/// Every order of so many things.
fn permutations(number: usize) -> Vec<Vec<usize>> {
    if number == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(number - 1);
    let longer = shorter.iter().flat_map(|order| {
        (0..number).map(|place| {
            let mut order = order.clone();
            order.insert(place, number - 1);
            order
        })
    });
    longer.collect()
}

/// One of the orders of an alert's revisions: all of them in turn where they are few.
fn order<'a>(revisions: &[&'a Revision], number: u64) -> Vec<&'a Revision> {
    if revisions.len() <= 4 {
        let all = permutations(revisions.len());
        let order = &all[usize::try_from(number).unwrap() % all.len()];
        return order.iter().map(|&place| revisions[place]).collect();
    }
    let mut shuffled = revisions.to_vec();
    shuffled.shuffle(&mut ChaCha8Rng::seed_from_u64(number));
    shuffled
}

#[test]
fn the_newest_revision_of_an_alert_stands_in_whatever_order_they_arrive_and_however_often() {
    let Some(day) = indexed() else { return };
    let mut by_alert: BTreeMap<&str, Vec<&Revision>> = BTreeMap::new();
    for revision in &day.revisions {
        by_alert.entry(&revision.key).or_default().push(revision);
    }
    let most = by_alert.values().map(Vec::len).max();
    assert!(
        most > Some(4),
        "some alert has more revisions than have all their orders tried"
    );
    let newest = alerts::newest(&day.revisions);
    let mut stale = 0;
    for number in 0..ORDERS {
        let orders = by_alert.values().map(|revisions| order(revisions, number));
        // The first comes once more at the end, as a sink delivers it that was interrupted.
        let arrivals = orders.flat_map(|order| order.clone().into_iter().chain(order.first().copied()));
        let id = |key: &str| format!("{key}-{number}");
        let operations = arrivals.map(|revision| ("pipewarden.alerts-orders", id(&revision.key), revision));
        stale += upsert(day.index, operations.collect::<Vec<_>>());
        let ids: Vec<String> = newest.keys().map(|key| id(key)).collect();
        let body = json!({ "ids": ids }).to_string();
        let stands = day.index.ask("POST", "/pipewarden.alerts-orders/_mget", &body);
        let stands = stands["docs"].as_array().unwrap();
        assert_eq!(stands.len(), newest.len());
        for (stands, newest) in stands.iter().zip(newest.values()) {
            assert_eq!(stands["_version"], newest.number, "order {number}: {stands:#}");
            assert_eq!(stands["_source"], newest.document, "order {number}");
        }
    }
    assert!(stale > 0, "some came after a newer one");
}

#[test]
fn every_field_that_an_alert_bears_is_one_of_the_template() {
    let Some(day) = indexed() else { return };
    let mapped = template("opensearch")["template"]["mappings"]["properties"].clone();
    for name in INDICES {
        let mapping = day.index.ask("GET", &format!("/{name}/_mapping"), "");
        // A field that the template lacks would be added by the first alert that bears it.
        assert_eq!(mapping[name]["mappings"]["properties"], mapped, "{name}");
    }
}

#[test]
fn what_elasticsearch_adds_aside_both_templates_make_the_same_index() {
    let Some(day) = indexed() else { return };
    let made = |mut template: Value| {
        template.as_object_mut().unwrap().remove("composed_of");
        // Beside the one that is in force already.
        template["priority"] = 501.into();
        let made = day
            .index
            .ask("POST", "/_index_template/_simulate", &template.to_string());
        made["template"].clone()
    };
    let [one, other] = ["elasticsearch", "opensearch"].map(template);
    assert_eq!(one["composed_of"], json!(["ecs@mappings"]));
    let made_of_one = made(one);
    assert_eq!(
        made_of_one["mappings"]["properties"]["source"]["properties"]["ip"]["type"],
        "ip"
    );
    assert_eq!(made_of_one, made(other));
}

/// The values of a field, in lists too.
fn values<'a>(document: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![document];
    for name in path.split('.') {
        let below = found.into_iter().filter_map(|here| here.get(name));
        found = below
            .flat_map(|here| here.as_array().map_or(vec![here], |all| all.iter().collect()))
            .collect();
    }
    found
}

#[test]
fn an_address_is_found_by_its_network_in_every_field_that_holds_one() {
    let Some(day) = indexed() else { return };
    for field in [
        "destination.ip",
        "host.ip",
        "pipewarden.candidates.ip",
        "pipewarden.evidence.source_ip",
        "pipewarden.overflow.first.ip",
        "related.ip",
        "source.ip",
    ] {
        for (network, prefix) in [("10.0.0.0/8", "10."), ("fd00:2::/32", "fd00:2::")] {
            let found = day.search(INDICES[0], &json!({"query": {"term": {field: network}}}));
            let is_in = |revision: &Revision| {
                let mut values = values(&revision.document, field).into_iter();
                values.any(|value| value.as_str().unwrap().starts_with(prefix))
            };
            let standing = day.standing(INDICES[0]);
            let expected = standing.iter().filter(|(_, revision)| is_in(revision));
            let expected: Vec<&str> = expected.map(|(key, _)| *key).collect();
            let mut found: Vec<&str> = found.iter().map(String::as_str).collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{field} in {network}");
            assert!(prefix != "10." || !expected.is_empty(), "some alert has {field}");
        }
    }
}

#[test]
fn a_value_that_no_field_can_take_keeps_no_alert_out_of_the_index() {
    let Some(day) = indexed() else { return };
    let standing = day.standing(INDICES[0]);
    let odd = standing.iter().filter(|(_, revision)| {
        let mut numbers = values(&revision.document, "pipewarden.evidence.record_id").into_iter();
        numbers.any(|number| number.as_u64() > Some(i64::MAX.unsigned_abs()))
    });
    let odd: Vec<&str> = odd.map(|(key, _)| *key).collect();
    assert_eq!(odd.len(), 1, "the day has one alert with such a value");
    let ignored = |field: &str| day.search(INDICES[0], &json!({"query": {"term": {"_ignored": field}}}));
    assert_eq!(ignored("pipewarden.evidence.record_id"), odd);
}
