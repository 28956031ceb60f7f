//! What is known of one campaign.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::parts::Touch;
use super::sighting::Sighting;
use crate::detection::revision::NAMESPACE;
use crate::detection::{AlertId, Attribution, CAMPAIGN, Confidence, JoinSettings, Rule, Status};
use crate::event::{AssetId, Outcome};
use crate::time::EventTime;

/// One revision of an alert about a source that touches several assets, or one along a chain of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// The asset of the inventory that the source is, else its address.
    pub source: Arc<str>,
    /// The address from which it made the first touch.
    pub source_ip: IpAddr,
    /// All its addresses, sorted.
    pub addresses: Vec<IpAddr>,
    /// How far apart two neighbouring touches are at most.
    pub within: Duration,
    /// The campaigns that its touches belong to instead, sorted; `None` while it is active.
    pub superseded_by: Option<Vec<AlertId>>,
    /// Event time of the first touch.
    pub first: EventTime,
    /// Event time of the last touch.
    pub last: EventTime,
    /// How many assets were touched.
    pub touched: u32,
    /// How often that number has doubled beyond the least that counts. Of a campaign that is not downgraded only assets whose
    /// alerts are not count here.
    pub doublings: u32,
    /// The alerts that it consists of.
    pub alerts: u32,
    /// The rule whose chain the source went along on one asset; of several the one with the highest risk. Downgraded alerts
    /// make a chain of a downgraded campaign alone.
    pub chain: Option<Arc<Rule>>,
    /// Whether it would be none without alerts that an exception downgrades.
    pub is_downgraded: bool,
    /// Assets of which a log of their own names the source.
    pub audited: u32,
    /// Assets of which it is inferred.
    pub inferred: u32,
    /// Assets that denied every access.
    pub denied: u32,
    /// Assets of which an exception downgrades every alert.
    pub downgraded: u32,
    /// That of the surest alerts that would be a campaign without the others; downgraded ones as for `doublings`.
    pub confidence: Confidence,
    /// Success if any access is known to have been granted, else failure if all are known to have been denied.
    pub outcome: Option<Outcome>,
    /// The pipes, sorted.
    pub pipes: Vec<Arc<str>>,
    /// What else was opened, as `share\path`, sorted.
    pub paths: Vec<Arc<str>>,
    /// `DOMAIN\name`, each once.
    pub accounts: Vec<Arc<str>>,
    /// All assets, by name.
    pub hosts: Vec<AssetId>,
    /// The assets, by first touch, as many as a list may hold and at least one.
    pub assets: Vec<CampaignAsset>,
    /// Alerts of the source in the same time that a bound has dropped.
    pub dropped: u32,
    /// Entries of these lists that the bounds of the document left out.
    pub omitted: u32,
}

/// One asset of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignAsset {
    /// The asset.
    pub asset: AssetId,
    /// Event time of the first touch.
    pub first: EventTime,
    /// Event time of the last.
    pub last: EventTime,
    /// The rules that were met, sorted.
    pub rules: Vec<Arc<str>>,
    /// The pipes, sorted.
    pub pipes: Vec<Arc<str>>,
    /// What else was opened, as `share\path`, sorted.
    pub paths: Vec<Arc<str>>,
    /// `DOMAIN\name`, each once.
    pub accounts: Vec<Arc<str>>,
    /// The alerts, sorted.
    pub alerts: Vec<AlertId>,
    /// Audited where any of the alerts is.
    pub attribution: Attribution,
    /// Whether every access is known to have been denied.
    pub is_denied: bool,
    /// Whether an exception downgrades every alert.
    pub is_downgraded: bool,
}

/// What touches are a campaign by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basis {
    /// Those of alerts that no exception downgrades.
    FullRisk,
    /// Downgraded ones as well.
    All,
}

/// What campaigns are decided by, beside sightings.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) settings: &'a JoinSettings,
    pub(super) rules: &'a BTreeMap<Arc<str>, Arc<Rule>>,
}

