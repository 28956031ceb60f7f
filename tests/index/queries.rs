//! What `docs/siem.md` tells its readers to search for gives what it says.

use std::path::Path;

use pipewarden_core::time::EventTime;
use serde_json::{Value, json};
use testkit::winlogbeat::START;

use crate::alerts::{INDICES, NOW, Revision};
use crate::upserts::{Indexed, indexed};

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/siem.md")).unwrap()
}

/// A row of the table of searches.
struct Search {
    question: String,
    index: &'static str,
    query: String,
}

/// The rows of the table below the heading `Searches`.
fn searches() -> Vec<Search> {
    let page = page();
    let (_, section) = page.split_once("\n## Searches\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section
        .lines()
        .filter(|line| line.starts_with("| ") && line.ends_with("` |"));
    let rows = rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').splitn(3, " | ").map(str::trim).collect();
        let index = INDICES.into_iter().find(|index| cells[1] == format!("`{index}`"));
        Search {
            question: cells[0].to_owned(),
            index: index.unwrap_or_else(|| panic!("no index: {row}")),
            query: cells[2].trim_matches('`').to_owned(),
        }
    });
    rows.collect()
}

/// The query at the end of the day: `now` is then.
fn at_the_end(query: &str) -> String {
    let now = EventTime::from_micros((START + NOW) * 1_000);
    query
        .replace("now-", &format!("{now}||-"))
        .replace("now]", &format!("{now}]"))
}

/// Whether an alert is what a question asks for, read off its document.
fn is_meant(question: &str, alert: &Value) -> bool {
    let own = &alert["pipewarden"];
    let is_active = own["status"] == "active";
    let within = |address: &Value, prefix: &str| address.as_str().is_some_and(|ip| ip.starts_with(prefix));
    let has = |list: &Value, word: &str| list.as_array().is_some_and(|list| list.contains(&word.into()));
    let is_of_last_hour = |time: &Value| {
        let time: EventTime = serde_json::from_value(time.clone()).unwrap();
        let before = (START + NOW) * 1_000 - time.as_micros();
        (0..=3_600_000_000).contains(&before)
    };
    let assets = own["campaign"]["assets"].as_array();
    match question {
        "what holds: for a list, and for a detection rule" => is_active,
        "decided within the last hour, however late the events came" => {
            is_of_last_hour(&alert["event"]["created"])
        }
        "happened within the last hour, as far as it came in time" => is_of_last_hour(&alert["@timestamp"]),
        "from a network, or perhaps from there" => {
            let mut candidates = own["candidates"].as_array().unwrap().iter();
            within(&alert["source"]["ip"], "10.2.0.") || candidates.any(|one| within(&one["ip"], "10.2.0."))
        }
        "all that has to do with an address" => has(&alert["related"]["ip"], "fd00:2::9"),
        "an account, with or without its domain" => has(&alert["related"]["user"], "TESTSUBJECT4"),
        "the worst that holds" => is_active && alert["event"]["severity"].as_u64() >= Some(73),
        "probes: Windows denied everything" => alert["event"]["outcome"] == "failure",
        "on hosts of a role" => has(&alert["tags"], "distribution-point"),
        "campaigns" => alert["event"]["action"] == "campaign",
        "campaigns along a chain of rules" => own["campaign"].get("chain").is_some(),
        "the campaigns that an alert is part of" => {
            let mut assets = assets.into_iter().flatten();
            assets.any(|asset| has(&asset["alert_ids"], &some_alert_of_a_campaign().unwrap()))
        }
        "sensors that are missing" => alert["event"]["action"] == "sensor-blind" && is_active,
        "withdrawn, in favour of others" => own["status"] == "superseded",
        "contradicted or in doubt" => own.get("conflicts").is_some(),
        "downgraded by an exception" => own["exception"]["action"] == "downgrade",
        "held back by an exception" => own["suppressed_by"] == "exception",
        "what hosts did themselves" => own["suppressed_by"] == "local",
        _ => panic!("what does the page ask for here? {question}"),
    }
}

