//! Running a case: router and correlator over its events, and the final alerts against the expected ones.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use pipewarden_core::alert::Document;
use pipewarden_core::detection::{CAMPAIGN, Exceptions, JoinSettings, Rule, RuleSet, Status};
use pipewarden_core::event::AssetId;
use pipewarden_core::inventory::{Inventory, UnlistedHosts};
use pipewarden_core::log::{Offset, Partition};
use pipewarden_core::text::plural;
use pipewarden_core::time::AppendTime;
use pipewarden_engine::local::{FinalView, Replayer};
use pipewarden_engine::{Origin, Policy, Routed, Router};
use serde_json::Value;

use super::compare::{differences, pair};
use super::{Case, ExpectedAlert, TestFile};

/// Why a case fails: each line is one thing that an engineer needs to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub Vec<String>);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// Runs one case of a rule, with that rule alone.
///
/// # Errors
/// [`Failure`], with what was expected, what was found, and what became of each event.
pub fn run(rule: &Rule, file: &TestFile, case: &Case) -> Result<(), Failure> {
    let own = serde_json::json!({ "exceptions": case.exceptions }).to_string();
    let detected = detected(rule, file, case, &own)?;
    judge(&case.alerts, &detected.alerts).map_err(|Failure(mut lines)| {
        let fates = (1..).zip(&detected.fates);
        lines.extend(fates.map(|(number, disposition)| format!("event {number}: {disposition}")));
        Failure(lines)
    })
}

/// The ids of the exceptions, of this file's text and in place of its own, that cover an alert of a case: suppressed or
/// downgraded.
///
/// # Errors
/// [`Failure`], with what keeps the case from being run.
pub fn covered(
    rule: &Rule,
    file: &TestFile,
    case: &Case,
    exceptions: &str,
) -> Result<BTreeSet<String>, Failure> {
    let detected = detected(rule, file, case, exceptions)?;
    let alerts = detected.alerts.into_iter().chain(detected.suppressed);
    let covering = alerts.filter_map(|alert| alert.pipewarden.exception);
    Ok(covering.map(|exception| exception.id).collect())
}

/// What comes of the events of a case, with no exceptions but these.
fn detected(rule: &Rule, file: &TestFile, case: &Case, exceptions: &str) -> Result<Detected, Failure> {
    let stopped = |problem: String| Failure(vec![problem]);
    let assets = case.assets(file);
    let inventory = if assets.is_empty() {
        Inventory::empty()
    } else {
        let text = serde_json::json!({ "assets": assets, "accounts": case.accounts(file) }).to_string();
        Inventory::parse(&text, "assets").map_err(|error| stopped(error.to_string()))?
    };
    let documents = case.documents(file).map_err(stopped)?.into_iter();
    let messages: Vec<Vec<u8>> = documents
        .map(|document| document.to_string().into_bytes())
        .collect();
    let rules = RuleSet::new(vec![rule.clone()]).map_err(|error| stopped(error.to_string()))?;
    let unlisted = UnlistedHosts::default_for(&inventory);
    let inventory = Arc::new(inventory);
    let exceptions = Exceptions::none_for(Arc::clone(&inventory)).and(exceptions, "exceptions");
    let exceptions = exceptions.map_err(|error| stopped(error.to_string()))?;
    // Nothing is ever restored here, so the policy's id is compared with no other.
    let policy = Policy::new(rules, inventory, unlisted, JoinSettings::default(), String::new());
    detect(&Arc::new(policy.with_exceptions(exceptions)), &messages).map_err(stopped)
}

impl Case {
    /// The protected hosts, as an inventory lists them: the case's own, or else those of its file.
    pub fn assets<'a>(&'a self, file: &'a TestFile) -> &'a [Value] {
        self.assets.as_ref().unwrap_or(&file.assets)
    }

    /// The accounts that the inventory lists: the case's own, or else those of its file.
    pub fn accounts<'a>(&'a self, file: &'a TestFile) -> &'a [Value] {
        self.accounts.as_ref().unwrap_or(&file.accounts)
    }

    /// The events as Winlogbeat publishes them.
    ///
    /// # Errors
    /// What is wrong with which event.
    pub fn documents(&self, file: &TestFile) -> Result<Vec<Value>, String> {
        let home = self.assets(file).first().and_then(|asset| asset["name"].as_str());
        (1..)
            .zip(&self.events)
            .map(|(number, event)| {
                let document = event.to_document(number, home);
                document.map_err(|problem| format!("event {number}: {problem}"))
            })
            .collect()
    }
}

/// What came of a case's events.
struct Detected {
    /// What became of each event.
    fates: Vec<String>,
    /// The active alerts, by first access.
    alerts: Vec<Document>,
    /// The suppressed ones, in no order.
    suppressed: Vec<Document>,
}

