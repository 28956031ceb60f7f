//! The policy: everything that decisions depend on, apart from the log itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use pipewarden_core::alert::{self, AlertFormat, AssetFacts, Document};
use pipewarden_core::detection::{
    Body, Exceptions, JoinSettings, Revision, RuleSet, Sighting, SightingRecord,
};
use pipewarden_core::event::AssetId;
use pipewarden_core::inventory::{Inventory, Purpose, UnlistedHosts};

use super::applied::SightingMessage;

/// Settings, rules, inventory and exceptions in force, validated and immutable.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The rules.
    pub rules: RuleSet,
    /// The protected hosts.
    pub inventory: Arc<Inventory>,
    /// What to do with the others; by default, ignore them where the inventory lists any host.
    pub unlisted_hosts: UnlistedHosts,
    /// Windows, waits and bounds.
    pub join: JoinSettings,
    /// Accesses that somebody is responsible for.
    pub exceptions: Arc<Exceptions>,
    format: AlertFormat,
    /// The most that a document takes, as encoded.
    max_bytes: usize,
    /// Differs where decisions may differ, whatever the format of alerts.
    id: String,
    checkpoint_id: String,
}

impl Policy {
    /// Puts the parts together. `id` must differ whenever a part differs; it is ASCII letters and
    /// digits, since it is a part of the committed offset's metadata.
    pub fn new(
        rules: RuleSet,
        inventory: Arc<Inventory>,
        unlisted_hosts: UnlistedHosts,
        join: JoinSettings,
        id: String,
    ) -> Self {
        Self {
            rules,
            exceptions: Arc::new(Exceptions::none_for(Arc::clone(&inventory))),
            inventory,
            unlisted_hosts,
            join,
            format: AlertFormat::default(),
            max_bytes: alert::DEFAULT_MAX_BYTES,
            id: id.clone(),
            checkpoint_id: id,
        }
    }

    /// The same with exceptions, on which the id must depend as well.
    pub fn with_exceptions(self, exceptions: Exceptions) -> Self {
        Self {
            exceptions: Arc::new(exceptions),
            ..self
        }
    }

    /// The same, with alerts in this format. It is a part of the checkpoint id: after a change, what is open is written
    /// once more, so that no alert is missing on a topic that was not written to before.
    #[must_use]
    pub fn with_format(mut self, format: AlertFormat) -> Self {
        self.format = format;
        self.set_checkpoint_id();
        self
    }

    /// The same, with documents of at most so many bytes as encoded, and of not less than [`alert::LEAST_MAX_BYTES`]. It is a
    /// part of the checkpoint id as the format is.
    #[must_use]
    pub fn with_max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes.max(alert::LEAST_MAX_BYTES);
        self.set_checkpoint_id();
        self
    }

    fn set_checkpoint_id(&mut self) {
        self.checkpoint_id.clone_from(&self.id);
        if self.format != AlertFormat::Ecs {
            self.checkpoint_id.push_str(self.format.as_str());
        }
        if self.max_bytes != alert::DEFAULT_MAX_BYTES {
            self.checkpoint_id.push_str(&self.max_bytes.to_string());
        }
    }

    /// The id of settings, rules, inventory and exceptions, as documents and operators see it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The id in checkpoints: equal only if every decision and the format of alerts are.
    pub fn checkpoint_id(&self) -> &str {
        &self.checkpoint_id
    }

    /// The document of one revision in ECS and, where findings are asked for, in OCSF, as JSON, each within its bytes.
    pub fn documents(&self, revision: &Revision) -> (Vec<u8>, Option<Vec<u8>>) {
        let ecs = self.document(revision);
        let finding = (self.format.has_ocsf())
            .then(|| alert::encode(&alert::detection_finding(revision, &ecs), self.max_bytes));
        (alert::encode(&ecs, self.max_bytes), finding)
    }

    /// The record for the sightings topic that a revision causes.
    pub(super) fn sighting(&self, revision: &Revision) -> Option<SightingMessage> {
        if !self.join.campaign.enabled {
            return None;
        }
        let ip = revision.source_ip()?.to_canonical();
        let key = match self.inventory.by_address(ip) {
            Some(asset) => asset.id.to_string(),
            None => ip.to_string(),
        };
        let sighting = Sighting::of(revision, &key, &self.id)?;
        let value = SightingRecord::Sighting(sighting).encode();
        Some(SightingMessage { key, value })
    }

    fn document(&self, revision: &Revision) -> Document {
        let mut document = self.document_of_one(revision);
        if let (Body::Campaign(alert), Some(fields)) = (&revision.body, &mut document.pipewarden.campaign) {
            for (asset, fields) in alert.assets.iter().zip(&mut fields.assets) {
                let roles = self.roles(&asset.asset).into_iter();
                fields.roles = roles.map(str::to_owned).collect();
            }
        }
        document
    }

    fn roles(&self, id: &AssetId) -> Vec<&'static str> {
        match self.inventory.asset(id) {
            Some(asset) => asset.roles.iter().map(|role| role.as_str()).collect(),
            None => vec!["unlisted"],
        }
    }

    /// What the accounts of an alert are for, where its rule asks.
    fn purposes(&self, revision: &Revision) -> BTreeSet<Purpose> {
        let Body::Access(alert) = &revision.body else {
            return BTreeSet::new();
        };
        let asks = alert.rule.risk_by.iter().any(|entry| !entry.purposes.is_empty());
        let accounts = alert.content.accounts.iter().filter(|_| asks);
        let purposes = accounts.map(|account| self.inventory.purposes_of(account));
        purposes.flatten().collect()
    }

    /// The document with the roles of the asset that it names.
    fn document_of_one(&self, revision: &Revision) -> Document {
        let id = revision.asset();
        let asset = self.inventory.asset(id);
        let roles = self.roles(id);
        let source = revision.source_ip().and_then(|ip| self.inventory.by_address(ip));
        let purposes = self.purposes(revision);
        let facts = AssetFacts {
            source: source.map(|source| source.id.as_str()),
            id: id.as_str(),
            addresses: asset.map_or(&[], |asset| asset.addresses.as_slice()),
            roles: &roles,
            purposes: &purposes,
        };
        alert::document(revision, &facts, &self.id)
    }
}