/// The id of an alert that some campaign has.
fn some_alert_of_a_campaign() -> Option<String> {
    let standing = indexed()?.standing(INDICES[0]);
    let mut assets = standing
        .values()
        .filter_map(|revision| revision.document["pipewarden"]["campaign"]["assets"].as_array());
    let id = &assets.next().unwrap()[0]["alert_ids"][0];
    id.as_str().map(str::to_owned)
}

fn expected<'a>(day: &'a Indexed, search: &Search) -> Vec<&'a str> {
    let standing = day.standing(search.index).into_iter();
    let meant = standing.filter(|(_, revision)| is_meant(&search.question, &revision.document));
    meant.map(|(key, _)| key).collect()
}

#[test]
fn every_search_of_the_page_finds_what_it_says_and_nothing_else() {
    let Some(day) = indexed() else { return };
    let all = searches();
    assert!(all.len() > 15, "{} searches", all.len());
    for search in all {
        let query = search
            .query
            .replace("ALERT_ID", &some_alert_of_a_campaign().unwrap());
        let query = at_the_end(&query);
        let mut found = day.search(
            search.index,
            &json!({"query": {"query_string": {"query": query}}}),
        );
        found.sort_unstable();
        let expected = expected(day, &search);
        assert_eq!(found, expected, "{}: {query}", search.question);
        assert!(
            !found.is_empty(),
            "{}: a search that finds nothing shows nothing",
            search.question
        );
        let standing = day.standing(search.index);
        assert!(
            found.len() < standing.len(),
            "{}: nor does one that finds all",
            search.question
        );
    }
}

#[test]
fn a_search_by_the_time_of_decision_finds_what_came_late_and_one_by_the_time_of_the_access_does_not() {
    let Some(day) = indexed() else { return };
    let standing = day.standing(INDICES[0]);
    let is_late = |revision: &&Revision| {
        revision.document["host"]["name"] == "late.aperture.local"
            && revision.document["pipewarden"].get("untimely").is_some()
    };
    let [late] = standing.values().copied().filter(is_late).collect::<Vec<_>>()[..] else {
        panic!("one alert came late");
    };
    let finds_it = |field: &str| {
        let query = at_the_end(&format!("{field}:[now-1h TO now]"));
        let found = day.search(INDICES[0], &json!({"query": {"query_string": {"query": query}}}));
        assert!(!found.is_empty());
        found.contains(&late.key)
    };
    assert!(finds_it("event.created"));
    assert!(!finds_it("@timestamp"));
}

#[test]
fn the_search_for_one_alert_of_each_story_finds_the_last_decided_of_each() {
    let Some(day) = indexed() else { return };
    let page = page();
    let blocks = page
        .split("```json\n")
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap());
    let of_stories: Vec<Value> = blocks
        .filter(|block| block.contains("collapse"))
        .map(|block| serde_json::from_str(block).unwrap())
        .collect();
    let [search] = of_stories.as_slice() else {
        panic!("one search of the page collapses stories");
    };
    let found = day.search(INDICES[0], search);
    let standing = day.standing(INDICES[0]);
    let active = || {
        standing
            .values()
            .filter(|revision| revision.document["pipewarden"]["status"] == "active")
    };
    let story = |revision: &Revision| revision.document["pipewarden"]["story_id"].clone();
    let created = |revision: &Revision| -> EventTime {
        serde_json::from_value(revision.document["event"]["created"].clone()).unwrap()
    };
    let mut stories: Vec<Value> = active().map(|revision| story(revision)).collect();
    stories.sort_by_key(Value::to_string);
    stories.dedup();
    assert!(stories.len() < active().count(), "some story has several alerts");
    assert_eq!(found.len(), stories.len());
    for key in &found {
        let shown = standing[key.as_str()];
        let later = active().filter(|other| story(other) == story(shown));
        assert_eq!(Some(created(shown)), later.map(|other| created(other)).max());
    }
}