/// What `replay` does: all bindings are read before anything is resolved; delivery in order of event time.
fn detect(policy: &Arc<Policy>, messages: &[Vec<u8>]) -> Result<Detected, String> {
    let mut router = Router::new(policy);
    let mut read = Vec::new();
    for (offset, message) in (0..).map(Offset::new).zip(messages) {
        let origin = Origin {
            topic: "case",
            partition: Partition::ZERO,
            offset,
        };
        router.read_each(Some(message), origin, &mut |event| read.push((offset, event)));
        if let Some(field) = router.take_odd_fields().into_keys().next() {
            let number = offset.next();
            return Err(format!("event {number}: {field} cannot be what it should"));
        }
    }
    let mut fates = Vec::new();
    let mut observations = Vec::new();
    for (offset, event) in read {
        let routed = event.map_or_else(Routed::from, |event| router.resolve(event));
        fates.push(match routed {
            Routed::Observation(routed) => {
                let asset = &routed.observation.asset;
                let disposition = format!("{} on {asset}{}", routed.kind(), not_for(policy, asset));
                observations.push(routed.observation);
                disposition
            }
            Routed::Skipped(reason) => format!("skipped: {}", reason.as_str()),
            Routed::DeadLetter(letter) => {
                return Err(format!(
                    "event {}: cannot be decoded: {}",
                    offset.next(),
                    letter.message
                ));
            }
        });
    }
    observations.sort_by_key(|observation| observation.event.time);
    let mut replayer = Replayer::new(policy);
    let mut view = FinalView::default();
    let mut last = Vec::new();
    for observation in observations {
        let arrival = AppendTime::at_event(observation.event.time);
        last.extend(replayer.observe(arrival, observation).alerts);
    }
    last.extend(replayer.finish().alerts);
    last.into_iter().for_each(|alert| view.upsert(alert));
    let documents = |status| {
        let alerts = view.with_status(status);
        // A case is about the rule's alerts; three hosts in it may be a campaign besides.
        let alerts = alerts.filter(|alert| *alert.rule != *CAMPAIGN);
        let documents = alerts
            .map(|alert| serde_json::from_slice::<Document>(&alert.value).map_err(|error| error.to_string()));
        documents.collect::<Result<Vec<_>, _>>()
    };
    let (mut alerts, suppressed) = (documents(Status::Active)?, documents(Status::Suppressed)?);
    alerts.sort_by_key(|alert| (alert.event.start, alert.pipewarden.alert_id));
    Ok(Detected {
        fates,
        alerts,
        suppressed,
    })
}

/// That the rule is not for the roles of an asset, if so.
fn not_for(policy: &Policy, asset: &AssetId) -> String {
    let asset = policy.inventory.asset(asset);
    let roles = asset.map(|asset| asset.roles.as_slice()).unwrap_or_default();
    let rule = policy.rules.rules().first();
    match rule.filter(|rule| !rule.watches_roles(roles)) {
        Some(rule) => {
            let roles: Vec<&str> = rule.roles.iter().map(|role| role.as_str()).collect();
            format!(
                ", which has not the role {} that the rule asks for",
                roles.join(" or ")
            )
        }
        None => String::new(),
    }
}

/// Compares the active alerts with the expected ones.
///
/// # Errors
/// [`Failure`], with what is missing, what differs and what was not expected.
pub fn judge(expected: &[ExpectedAlert], found: &[Document]) -> Result<(), Failure> {
    let fits: Vec<Vec<bool>> = expected
        .iter()
        .map(|expected| {
            let fits = |found| differences(expected, found).is_empty();
            found.iter().map(fits).collect()
        })
        .collect();
    let pairs = pair(&fits, found.len());
    let mut unexpected: Vec<&Document> = found
        .iter()
        .enumerate()
        .filter(|(place, _)| !pairs.contains(&Some(*place)))
        .map(|(_, alert)| alert)
        .collect();
    let missing: Vec<&ExpectedAlert> = expected
        .iter()
        .zip(&pairs)
        .filter(|(_, place)| place.is_none())
        .map(|(expected, _)| expected)
        .collect();
    if missing.is_empty() && unexpected.is_empty() {
        return Ok(());
    }
    let mut lines = vec![format!(
        "expected {}, found {}",
        plural(expected.len(), "alert"),
        plural(found.len(), "alert")
    )];
    for expected in missing {
        // The one that comes nearest is the one that was probably meant.
        let nearest =
            (0..unexpected.len()).min_by_key(|&place| differences(expected, unexpected[place]).len());
        match nearest {
            Some(place) => {
                let found = unexpected.remove(place);
                lines.push(format!("differs: {}", found.message));
                lines.extend(
                    differences(expected, found)
                        .iter()
                        .map(|line| format!("  {line}")),
                );
            }
            None => lines.push(format!("missing: {expected}")),
        }
    }
    lines.extend(
        unexpected
            .iter()
            .map(|alert| format!("not expected: {}", alert.message)),
    );
    Err(Failure(lines))
}

impl fmt::Display for ExpectedAlert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: Option<&dyn fmt::Display>| value.map(ToString::to_string);
        let list = |items: Option<&[String]>| items.map(|items| format!("[{}]", items.join(", ")));
        let fields = [
            ("asset", self.asset.clone()),
            ("source", text(self.source.as_ref().map(|ip| ip as _))),
            ("attribution", text(self.attribution.as_ref().map(|how| how as _))),
            ("confidence", text(self.confidence.as_ref().map(|how| how as _))),
            ("accounts", list(self.accounts.as_deref())),
            ("pipes", list(self.pipes.as_deref())),
            ("paths", list(self.paths.as_deref())),
            ("exception", self.exception.clone()),
            ("unexpected", self.unexpected.clone()),
        ];
        let parts: Vec<String> = fields
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name} {}", value?)))
            .collect();
        f.write_str(if parts.is_empty() { "any alert" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}
