//! What a generator staged, and what alerts report of it, in the same terms.

use std::net::IpAddr;
use std::path::Path;

use pipewarden_core::detection::{Attribution, CAMPAIGN};
use pipewarden_core::event::AssetId;
use pipewarden_core::inventory::{Inventory, Role};
use pipewarden_tools::generator::Truth;
use serde_json::Value;

/// Reads the file that `--truth` has written.
pub fn truths(file: impl AsRef<Path>) -> Vec<Truth> {
    let text = std::fs::read_to_string(file).unwrap();
    let truths = text.lines().map(|line| serde_json::from_str(line).unwrap());
    truths.collect()
}

/// The values of an attack that both the generator and its alert state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub asset: String,
    pub attribution: String,
    pub confidence: String,
    /// Of an ambiguous alert, the candidates.
    pub sources: Vec<String>,
    pub first_access: String,
    pub last_access: String,
}

/// What a generator staged, sorted, as it is told with this inventory: the logons of its domain controllers are not kept,
/// so that an inferred source is less sure there.
pub fn expected(truths: &[Truth], inventory: Option<&Inventory>) -> Vec<Finding> {
    let keeps_logons = |truth: &Truth| {
        let asset = inventory.and_then(|inventory| inventory.asset(&AssetId::new(&truth.asset)));
        asset.is_none_or(|asset| !asset.roles.contains(&Role::DomainController))
    };
    let word = |value: Value| value.as_str().unwrap().to_owned();
    let mut all = Vec::new();
    for truth in truths {
        all.push(Finding {
            asset: truth.asset.clone(),
            attribution: word(serde_json::to_value(truth.attribution).unwrap()),
            confidence: match truth.attribution {
                Attribution::Inferred if !keeps_logons(truth) => "low".to_owned(),
                _ => word(serde_json::to_value(truth.confidence).unwrap()),
            },
            sources: truth.sources.iter().map(ToString::to_string).collect(),
            first_access: truth.first_access.to_string(),
            last_access: truth.last_access.to_string(),
        });
    }
    all.sort();
    all
}

/// What the alerts on `stdout` report, sorted.
pub fn reported(stdout: &[u8]) -> Vec<Finding> {
    let alerts = serde_json::Deserializer::from_slice(stdout).into_iter::<Value>();
    let mut all = Vec::new();
    for alert in alerts.map(Result::unwrap) {
        // Single attacks are staged, and some of them happen to be of one source.
        if alert["rule"]["id"] != CAMPAIGN {
            all.push(finding(&alert));
        }
    }
    all.sort();
    all
}

fn finding(alert: &Value) -> Finding {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let own = &alert["pipewarden"];
    let mut sources: Vec<IpAddr> = Vec::new();
    if let Some(ip) = alert["source"]["ip"].as_str() {
        sources.push(ip.parse().unwrap());
    } else {
        let candidates = own["candidates"].as_array().into_iter().flatten();
        // What came long before an attack is no part of it.
        for candidate in candidates.filter(|candidate| candidate["strength"] != "earlier") {
            sources.push(candidate["ip"].as_str().unwrap().parse().unwrap());
        }
    }
    sources.sort();
    Finding {
        asset: text(&own["asset"]["id"]),
        attribution: text(&own["attribution"]),
        confidence: text(&own["confidence"]),
        sources: sources.iter().map(ToString::to_string).collect(),
        first_access: text(&alert["event"]["start"]),
        last_access: text(&alert["event"]["end"]),
    }
}
