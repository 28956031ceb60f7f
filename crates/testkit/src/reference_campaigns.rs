//! Campaigns, computed slowly and obviously from the whole set of sightings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pipewarden_core::detection::{AlertId, Attribution, JoinSettings, Rule, Sighting, Status};
use pipewarden_core::event::{AssetId, Outcome};
use pipewarden_core::time::EventTime;

/// One campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    pub last: EventTime,
    pub chain: Option<Arc<str>>,
    pub is_downgraded: bool,
    pub doublings: u32,
    pub assets: BTreeMap<AssetId, Touched>,
}

/// One asset of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    pub first: EventTime,
    pub last: EventTime,
    pub rules: BTreeSet<Arc<str>>,
    pub accounts: BTreeSet<Arc<str>>,
    pub alerts: BTreeSet<AlertId>,
    pub is_audited: bool,
    pub is_denied: bool,
    pub is_downgraded: bool,
}

/// A source, and the first touch of one of its campaigns.
pub type Key = (Arc<str>, EventTime);

type Touch<'a> = (EventTime, &'a Sighting);

/// Of each alert the sighting with the greatest revision, if the alert is active.
pub fn standing(sightings: &[Sighting]) -> Vec<&Sighting> {
    let mut last: BTreeMap<AlertId, &Sighting> = BTreeMap::new();
    for sighting in sightings {
        let known = last.entry(sighting.alert_id).or_insert(sighting);
        if sighting.revision > known.revision {
            *known = sighting;
        }
    }
    let standing = last.into_values();
    standing
        .filter(|sighting| sighting.status == Status::Active)
        .collect()
}

/// The campaigns that are active in the end.
pub fn final_campaigns(
    sightings: &[Sighting],
    rules: &[Rule],
    settings: &JoinSettings,
) -> BTreeMap<Key, Expected> {
    let mut by_source: BTreeMap<Arc<str>, Vec<Touch<'_>>> = BTreeMap::new();
    for sighting in standing(sightings) {
        if rules.iter().any(|rule| rule.id == sighting.rule) {
            let touches = by_source.entry(Arc::clone(&sighting.source)).or_default();
            touches.push((sighting.first, sighting));
            touches.push((sighting.last, sighting));
        }
    }
    let mut campaigns = BTreeMap::new();
    for (source, touches) in by_source {
        for run in runs(touches, settings) {
            if !reaches(&run, rules, settings) {
                continue;
            }
            let kept: Vec<Touch<'_>> = run.iter().copied().filter(|touch| !touch.1.downgraded).collect();
            let is_downgraded = !reaches(&kept, rules, settings);
            for part in parts(run, settings) {
                let first = part.iter().map(|(time, _)| *time).min().unwrap();
                campaigns.insert(
                    (Arc::clone(&source), first),
                    expected(&part, is_downgraded, rules, settings),
                );
            }
        }
    }
    campaigns
}

/// Whatever is near to what is near, and so on.
fn runs<'a>(mut touches: Vec<Touch<'a>>, settings: &JoinSettings) -> Vec<Vec<Touch<'a>>> {
    let mut runs = Vec::new();
    while let Some(one) = touches.pop() {
        let mut run = vec![one];
        loop {
            let is_near = |touch: &Touch<'_>| {
                let mut times = run.iter().map(|(time, _)| time.distance(touch.0));
                times.any(|distance| distance <= settings.campaign.within)
            };
            let (near, far): (Vec<_>, Vec<_>) = touches.into_iter().partition(is_near);
            touches = far;
            if near.is_empty() {
                break;
            }
            run.extend(near);
        }
        runs.push(run);
    }
    runs
}

fn parts<'a>(run: Vec<Touch<'a>>, settings: &JoinSettings) -> Vec<Vec<Touch<'a>>> {
    let longest = settings.campaign.longest;
    let first = run.iter().map(|(time, _)| *time).min().unwrap();
    let last = run.iter().map(|(time, _)| *time).max().unwrap();
    if first.distance(last) <= longest {
        return vec![run];
    }
    let mut parts: BTreeMap<EventTime, Vec<Touch<'a>>> = BTreeMap::new();
    for touch in run {
        parts.entry(touch.0.bucket(longest)).or_default().push(touch);
    }
    parts.into_values().collect()
}

fn doublings(touches: &[Touch<'_>], settings: &JoinSettings) -> u32 {
    let assets: BTreeSet<&AssetId> = touches.iter().map(|(_, sighting)| &sighting.asset).collect();
    let mut doublings = 0;
    let mut enough = 2 * settings.campaign.min_assets as usize;
    while assets.len() >= enough {
        doublings += 1;
        enough *= 2;
    }
    doublings
}

fn reaches(run: &[Touch<'_>], rules: &[Rule], settings: &JoinSettings) -> bool {
    let assets: BTreeSet<&AssetId> = run.iter().map(|(_, sighting)| &sighting.asset).collect();
    assets.len() >= settings.campaign.min_assets as usize || chain(run, rules).is_some()
}

/// The rule with the highest risk that follows one of its chain on one asset.
fn chain(touches: &[Touch<'_>], rules: &[Rule]) -> Option<Arc<str>> {
    let mut completed: Vec<&Rule> = Vec::new();
    for (_, before) in touches {
        for (_, after) in touches {
            let rule = rules.iter().find(|rule| rule.id == after.rule).unwrap();
            let follows = before.asset == after.asset && before.first <= after.last;
            if follows && rule.chain.contains(&before.rule) {
                completed.push(rule);
            }
        }
    }
    completed.sort_by_key(|rule| (u8::MAX - rule.risk, Arc::clone(&rule.id)));
    completed.first().map(|rule| Arc::clone(&rule.id))
}

fn expected(
    part: &[Touch<'_>],
    is_run_downgraded: bool,
    rules: &[Rule],
    settings: &JoinSettings,
) -> Expected {
    let is_downgraded = is_run_downgraded || part.iter().all(|touch| touch.1.downgraded);
    let mut weighty = part.to_vec();
    if !is_downgraded {
        weighty.retain(|touch| !touch.1.downgraded);
    }
    let mut assets: BTreeMap<AssetId, Touched> = BTreeMap::new();
    for (time, sighting) in part {
        let denied =
            |other: &Touch<'_>| other.1.asset != sighting.asset || other.1.outcome == Some(Outcome::Failure);
        let touched = assets.entry(sighting.asset.clone()).or_insert_with(|| Touched {
            first: *time,
            last: *time,
            rules: BTreeSet::new(),
            accounts: BTreeSet::new(),
            alerts: BTreeSet::new(),
            is_audited: false,
            is_denied: part.iter().all(denied),
            is_downgraded: true,
        });
        touched.first = touched.first.min(*time);
        touched.last = touched.last.max(*time);
        touched.rules.insert(Arc::clone(&sighting.rule));
        touched.accounts.extend(sighting.accounts.iter().cloned());
        touched.alerts.insert(sighting.alert_id);
        touched.is_downgraded &= sighting.downgraded;
        touched.is_audited |= sighting.attribution == Attribution::Audited;
    }
    Expected {
        last: part.iter().map(|(time, _)| *time).max().unwrap(),
        chain: chain(&weighty, rules),
        is_downgraded,
        doublings: doublings(&weighty, settings),
        assets,
    }
}
