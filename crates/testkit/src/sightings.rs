//! Sightings by hand, and what campaigns they make.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipewarden_core::detection::{
    AlertId, Attribution, Body, Campaign, Campaigns, Confidence, Disposition, JoinOutput, JoinSettings,
    Revision, Rule, Sighting, SightingRecord, Status,
};
use pipewarden_core::event::{AssetId, Outcome};
use pipewarden_core::time::{AppendTime, EventTime};
use uuid::Uuid;

use crate::world::{self, EPOCH};

/// Milliseconds of a minute.
pub const MINUTE: i64 = 60_000;

/// A rule in whose chain `detect-8` comes first, beside those of [`world::rules`].
pub fn rules() -> Vec<Rule> {
    let mut rules = world::rules();
    let mut chaining = rules[0].clone();
    chaining.id = "detect-7".into();
    chaining.name = "Access to the boot images".to_owned();
    chaining.chain = vec!["detect-8".into()];
    rules.push(chaining);
    rules
}

/// So many milliseconds after the world's beginning.
pub fn time(at: i64) -> EventTime {
    EventTime::from_micros(EPOCH + at * 1_000)
}

/// The same on the log's clock.
pub fn arrival(at: i64) -> AppendTime {
    AppendTime::at_event(time(at))
}

/// The first revision of an audited alert of this number about accesses to an asset from `first` to `last`, by the source
/// `10.1.0.9`.
pub fn sighting(alert: u8, asset: u8, first: i64, last: i64) -> Sighting {
    Sighting {
        source: "10.1.0.9".into(),
        source_ip: world::ip(9),
        alert_id: AlertId(Uuid::from_u128(u128::from(alert))),
        revision: 1,
        status: Status::Active,
        rule: "detect-8".into(),
        asset: AssetId::new(&format!("asset{asset}.aperture.local")),
        first: time(first),
        last: time(last),
        attribution: Attribution::Audited,
        confidence: Confidence::Medium,
        outcome: Some(Outcome::Success),
        downgraded: false,
        pipes: vec!["winreg".into()],
        paths: Vec::new(),
        accounts: vec![r"APERTURE\user0".into()],
        omitted: 0,
        decided: arrival(last),
        policy: "test".to_owned(),
    }
}

/// The same by a source of this number.
pub fn by(source: u8, mut sighting: Sighting) -> Sighting {
    sighting.source = world::ip(source).to_string().into();
    sighting.source_ip = world::ip(source);
    sighting
}

/// A log of sightings, and the campaigns that it makes.
pub struct Log {
    pub campaigns: Campaigns,
    pub revisions: Vec<Revision>,
    offset: u64,
}

impl Log {
    pub fn new(rules: &[Rule], settings: &JoinSettings) -> Self {
        Self {
            campaigns: Campaigns::new(rules, settings.clone()),
            revisions: Vec::new(),
            offset: 0,
        }
    }

    /// Appends a sighting, so many milliseconds after the world's beginning.
    pub fn append(&mut self, at: i64, sighting: Sighting) -> JoinOutput {
        self.apply(arrival(at), SightingRecord::Sighting(sighting))
    }

    /// Appends what arrives when its last access happens.
    pub fn append_all(&mut self, sightings: impl IntoIterator<Item = Sighting>) {
        for sighting in sightings {
            let output = self.apply(
                AppendTime::at_event(sighting.last),
                SightingRecord::Sighting(sighting),
            );
            assert_eq!(output.disposition, Disposition::Sighting);
        }
    }

    pub fn apply(&mut self, now: AppendTime, record: SightingRecord) -> JoinOutput {
        let output = self.campaigns.apply(world::at(self.offset, now), record);
        self.offset += 3;
        self.revisions.extend(output.revisions.iter().cloned());
        output
    }

    /// Lets every deadline pass at its time. The last revision of every campaign by its id.
    pub fn end(&mut self) -> BTreeMap<AlertId, Campaign> {
        while let Some(deadline) = self.campaigns.next_deadline() {
            self.apply(deadline, SightingRecord::Tick {});
        }
        let mut last = BTreeMap::new();
        for revision in &self.revisions {
            last.insert(revision.id, campaign(revision).clone());
        }
        last
    }

    /// The same, if it is active.
    pub fn active(&mut self) -> Vec<Campaign> {
        let last = self.end().into_values();
        last.filter(|campaign| campaign.status() == Status::Active)
            .collect()
    }
}

pub fn campaign(revision: &Revision) -> &Campaign {
    match &revision.body {
        Body::Campaign(campaign) => campaign,
        other => panic!("{other:?} is no campaign"),
    }
}

/// The labels of a campaign's assets, by first touch.
pub fn labels(campaign: &Campaign) -> Vec<&str> {
    let assets = campaign.assets.iter();
    assets
        .map(|touched| touched.asset.as_str().split('.').next().unwrap())
        .collect()
}

/// Names for lists.
pub fn texts(texts: &[&str]) -> Vec<Arc<str>> {
    texts.iter().map(|&text| text.into()).collect()
}
