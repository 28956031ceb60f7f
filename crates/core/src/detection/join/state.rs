//! What the contents of alerts are read from: the observations in state, and the policy.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::accesses::Accesses;
use super::asset::{AssetState, RuleIndex};
use super::content::{Current, current};
use super::open_alert::OpenAlert;
use super::rules::Rules;
use crate::detection::{Action, AlertId, Content, Exceptions, JoinSettings, Status, Who};
use crate::event::{AssetId, Detail, Logon, Observation};
use crate::inventory::{Inventory, Role};
use crate::time::AppendTime;

/// All of a join's state that the contents of alerts follow from.
#[derive(Debug)]
pub(super) struct State {
    pub(super) settings: JoinSettings,
    /// That of the settings, which every record asks for.
    pub(super) horizon: Duration,
    pub(super) rules: Rules,
    pub(super) exceptions: Arc<Exceptions>,
    /// Whose roles decide which session evidence is kept; without one that of every host is.
    pub(super) inventory: Option<Arc<Inventory>>,
    /// Seeded at random like the standard hash, which costs several times as much for each record.
    pub(super) assets: HashMap<AssetId, AssetState, RandomState>,
}

impl State {
    /// The content of an alert as of now, and when its first access arrived. `None` if it has no access and was never
    /// published with one.
    pub(super) fn content_now(&self, alert: &OpenAlert) -> Option<(Content, AppendTime)> {
        // Bounds may have left room for nothing but the alert's summary.
        let (no_asset, no_accesses) = (AssetState::default(), Accesses::default());
        let asset = self.assets.get(&alert.key.asset).unwrap_or(&no_asset);
        let accesses = asset.accesses.get(&alert.rule).unwrap_or(&no_accesses);
        let keeps_logons = self.keeps_logons(&alert.key.asset);
        let policy = (&self.settings, self.exceptions.domains());
        let callback = self.rules.rule(alert.rule).callback.as_ref();
        if let Some(current) = current(alert, asset, accesses, (keeps_logons, callback), policy) {
            let opened = current.opened;
            return Some((self.excepted(alert, current), opened));
        }
        let last_published = alert.last_published.clone()?;
        let departed = alert.departed.iter().filter_map(|&slot| accesses.alert_of(slot));
        let superseded_by: BTreeSet<AlertId> = departed.collect();
        let superseded = Content {
            status: Status::Superseded,
            superseded_by: superseded_by.into_iter().collect(),
            ..last_published
        };
        Some((superseded, AppendTime::MIN))
    }

    /// The rules that watch what an observation shows, on an asset like its own: what was opened, or that an account was used
    /// from elsewhere; of what an asset did, those that watch whether it connects back. None for other session evidence, which
    /// serves all of them.
    pub(super) fn watching(&self, observation: &Observation) -> Vec<RuleIndex> {
        let mut rules = match &observation.event.detail {
            Detail::Logon(logon) => self.watching_logon(logon, observation),
            _ => self.rules.watching(observation),
        };
        if rules.iter().any(|&rule| !self.rules.rule(rule).roles.is_empty()) {
            let roles = self.roles(&observation.asset);
            rules.retain(|&rule| self.rules.rule(rule).watches_roles(roles));
        }
        rules
    }

    /// The rules that watch an account where it is not expected. What an asset does itself is no use from elsewhere.
    fn watching_logon(&self, logon: &Logon, observation: &Observation) -> Vec<RuleIndex> {
        let (Some(inventory), Some(account)) = (&self.inventory, &logon.account) else {
            return Vec::new();
        };
        if observation.is_local || !self.rules.watch_accounts() {
            return Vec::new();
        }
        let purposes = inventory.used_elsewhere(account, logon.source_ip, &observation.asset);
        self.rules.watching_accounts(&purposes)
    }

    /// What the inventory says that an asset is for.
    fn roles(&self, asset: &AssetId) -> &[Role] {
        let inventory = self.inventory.as_ref();
        let listed = inventory.and_then(|inventory| inventory.asset(asset));
        listed.map_or(&[], |asset| asset.roles.as_slice())
    }

    /// Whether the settings keep an asset's logons: without them an inferred source is less sure.
    fn keeps_logons(&self, asset: &AssetId) -> bool {
        self.settings.session_evidence.logons.of(self.roles(asset))
    }

    /// The content with what is kept from the alerts topic: what the asset did itself, and what an exception suppresses.
    fn excepted(&self, alert: &OpenAlert, current: Current) -> Content {
        let Current { content, subject, .. } = current;
        if alert.key.who == Who::Local {
            return Content {
                status: Status::Suppressed,
                ..content
            };
        }
        let (asset, closes) = (&alert.key.asset, alert.closes);
        let unexpected = self.exceptions.unexpected(asset, closes, &subject);
        // Whoever uses an account from where nobody expects it is not who answers for it.
        let exception = if unexpected.is_none() {
            self.exceptions.covering(asset, closes, &subject)
        } else {
            None
        };
        let status = match &exception {
            Some(covering) if covering.action == Action::Suppress => Status::Suppressed,
            _ => content.status,
        };
        Content {
            status,
            exception,
            unexpected,
            ..content
        }
    }
}
