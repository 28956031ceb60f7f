//! What a generator staged, and what alerts say of it, in the same terms.

use std::path::Path;

use pipewarden_core::detection::SWEEP;
use pipewarden_tools::generator::Truth;
use serde_json::Value;

/// What `--truth` has written.
pub fn truths(file: impl AsRef<Path>) -> Vec<Truth> {
    let text = std::fs::read_to_string(file).unwrap();
    let truths = text.lines().map(|line| serde_json::from_str(line).unwrap());
    truths.collect()
}

/// What an alert says that a truth says too.
pub type Said = (String, String, String, Vec<String>, String, String);

pub fn expected(truths: &[Truth]) -> Vec<Said> {
    let word = |value: Value| value.as_str().unwrap().to_owned();
    let mut all: Vec<Said> = truths
        .iter()
        .map(|truth| {
            (
                truth.asset.clone(),
                word(serde_json::to_value(truth.attribution).unwrap()),
                word(serde_json::to_value(truth.confidence).unwrap()),
                truth.sources.iter().map(ToString::to_string).collect(),
                truth.first_access.to_string(),
                truth.last_access.to_string(),
            )
        })
        .collect();
    all.sort();
    all
}

pub fn said(stdout: &[u8]) -> Vec<Said> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all: Vec<Said> = serde_json::Deserializer::from_slice(stdout)
        .into_iter::<Value>()
        .map(Result::unwrap)
        // What is staged are single attacks, and some of them happen to be of one source.
        .filter(|alert| alert["rule"]["id"] != SWEEP)
        .map(|alert| {
            let own = &alert["pipewarden"];
            let mut sources: Vec<std::net::IpAddr> = match alert["source"]["ip"].as_str() {
                Some(ip) => vec![ip.parse().unwrap()],
                None => own["candidates"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|candidate| candidate["ip"].as_str().unwrap().parse().unwrap())
                    .collect(),
            };
            sources.sort();
            (
                text(&own["asset"]["id"]),
                text(&own["attribution"]),
                text(&own["confidence"]),
                sources.iter().map(ToString::to_string).collect(),
                text(&alert["event"]["start"]),
                text(&alert["event"]["end"]),
            )
        })
        .collect();
    all.sort();
    all
}