impl Context<'_> {
    /// Whether touches are a campaign: by the number of their assets, or along a chain.
    pub(super) fn is_enough(&self, touches: &[Touch<'_>]) -> bool {
        number_of_assets(touches) >= self.least() || self.chain(touches).is_some()
    }

    /// The rule whose chain touches go along: one of its alerts is not before one of a rule that the chain names, on the same
    /// asset. Of several the one with the highest risk, then the least id.
    fn chain(&self, touches: &[Touch<'_>]) -> Option<&Arc<Rule>> {
        let is_completed = |rule: &&Arc<Rule>| {
            let mut begun: BTreeMap<&AssetId, EventTime> = BTreeMap::new();
            for before in touches.iter().map(|touch| touch.sighting) {
                if rule.chain.contains(&before.rule) {
                    let first = begun.entry(&before.asset).or_insert(before.first);
                    *first = before.first.min(*first);
                }
            }
            touches.iter().map(|touch| touch.sighting).any(|last| {
                let begun = begun.get(&last.asset);
                last.rule == rule.id && begun.is_some_and(|first| *first <= last.last)
            })
        };
        let chaining = self.rules.values().filter(|rule| !rule.chain.is_empty());
        chaining.filter(is_completed).max_by(|one, other| {
            let by_id = other.id.cmp(&one.id);
            one.risk.cmp(&other.risk).then(by_id)
        })
    }

    /// How often so many assets are the double of the least that is enough.
    fn doublings(&self, assets: usize) -> u32 {
        (assets / self.least()).checked_ilog2().unwrap_or(0)
    }

    /// At least one: a campaign has an asset.
    fn least(&self) -> usize {
        let least = self.settings.campaign.min_assets.max(1);
        usize::try_from(least).expect("32 bits fit into a usize")
    }

    /// The greatest confidence of which alerts alone would be a campaign; the least where none would.
    fn confidence(&self, touches: &[Touch<'_>]) -> Confidence {
        let of = |touch: &Touch<'_>| match touch.sighting.attribution {
            Attribution::Audited => Confidence::High,
            _ => touch.sighting.confidence,
        };
        let is_enough = |least: &Confidence| {
            let surest = touches.iter().filter(|touch| of(touch) >= *least).copied();
            self.is_enough(&surest.collect::<Vec<_>>())
        };
        let greatest = [Confidence::High, Confidence::Medium].into_iter().find(is_enough);
        greatest.unwrap_or(Confidence::Low)
    }
}

/// The identifier of a source's campaign that begins at this time.
pub(super) fn campaign_id(source: &str, first: EventTime) -> AlertId {
    let name = format!("{}\0{}", story_name(source), first.as_micros());
    AlertId(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
}

/// Rule, asset and source, as for an alert about accesses: here the source takes the asset's place, too.
fn story_name(source: &str) -> String {
    format!("{CAMPAIGN}\0{source}\0{source}")
}

impl Campaign {
    /// The active campaign of touches, of which there is at least one. `start` is its first touch where that is before these.
    pub(super) fn of(
        source: &Arc<str>,
        touches: &[Touch<'_>],
        start: Option<EventTime>,
        basis: Basis,
        context: Context<'_>,
    ) -> Self {
        let weighty = match basis {
            Basis::FullRisk => at_full_risk(touches),
            Basis::All => touches.to_vec(),
        };
        let (one, other) = (&touches[0], &touches[touches.len() - 1]);
        let assets = by_asset(touches);
        let all: BTreeMap<AlertId, &Sighting> = touches
            .iter()
            .map(|touch| (touch.sighting.alert_id, touch.sighting))
            .collect();
        let mut campaign = Self {
            source: Arc::clone(source),
            source_ip: one.sighting.source_ip,
            addresses: all.values().map(|sighting| sighting.source_ip).collect(),
            within: context.settings.campaign.within,
            superseded_by: None,
            first: start.unwrap_or(one.time),
            last: other.time,
            touched: count(assets.len()),
            doublings: context.doublings(number_of_assets(&weighty)),
            alerts: count(all.len()),
            chain: context.chain(&weighty).cloned(),
            is_downgraded: basis == Basis::All,
            audited: number(&assets, |asset| asset.attribution == Attribution::Audited),
            inferred: number(&assets, |asset| asset.attribution != Attribution::Audited),
            denied: number(&assets, |asset| asset.is_denied),
            downgraded: number(&assets, |asset| asset.is_downgraded),
            confidence: context.confidence(&weighty),
            outcome: outcome(all.values().copied()),
            pipes: sorted(all.values().flat_map(|sighting| &sighting.pipes)),
            paths: sorted(all.values().flat_map(|sighting| &sighting.paths)),
            accounts: sorted(all.values().flat_map(|sighting| &sighting.accounts)),
            hosts: assets.iter().map(|asset| asset.asset.clone()).collect(),
            assets,
            dropped: 0,
            omitted: all
                .values()
                .fold(0, |sum, sighting| sighting.omitted.saturating_add(sum)),
        };
        campaign.addresses.sort_unstable();
        campaign.addresses.dedup();
        campaign
            .assets
            .sort_by(|a, b| (a.first, &a.asset).cmp(&(b.first, &b.asset)));
        campaign.bound(context.settings.limits.list_entries.max(1));
        campaign
    }

    /// Keeps no list longer than `limit`, but for the names of assets.
    fn bound(&mut self, limit: usize) {
        let mut left_out = 0;
        let mut keep = |length: usize| left_out += length.saturating_sub(limit);
        keep(self.assets.len());
        keep(self.pipes.len());
        keep(self.paths.len());
        keep(self.accounts.len());
        self.assets.truncate(limit);
        self.pipes.truncate(limit);
        self.paths.truncate(limit);
        self.accounts.truncate(limit);
        for asset in &mut self.assets {
            let CampaignAsset {
                alerts,
                accounts,
                pipes,
                paths,
                ..
            } = &asset;
            for length in [alerts.len(), accounts.len(), pipes.len(), paths.len()] {
                left_out += length.saturating_sub(limit);
            }
            asset.alerts.truncate(limit);
            asset.accounts.truncate(limit);
            asset.pipes.truncate(limit);
            asset.paths.truncate(limit);
        }
        self.omitted = self.omitted.saturating_add(count(left_out));
    }

    /// Its identifier.
    pub fn id(&self) -> AlertId {
        campaign_id(&self.source, self.first)
    }

    /// The same for all campaigns of the source, so that a SIEM can throttle.
    pub fn story_id(&self) -> Uuid {
        Uuid::new_v5(&NAMESPACE, story_name(&self.source).as_bytes())
    }

    /// Active, or superseded.
    pub const fn status(&self) -> Status {
        match self.superseded_by {
            None => Status::Active,
            Some(_) => Status::Superseded,
        }
    }

    /// The asset that was touched first.
    pub fn first_asset(&self) -> &AssetId {
        &self.assets.first().expect("a campaign lists an asset").asset
    }

    /// How the source is known of the asset where that is surest.
    pub const fn attribution(&self) -> Attribution {
        if self.audited > 0 {
            Attribution::Audited
        } else {
            Attribution::Inferred
        }
    }

    pub(super) const fn is_active(&self) -> bool {
        self.superseded_by.is_none()
    }

    /// Whether a campaign has touches in the time of another.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

fn number_of_assets(touches: &[Touch<'_>]) -> usize {
    let assets: BTreeSet<&AssetId> = touches.iter().map(|touch| &touch.sighting.asset).collect();
    assets.len()
}

/// The touches of alerts that no exception downgrades.
pub(super) fn at_full_risk<'a>(touches: &[Touch<'a>]) -> Vec<Touch<'a>> {
    let touches = touches.iter().copied();
    touches.filter(|touch| !touch.sighting.downgraded).collect()
}

/// What was touched, by name.
fn by_asset(touches: &[Touch<'_>]) -> Vec<CampaignAsset> {
    let mut assets: BTreeMap<&AssetId, (CampaignAsset, BTreeMap<AlertId, &Sighting>)> = BTreeMap::new();
    for Touch { time, sighting } in touches {
        let (asset, alerts) = assets.entry(&sighting.asset).or_insert_with(|| {
            let asset = CampaignAsset {
                asset: sighting.asset.clone(),
                first: *time,
                last: *time,
                rules: Vec::new(),
                pipes: Vec::new(),
                paths: Vec::new(),
                accounts: Vec::new(),
                alerts: Vec::new(),
                attribution: Attribution::Inferred,
                is_denied: false,
                is_downgraded: false,
            };
            (asset, BTreeMap::new())
        });
        asset.last = *time;
        alerts.insert(sighting.alert_id, sighting);
    }
    let filled = assets.into_values().map(|(mut asset, alerts)| {
        let sightings = || alerts.values();
        asset.rules = sorted(sightings().map(|sighting| &sighting.rule));
        asset.pipes = sorted(sightings().flat_map(|sighting| &sighting.pipes));
        asset.paths = sorted(sightings().flat_map(|sighting| &sighting.paths));
        asset.accounts = sorted(sightings().flat_map(|sighting| &sighting.accounts));
        asset.alerts = alerts.keys().copied().collect();
        if sightings().any(|sighting| sighting.attribution == Attribution::Audited) {
            asset.attribution = Attribution::Audited;
        }
        asset.is_downgraded = sightings().all(|sighting| sighting.downgraded);
        asset.is_denied = outcome(sightings().copied()) == Some(Outcome::Failure);
        asset
    });
    filled.collect()
}

fn sorted<'a>(texts: impl Iterator<Item = &'a Arc<str>>) -> Vec<Arc<str>> {
    let texts: BTreeSet<&Arc<str>> = texts.collect();
    texts.into_iter().cloned().collect()
}

/// Success if any is, else failure if all are.
fn outcome<'a>(sightings: impl Iterator<Item = &'a Sighting>) -> Option<Outcome> {
    let outcomes = sightings.map(|sighting| sighting.outcome);
    outcomes.reduce(Outcome::together).flatten()
}

fn number(assets: &[CampaignAsset], is_such: impl Fn(&CampaignAsset) -> bool) -> u32 {
    count(assets.iter().filter(|asset| is_such(asset)).count())
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
